//! MIDI learn over OSC.

use std::net::SocketAddr;
use std::time::Instant;

use super::Stage;
use crate::control::Notice;
use crate::mapping::{Learned, Learning};
use crate::parameter::Kind;

/// A control that is being learnt, and who gets the answer.
#[derive(Debug)]
pub(super) struct Lesson {
    pub(super) learning: Learning,
    to: SocketAddr,
}

impl Stage {
    /// Begins to learn when somebody asks; binds what was learnt, and answers.
    pub(super) fn learn(&mut self, lesson: &mut Option<Lesson>, now: Instant) {
        if let Some(request) = self.inbox.take_learn() {
            if let Some(old) = lesson.take() {
                self.answer(&old, String::new());
            }
            *lesson = request.param.map(|param| Lesson { learning: Learning::new(param, now), to: request.from });
        }
        let Some(ended) = lesson.take_if(|lesson| lesson.learning.ended(now)) else { return };
        let Some((device, block)) = ended.learning.result() else { return self.answer(&ended, String::new()) };
        // A text is for its reader to write into the block.
        if !matches!(ended.learning.param().spec().kind, Kind::Text { .. }) {
            let name = self.mappings.device_name(device).unwrap_or_default().to_owned();
            match Learned::new(&name, &block) {
                Ok(learned) => self.mappings.learn(learned),
                Err(problems) => tracing::error!(?problems, "what was learnt cannot be bound"),
            }
        }
        tracing::info!(parameter = ended.learning.param().spec().id, "learnt");
        self.answer(&ended, block);
    }

    fn answer(&self, lesson: &Lesson, block: String) {
        self.board.tell(Notice::Learned { to: lesson.to, param: lesson.learning.param(), block });
    }
}
