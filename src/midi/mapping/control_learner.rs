//! Recognises the control being moved and writes its `[[bind]]` block.

use std::fmt::Write as _;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::controls::Control;
use crate::event::parameter::{Kind, Param, Value};
use crate::midi::{Message, MidiEvent};

/// Number of messages sufficient to recognise a control.
const ENOUGH_MESSAGES: usize = 24;
/// Time without messages after which a control counts as at rest.
pub(super) const REST_TIME: Duration = Duration::from_secs(1);

/// Recognises a control and writes the block that binds it to a parameter.
#[derive(Debug, Clone)]
pub struct ControlLearner {
    param: Param,
    /// The value that a button sets: the parameter's current one, or its default outside a performance.
    value: Value,
    received: Vec<Message>,
}

/// The recognised control.
struct RecognisedControl {
    control: Control,
    channel: Option<u8>,
    /// The 7-bit values received, in order of arrival.
    values: Vec<u8>,
}

impl ControlLearner {
    /// Creates a learner for a parameter. `value` is the parameter's current value, which a learned button sets.
    #[must_use]
    pub const fn new(param: Param, value: Value) -> Self {
        Self { param, value, received: Vec::new() }
    }

    /// Returns the parameter to bind.
    #[must_use]
    pub const fn param(&self) -> Param {
        self.param
    }

    /// Discards the messages received so far.
    pub fn restart(&mut self) {
        self.received.clear();
    }

    /// Returns whether the block can be used unchanged, without a placeholder for a name.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        !matches!(&self.value, Value::Text(name) if name.is_empty())
    }

    /// Waits until a control of any device has sent enough messages or has come to rest, and returns its block. Returns
    /// `None` if no control moves within `timeout`.
    #[must_use]
    pub fn listen(param: Param, events: &Receiver<MidiEvent>, timeout: Duration) -> Option<String> {
        let mut learner = Self::new(param, param.default_value());
        let mut deadline = Instant::now() + timeout;
        while let Ok(event) = events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            let MidiEvent::Sent { message, .. } = event else { continue };
            if learner.observe(message) {
                deadline = Instant::now() + REST_TIME;
            }
            if learner.has_enough_messages() {
                break;
            }
        }
        learner.block()
    }

    /// Processes a message. Returns whether it came from a control that can be bound.
    pub fn observe(&mut self, message: Message) -> bool {
        let is_control = !matches!(message, Message::Clock | Message::PolyPressure { .. } | Message::SongPosition(_));
        if is_control {
            self.received.push(message);
        }
        is_control
    }

    /// Returns whether enough messages have been received for [`ControlLearner::block`]. Buttons send few messages, so
    /// the caller must also stop once the control has been at rest for a second.
    #[must_use]
    pub const fn has_enough_messages(&self) -> bool {
        self.received.len() >= ENOUGH_MESSAGES
    }

    /// Returns the block for a mapping file; `None` if nothing was received.
    #[must_use]
    pub fn block(&self) -> Option<String> {
        let recognised = self.recognise()?;
        let mut block = "[[bind]]\n".to_owned();
        let key = match recognised.control {
            Control::Cc(number) => format!("cc = {number}"),
            Control::Cc14(number) => format!("cc14 = {number}"),
            Control::Nrpn(number) => format!("nrpn = {number}"),
            Control::Rpn(number) => format!("rpn = {number}"),
            Control::Note(number) => format!("note = {number}"),
            Control::Program(number) => format!("program = {}", number + 1),
            Control::PitchBend => "pitch_bend = true".to_owned(),
            Control::ChannelPressure => "channel_pressure = true".to_owned(),
            Control::Start => "message = \"start\"".to_owned(),
            Control::Continue => "message = \"continue\"".to_owned(),
            Control::Stop => "message = \"stop\"".to_owned(),
        };
        let mut line = |text: &str| writeln!(block, "{text}").expect("writing to a string cannot fail");
        line(&key);
        if let Some(channel) = recognised.channel {
            line(&format!("channel = {}", channel + 1));
        }
        line(&format!("to = \"{}\"", self.param.spec().id));
        self.write_action(&recognised, &mut line);
        Some(block)
    }

    /// Writes the keys that define how the control sets the parameter.
    fn write_action(&self, control: &RecognisedControl, line: &mut impl FnMut(&str)) {
        let is_button = control.is_button();
        match self.param.spec().kind {
            Kind::Trigger => {}
            Kind::Toggle { .. } if is_button => line("toggle = true"),
            Kind::Toggle { .. } => {}
            Kind::Choice { .. } if !is_button => {}
            Kind::Choice { .. } | Kind::Chord | Kind::Text { .. } => line(&format!("value = {}", self.value_text())),
            Kind::Number { .. } if is_button => line(&format!("value = {}", self.value_text())),
            Kind::Number { min, max, .. } => match control.encoding() {
                Some(encoding) => line(&format!("relative = \"{encoding}\"\nstep = 0.01")),
                None => line(&format!("range = [{min:?}, {max:?}]")),
            },
        }
    }

    /// Returns the value, or a placeholder for a missing name, as written in a mapping file.
    fn value_text(&self) -> String {
        let value = self.param.to_toml(&self.value).filter(|_| self.is_complete());
        value.map_or_else(|| "\"a-name\"".to_owned(), |value| value.to_string())
    }

    fn recognise(&self) -> Option<RecognisedControl> {
        let controller = |number: u8| {
            self.received.iter().filter(
                move |message| matches!(message, Message::ControlChange { controller, .. } if *controller == number),
            )
        };
        let last = |number| match controller(number).next_back() {
            Some(Message::ControlChange { value, .. }) => Some(u16::from(*value)),
            _ => None,
        };
        let number = |coarse, fine| Some(last(coarse)? << 7 | last(fine)?);
        // Use the control that sent the most messages, in case another was touched by accident.
        let moved = *self
            .received
            .iter()
            .max_by_key(|message| self.received.iter().filter(|other| same_control(message, other)).count())?;
        let (control, channel) = match moved {
            Message::ControlChange { channel, controller: changed, .. } => {
                let parameter_number = match (changed, number(99, 98), number(101, 100)) {
                    (6 | 38 | 98..=101, Some(number), _) => Some(Control::Nrpn(number)),
                    (6 | 38 | 98..=101, None, Some(number)) => Some(Control::Rpn(number)),
                    _ => None,
                };
                let control = parameter_number.unwrap_or(match changed {
                    coarse @ 0..32 if last(coarse + 32).is_some() => Control::Cc14(coarse),
                    fine @ 32..64 if last(fine - 32).is_some() => Control::Cc14(fine - 32),
                    other => Control::Cc(other),
                });
                (control, Some(channel))
            }
            Message::NoteOn { channel, note, .. } | Message::NoteOff { channel, note } => {
                (Control::Note(note), Some(channel))
            }
            Message::ProgramChange { channel, program } => (Control::Program(program), Some(channel)),
            Message::ChannelPressure { channel, .. } => (Control::ChannelPressure, Some(channel)),
            Message::PitchBend { channel, .. } => (Control::PitchBend, Some(channel)),
            Message::Start => (Control::Start, None),
            Message::Continue => (Control::Continue, None),
            Message::Stop => (Control::Stop, None),
            Message::PolyPressure { .. } | Message::Clock | Message::SongPosition(_) => return None,
        };
        let values = self.received.iter().filter_map(|message| match message {
            Message::ControlChange { value, .. } if same_control(message, &moved) => Some(*value),
            _ => None,
        });
        Some(RecognisedControl { control, channel, values: values.collect() })
    }
}

/// Returns whether two messages are from the same control, ignoring their channels.
pub(super) fn same_control(one: &Message, other: &Message) -> bool {
    use Message::{ControlChange, NoteOff, NoteOn};
    match (one, other) {
        (ControlChange { controller: one, .. }, ControlChange { controller: other, .. }) => one == other,
        (
            NoteOn { note: one, .. } | NoteOff { note: one, .. },
            NoteOn { note: other, .. } | NoteOff { note: other, .. },
        ) => one == other,
        _ => std::mem::discriminant(one) == std::mem::discriminant(other),
    }
}

impl RecognisedControl {
    /// Returns whether the control is a button: a note, a program or transport message, or a controller that sends only
    /// 0 and 127.
    fn is_button(&self) -> bool {
        match self.control {
            Control::Cc(_) => !self.values.is_empty() && self.values.iter().all(|value| matches!(value, 0 | 127)),
            Control::Cc14(_) | Control::Nrpn(_) | Control::Rpn(_) => false,
            Control::PitchBend | Control::ChannelPressure => false,
            Control::Note(_) | Control::Program(_) | Control::Start | Control::Continue | Control::Stop => true,
        }
    }

    /// Returns the encoding if the control is an encoder. An encoder repeats values, whereas a fader sends only
    /// changes.
    fn encoding(&self) -> Option<&'static str> {
        let repeats = self.values.windows(2).filter(|pair| pair[0] == pair[1]).count() >= 2;
        let all = |accept: fn(&u8) -> bool| self.values.iter().all(accept);
        match self.control {
            Control::Cc(_) if !repeats => None,
            Control::Cc(_) if all(|value| matches!(value, 1..=8 | 120..=127)) => Some("twos-complement"),
            Control::Cc(_) if all(|value| matches!(value, 56..=63 | 65..=72)) => {
                // Values above 64 on their own mean up in this encoding and down in sign-magnitude; this one is more
                // common.
                Some("binary-offset")
            }
            Control::Cc(_) if all(|value| matches!(value, 1..=8 | 65..=72)) => Some("sign-magnitude"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
