//! MIDI learn while playing. Controls keep their functions meanwhile.

use std::time::{Duration, Instant};

use super::ControlLearner;
use super::control_learner::REST_TIME;
use crate::event::parameter::{Param, Value};
use crate::midi::{DeviceId, MidiEvent};

/// Time allowed for moving a control.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Waits for a control of a device to be moved.
#[derive(Debug, Clone)]
pub struct LearnSession {
    learner: ControlLearner,
    /// The first device on which a control moved; others are ignored.
    device: Option<DeviceId>,
    deadline: Instant,
}

impl LearnSession {
    /// Starts learning a control for a parameter. `value` is the parameter's current value, which a learned button
    /// sets.
    #[must_use]
    pub fn new(param: Param, value: Value, now: Instant) -> Self {
        let learner = ControlLearner::new(param, value);
        Self { learner, device: None, deadline: now + TIMEOUT }
    }

    /// Returns the parameter to bind.
    #[must_use]
    pub const fn param(&self) -> Param {
        self.learner.param()
    }

    /// Processes a device event.
    pub fn observe(&mut self, event: &MidiEvent, now: Instant) {
        if let MidiEvent::Disconnected(device) = event
            && self.device == Some(*device)
        {
            self.learner.restart();
            (self.device, self.deadline) = (None, now + TIMEOUT);
        }
        let MidiEvent::Sent { device, message, .. } = event else { return };
        if self.device.is_none_or(|first| first == *device)
            && self.learner.observe(*message)
            && self.learner.block().is_some()
        {
            self.device = Some(*device);
            self.deadline = now + REST_TIME;
        }
    }

    /// Returns whether the block can be used unchanged; see [`ControlLearner::is_complete`].
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.learner.is_complete()
    }

    /// Returns whether a control has sent enough messages or come to rest, or none was moved in time.
    #[must_use]
    pub fn has_ended(&self, now: Instant) -> bool {
        self.learner.has_enough_messages() || now >= self.deadline
    }

    /// Returns the device and the block for a mapping file; `None` if no control was moved.
    #[must_use]
    pub fn result(&self) -> Option<(DeviceId, String)> {
        Some((self.device?, self.learner.block()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::midi::Message;

    fn sent(device: u32, message: Message, at: Instant) -> MidiEvent {
        MidiEvent::Sent { device: DeviceId(device), at, message }
    }

    #[test]
    fn learns_from_the_first_device_that_moves_a_control() {
        let now = Instant::now();
        let mut session = LearnSession::new(Param::Valence, Value::Number(0.0), now);
        session.observe(&sent(1, Message::Clock, now), now);
        assert_eq!(session.result(), None, "a clock should not count as a control");
        for value in 10..14 {
            session.observe(&sent(2, Message::ControlChange { channel: 0, controller: 7, value }, now), now);
            session.observe(&sent(3, Message::ControlChange { channel: 0, controller: 8, value }, now), now);
        }
        assert!(!session.has_ended(now));
        assert!(session.has_ended(now + REST_TIME), "learning should end once the control is at rest");
        let (device, block) = session.result().unwrap();
        assert_eq!(device, DeviceId(2));
        assert!(block.contains("cc = 7") && block.contains("to = \"valence\""), "{block}");
    }

    #[test]
    fn a_running_clock_does_not_prolong_learning() {
        let now = Instant::now();
        let mut session = LearnSession::new(Param::Valence, Value::Number(0.0), now);
        session.observe(&sent(1, Message::ControlChange { channel: 0, controller: 7, value: 127 }, now), now);
        session.observe(&sent(1, Message::Clock, now), now + REST_TIME / 2);
        assert!(session.has_ended(now + REST_TIME));
    }

    #[test]
    fn starts_over_when_the_device_disconnects() {
        let now = Instant::now();
        let mut session = LearnSession::new(Param::Valence, Value::Number(0.0), now);
        session.observe(&sent(1, Message::Start, now), now);
        session.observe(&MidiEvent::Disconnected(DeviceId(1)), now);
        assert!(session.result().is_none() && !session.has_ended(now + REST_TIME));
        session.observe(&sent(2, Message::Stop, now), now);
        assert_eq!(session.result().map(|(device, _)| device), Some(DeviceId(2)));
    }

    #[test]
    fn times_out_if_no_control_is_moved() {
        let now = Instant::now();
        let session = LearnSession::new(Param::Tone, Value::Number(0.0), now);
        assert!(!session.has_ended(now));
        assert!(session.has_ended(now + TIMEOUT));
        assert_eq!(session.result(), None);
    }
}
