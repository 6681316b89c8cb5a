//! MIDI learn: binds a parameter to the next MIDI control that moves.

use std::net::SocketAddr;
use std::time::Instant;

use crate::event::parameter::{Param, Value};
use crate::event::{LearnRequest, Notice};
use crate::midi::MidiEvent;
use crate::midi::mapping::{LearnSession, LearnedControl, LiveMappings};

/// Learns a control for one parameter at a time; a new request replaces the current one.
#[derive(Debug, Default)]
pub(super) struct MidiLearn {
    current: Option<PendingLearn>,
}

/// A learn request in progress, and the address for the reply.
#[derive(Debug)]
struct PendingLearn {
    learning: LearnSession,
    to: Option<SocketAddr>,
}

impl PendingLearn {
    fn reply(&self, block: String) -> Notice {
        Notice::Learned { to: self.to, param: self.learning.param(), block }
    }

    /// Adds the learned control to the mappings; returns the reply.
    fn bind(&self, mappings: &mut LiveMappings) -> Notice {
        let Some((device, block)) = self.learning.result() else { return self.reply(String::new()) };
        if self.learning.is_complete() {
            let name = mappings.device_name(device).unwrap_or_default().to_owned();
            match LearnedControl::new(&name, &block) {
                Ok(learned) => {
                    tracing::info!("learned: {learned}");
                    mappings.learn(learned);
                }
                Err(problems) => tracing::error!(?problems, "cannot create a binding for the learned control"),
            }
        }
        self.reply(block)
    }
}

impl MidiLearn {
    /// Returns the parameter being learned.
    pub(super) fn param(&self) -> Option<Param> {
        self.current.as_ref().map(|pending| pending.learning.param())
    }

    /// Observes an event from a device, received at `now`.
    pub(super) fn observe(&mut self, event: &MidiEvent, now: Instant) {
        if let Some(pending) = &mut self.current {
            pending.learning.observe(event, now);
        }
    }

    /// Processes learn requests, given the current parameter values, and adds a learned control to the mappings. Returns
    /// the replies.
    pub(super) fn process(
        &mut self,
        requests: impl Iterator<Item = (LearnRequest, Option<SocketAddr>)>,
        mappings: &mut LiveMappings,
        value: impl Fn(Param) -> Value,
    ) -> Vec<Notice> {
        let now = Instant::now();
        let mut notices = Vec::new();
        for (request, to) in requests {
            if let LearnRequest::Forget(param) = request {
                let forgotten = mappings.forget(param);
                tracing::info!(parameter = param.spec().id, forgotten, "removed learned controls");
                notices.push(Notice::Learned { to, param, block: String::new() });
                continue;
            }
            notices.extend(self.current.take().map(|old| old.reply(String::new())));
            if let LearnRequest::Control(param) = request {
                self.current = Some(PendingLearn { learning: LearnSession::new(param, value(param), now), to });
            }
        }
        let ended = self.current.take_if(|pending| pending.learning.has_ended(now));
        notices.extend(ended.map(|pending| pending.bind(mappings)));
        notices
    }
}
