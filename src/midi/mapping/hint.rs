//! Hints for performers: unmapped controls, and controls waiting for takeover.

use std::fmt;

use super::binding::Binding;
use super::controls::{Control, Move};
use super::curve::Scale;
use crate::event::parameter::Param;
use crate::midi::Message;

/// A control and its channel, counted from 0; shown to users with the channel and program counted from 1.
pub(super) struct ControlName(pub(super) Control, pub(super) Option<u8>);

impl fmt::Display for ControlName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Control::Cc(number) => write!(f, "CC {number}"),
            Control::Cc14(number) => write!(f, "CC {number} and {}", number + 32),
            Control::Nrpn(number) => write!(f, "NRPN {number}"),
            Control::Rpn(number) => write!(f, "RPN {number}"),
            Control::Note(number) => write!(f, "note {number}"),
            Control::Program(number) => write!(f, "program {}", number + 1),
            Control::PitchBend => write!(f, "the pitch wheel"),
            Control::ChannelPressure => write!(f, "channel pressure"),
            Control::Start => write!(f, "start"),
            Control::Continue => write!(f, "continue"),
            Control::Stop => write!(f, "stop"),
        }?;
        self.1.map_or(Ok(()), |channel| write!(f, " on channel {}", channel + 1))
    }
}

/// Returns the control that sent an unused message; `None` for messages that are sent automatically or serve other
/// purposes.
pub(super) fn moved_control(message: Message) -> Option<ControlName> {
    match message {
        // Bank select, parameter numbers and data entry, and channel mode.
        Message::ControlChange { controller: 0 | 6 | 32 | 38 | 96..=101 | 120.., .. } => None,
        Message::ControlChange { channel, controller, .. } => Some(ControlName(Control::Cc(controller), Some(channel))),
        Message::NoteOn { channel, note, .. } => Some(ControlName(Control::Note(note), Some(channel))),
        Message::ProgramChange { channel, program } => Some(ControlName(Control::Program(program), Some(channel))),
        Message::PitchBend { channel, .. } => Some(ControlName(Control::PitchBend, Some(channel))),
        _ => None,
    }
}

/// A control whose position differs from its parameter's value and which has not taken over yet.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PendingTakeover {
    control: Control,
    channel: Option<u8>,
    to: Param,
    /// The value at the control's position.
    control_value: f32,
    /// The parameter's value.
    value: f32,
    /// Whether the control must be moved up.
    up: bool,
}

impl PendingTakeover {
    pub(super) fn new(binding: &Binding, moved: &Move, scale: &Scale, value: f32) -> Self {
        let (control, channel, to) = (moved.control, moved.channel, binding.to);
        let up = scale.position(value) > moved.position;
        Self { control, channel, to, control_value: scale.value(moved.position), value, up }
    }
}

impl fmt::Display for PendingTakeover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spec = self.to.spec();
        let unit = if spec.unit.is_empty() { String::new() } else { format!(" {}", spec.unit) };
        let control = ControlName(self.control, self.channel);
        write!(
            f,
            "{control} is at {:.2}{unit} and takes over once it reaches {}, which is {:.2}{unit}: move it {}",
            self.control_value,
            spec.id,
            self.value,
            if self.up { "up" } else { "down" }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_channels_and_programs_from_one() {
        assert_eq!(ControlName(Control::Cc(7), Some(0)).to_string(), "CC 7 on channel 1");
        assert_eq!(ControlName(Control::Program(0), Some(9)).to_string(), "program 1 on channel 10");
        assert_eq!(ControlName(Control::Stop, None).to_string(), "stop");
    }

    #[test]
    fn ignores_automatic_messages() {
        let change = |controller| Message::ControlChange { channel: 0, controller, value: 1 };
        for message in [change(0), change(99), change(123), Message::Clock, Message::NoteOff { channel: 0, note: 1 }] {
            assert!(moved_control(message).is_none(), "{message:?}");
        }
        assert!(moved_control(change(74)).is_some());
    }
}
