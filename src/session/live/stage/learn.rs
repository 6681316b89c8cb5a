//! MIDI learn over OSC.

use std::net::SocketAddr;
use std::time::Instant;

use super::devices::Devices;
use crate::event::parameter::{Param, Value};
use crate::event::{LearnRequest, Notice};
use crate::midi::mapping::{Learned, Learning};

/// A learn request, and who gets the answer.
#[derive(Debug)]
pub(super) struct Lesson {
    pub(super) learning: Learning,
    to: Option<SocketAddr>,
}

impl Lesson {
    fn answer(&self, block: String) -> Notice {
        Notice::Learned { to: self.to, param: self.learning.param(), block }
    }
}

impl Devices {
    /// Processes learn requests, given the current parameter values, and maps the learned control; returns the answers.
    pub(super) fn learn(
        &mut self,
        requests: impl Iterator<Item = (LearnRequest, Option<SocketAddr>)>,
        value: impl Fn(Param) -> Value,
    ) -> Vec<Notice> {
        let now = Instant::now();
        let mut answers = Vec::new();
        for (request, to) in requests {
            if let LearnRequest::Forget(param) = request {
                let forgotten = self.mappings.forget(param);
                tracing::info!(parameter = param.spec().id, forgotten, "removed learned controls");
                answers.push(Notice::Learned { to, param, block: String::new() });
                continue;
            }
            answers.extend(self.lesson.take().map(|old| old.answer(String::new())));
            if let LearnRequest::Control(param) = request {
                self.lesson = Some(Lesson { learning: Learning::new(param, value(param), now), to });
            }
        }
        answers.extend(self.lesson.take_if(|lesson| lesson.learning.ended(now)).map(|lesson| self.bind(&lesson)));
        answers
    }

    /// Maps the learned control; returns the answer.
    fn bind(&mut self, lesson: &Lesson) -> Notice {
        let Some((device, block)) = lesson.learning.result() else { return lesson.answer(String::new()) };
        if lesson.learning.is_complete() {
            let name = self.mappings.device_name(device).unwrap_or_default().to_owned();
            match Learned::new(&name, &block) {
                Ok(learned) => {
                    tracing::info!("learned: {learned}");
                    self.mappings.learn(learned);
                }
                Err(problems) => tracing::error!(?problems, "cannot create a binding for the learned control"),
            }
        }
        lesson.answer(block)
    }
}
