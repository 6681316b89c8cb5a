//! MIDI learn: somebody moves a control, Melos writes the `[[bind]]` block.

use std::fmt::Write as _;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::controls::Control;
use crate::event::parameter::{Kind, Param, Value};
use crate::midi::{Message, MidiEvent};

/// Messages that are enough to tell what a control is.
const ENOUGH: usize = 24;
/// A control that rests this long has said what it has to say.
pub(super) const REST: Duration = Duration::from_secs(1);

/// Listens to one control and writes the block that binds it to a parameter.
#[derive(Debug, Clone)]
pub struct Learn {
    param: Param,
    /// What a button is to set: where the parameter stands.
    value: Value,
    heard: Vec<Message>,
}

/// What was heard, judged.
struct Guess {
    control: Control,
    channel: Option<u8>,
    /// Its 7-bit values in order.
    values: Vec<u8>,
}

impl Learn {
    /// Begins for a parameter that stands at a value, which is what a button will set it to.
    #[must_use]
    pub const fn new(param: Param, value: Value) -> Self {
        Self { param, value, heard: Vec::new() }
    }

    /// What the control is to move.
    #[must_use]
    pub const fn param(&self) -> Param {
        self.param
    }

    /// Forgets what was heard.
    pub fn restart(&mut self) {
        self.heard.clear();
    }

    /// Whether the block can be used as it is; a name that nothing has yet is for its reader to write.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        !matches!(&self.value, Value::Text(name) if name.is_empty())
    }

    /// Listens to all devices until a control has been moved and rests; `None` when nothing is heard for `patience`.
    #[must_use]
    pub fn listen(param: Param, events: &Receiver<MidiEvent>, patience: Duration) -> Option<String> {
        let mut learn = Self::new(param, param.default_value());
        let mut end = Instant::now() + patience;
        while let Ok(event) = events.recv_timeout(end.saturating_duration_since(Instant::now())) {
            let MidiEvent::Sent { message, .. } = event else { continue };
            if learn.hear(message) {
                break;
            }
            if !learn.heard.is_empty() {
                end = Instant::now() + REST;
            }
        }
        learn.block()
    }

    /// Takes a message; returns whether enough was heard for [`Learn::block`]. Buttons say little, so a caller also stops
    /// when the control rests for a second.
    pub fn hear(&mut self, message: Message) -> bool {
        if !matches!(message, Message::Clock | Message::PolyPressure { .. } | Message::SongPosition(_)) {
            self.heard.push(message);
        }
        self.heard.len() >= ENOUGH
    }

    /// The block for what was heard, to be put into a mapping file; `None` while nothing was.
    #[must_use]
    pub fn block(&self) -> Option<String> {
        let guess = self.guess()?;
        let mut block = "[[bind]]\n".to_owned();
        let key = match guess.control {
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
        let mut line = |text: &str| writeln!(block, "{text}").expect("writing into a string cannot fail");
        line(&key);
        if let Some(channel) = guess.channel {
            line(&format!("channel = {}", channel + 1));
        }
        line(&format!("to = \"{}\"", self.param.spec().id));
        self.describe(&guess, &mut line);
        Some(block)
    }

    /// How the control moves the parameter.
    fn describe(&self, guess: &Guess, line: &mut impl FnMut(&str)) {
        let button = guess.is_button();
        match self.param.spec().kind {
            Kind::Trigger => {}
            Kind::Toggle { .. } if button => line("toggle = true"),
            Kind::Toggle { .. } => {}
            Kind::Choice { .. } if !button => {}
            Kind::Choice { .. } | Kind::Chord | Kind::Text { .. } => line(&format!("value = {}", self.present())),
            Kind::Number { .. } if button => line(&format!("value = {}", self.present())),
            Kind::Number { min, max, .. } => match guess.encoder() {
                Some(encoder) => line(&format!("relative = \"{encoder}\"\nstep = 0.01")),
                None => line(&format!("range = [{min:?}, {max:?}]")),
            },
        }
    }

    /// The value as a mapping file has it.
    fn present(&self) -> String {
        let value = self.param.to_toml(&self.value).filter(|_| self.is_complete());
        value.map_or_else(|| "\"a-name\"".to_owned(), |value| value.to_string())
    }

    fn guess(&self) -> Option<Guess> {
        // The control that speaks most: a fader brushed by the way does not count.
        let controller = |number: u8| {
            self.heard.iter().filter(
                move |message| matches!(message, Message::ControlChange { controller, .. } if *controller == number),
            )
        };
        let last = |number| match controller(number).next_back() {
            Some(Message::ControlChange { value, .. }) => Some(u16::from(*value)),
            _ => None,
        };
        let number = |coarse, fine| Some(last(coarse)? << 7 | last(fine)?);
        let first =
            *self.heard.iter().max_by_key(|one| self.heard.iter().filter(|other| same_control(one, other)).count())?;
        let (control, channel) = match first {
            Message::ControlChange { channel, controller: changed, .. } => {
                let numbered = match (changed, number(99, 98), number(101, 100)) {
                    (6 | 38 | 98..=101, Some(number), _) => Some(Control::Nrpn(number)),
                    (6 | 38 | 98..=101, None, Some(number)) => Some(Control::Rpn(number)),
                    _ => None,
                };
                let control = numbered.unwrap_or(match changed {
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
        let values = self.heard.iter().filter_map(|message| match message {
            Message::ControlChange { value, .. } if same_control(message, &first) => Some(*value),
            _ => None,
        });
        Some(Guess { control, channel, values: values.collect() })
    }
}

/// Whether two messages come from the same control.
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

impl Guess {
    /// Notes and messages are; controllers are when they only say 0 and 127.
    fn is_button(&self) -> bool {
        match self.control {
            Control::Cc(_) => !self.values.is_empty() && self.values.iter().all(|value| matches!(value, 0 | 127)),
            Control::Cc14(_) | Control::Nrpn(_) | Control::Rpn(_) => false,
            Control::PitchBend | Control::ChannelPressure => false,
            Control::Note(_) | Control::Program(_) | Control::Start | Control::Continue | Control::Stop => true,
        }
    }

    /// An encoder says the same small number again and again, while a fader speaks only when its value changes.
    fn encoder(&self) -> Option<&'static str> {
        let repeats = self.values.windows(2).filter(|pair| pair[0] == pair[1]).count() >= 2;
        let all = |accept: fn(&u8) -> bool| self.values.iter().all(accept);
        match self.control {
            Control::Cc(_) if !repeats => None,
            Control::Cc(_) if all(|value| matches!(value, 1..=8 | 120..=127)) => Some("twos-complement"),
            Control::Cc(_) if all(|value| matches!(value, 56..=63 | 65..=72)) => {
                // 65, 66 and nothing below: up in one dialect, down in another; the common one is meant.
                Some("binary-offset")
            }
            Control::Cc(_) if all(|value| matches!(value, 1..=8 | 65..=72)) => Some("sign-magnitude"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
