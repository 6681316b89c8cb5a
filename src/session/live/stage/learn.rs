//! MIDI learn over OSC.

use std::net::SocketAddr;
use std::time::Instant;

use super::Stage;
use crate::event::parameter::Param;
use crate::event::{LearnRequest, Notice};
use crate::midi::mapping::{Learned, Learning};

/// A control that is being learnt, and who gets the answer.
#[derive(Debug)]
pub(super) struct Lesson {
    pub(super) learning: Learning,
    to: Option<SocketAddr>,
}

impl Stage {
    /// Begins to learn when somebody asks; binds what was learnt, and answers.
    pub(super) fn learn(&mut self, lesson: &mut Option<Lesson>, now: Instant) {
        while let Some((request, from)) = self.inbox.take_learn() {
            if let LearnRequest::Forget(param) = request {
                let forgotten = self.mappings.forget(param);
                tracing::info!(parameter = param.spec().id, forgotten, "learnt controls forgotten");
                self.answer(from, param, String::new());
                continue;
            }
            if let Some(old) = lesson.take() {
                self.answer(old.to, old.learning.param(), String::new());
            }
            if let LearnRequest::Control(param) = request {
                let learning = Learning::new(param, self.conductor.value(param), now);
                *lesson = Some(Lesson { learning, to: from });
            }
        }
        let Some(Lesson { learning, to }) = lesson.take_if(|lesson| lesson.learning.ended(now)) else { return };
        let param = learning.param();
        let Some((device, block)) = learning.result() else { return self.answer(to, param, String::new()) };
        if learning.is_complete() {
            let name = self.mappings.device_name(device).unwrap_or_default().to_owned();
            match Learned::new(&name, &block) {
                Ok(learned) => {
                    tracing::info!("learnt: {learned}");
                    self.mappings.learn(learned);
                }
                Err(problems) => tracing::error!(?problems, "what was learnt cannot be bound"),
            }
        }
        self.answer(to, param, block);
    }

    fn answer(&self, to: Option<SocketAddr>, param: Param, block: String) {
        self.board.tell(Notice::Learned { to, param, block });
    }
}
