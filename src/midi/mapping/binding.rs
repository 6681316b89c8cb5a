//! One `[[bind]]`: a control and what it does.

use super::controls::{Control, Move};
use super::curve::Scale;
use crate::event::parameter::{Input, Kind, Param, Value};

/// One step of a 7-bit control.
const STEP: f32 = 1.0 / 127.0;

/// A control and what it does.
#[derive(Debug, Clone, PartialEq)]
pub struct Binding {
    /// The control.
    pub control: Control,
    /// Channel from 0; any when `None`.
    pub channel: Option<u8>,
    /// The parameter.
    pub to: Param,
    /// How it moves it.
    pub action: Action,
    /// The layer that it belongs to; at work in all others too when `None`, unless such a layer has the control for itself.
    pub layer: Option<String>,
    /// How the control is told the value, for its motor, ring or light; `None` when it is not told.
    pub feedback: Option<Tell>,
}

/// How a control is told a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Tell {
    /// What it listens to: mostly the message that it sends itself.
    pub control: Control,
    /// Channel from 0.
    pub channel: u8,
    /// Values at the lower and the upper end, for messages of 7 bits.
    pub range: [u8; 2],
    /// Velocity or value, 1..=127, that lights a button.
    pub light: u8,
}

/// How a control moves a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// The parameter follows the control's position.
    Follow {
        /// For numbers: position to value. Toggles switch in the middle, choices take equal shares.
        scale: Option<Scale>,
        /// Whether to wait until the control meets the value.
        pickup: bool,
    },
    /// An encoder without ends moves a number.
    Turn {
        /// How it says direction and speed.
        encoder: Encoder,
        /// Share of the scale for one click.
        step: f32,
        /// Click by click over this.
        scale: Scale,
    },
    /// A button sets a value.
    Set {
        /// When.
        edge: Edge,
        /// What.
        value: Value,
    },
    /// A button turns a toggle over.
    Toggle {
        /// When.
        edge: Edge,
    },
    /// A button sets a value while it is down; then the parameter goes back to what it was.
    While {
        /// What.
        value: Value,
    },
}

/// When a button acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Edge {
    /// When it goes down.
    #[default]
    Press,
    /// When it comes up.
    Release,
}

/// How an encoder without ends says direction and speed in 7 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoder {
    /// 1, 2, … up; 127, 126, … down.
    TwosComplement,
    /// 65, 66, … up; 63, 62, … down.
    BinaryOffset,
    /// 1, 2, … up; 65, 66, … down.
    SignMagnitude,
}

impl Encoder {
    /// Clicks, up or down.
    #[must_use]
    pub fn clicks(self, raw: u8) -> i32 {
        let raw = i32::from(raw);
        match self {
            Self::TwosComplement if raw >= 64 => raw - 128,
            Self::BinaryOffset => raw - 64,
            Self::SignMagnitude if raw >= 64 => 64 - raw,
            Self::TwosComplement | Self::SignMagnitude => raw,
        }
    }
}

impl Binding {
    pub(super) fn hears(&self, moved: &Move) -> bool {
        self.control == moved.control && (self.channel.is_none() || self.channel == moved.channel)
    }

    /// Whether both are for the same control.
    pub(super) fn shares_control(&self, other: &Self) -> bool {
        self.control == other.control
            && (self.channel.is_none() || other.channel.is_none() || self.channel == other.channel)
    }

    /// Whether the control is told by the message that it sends itself, as motors are.
    pub(super) fn is_told_itself(&self) -> bool {
        self.feedback.as_ref().is_some_and(|tell| tell.control == self.control)
    }

    /// The value at a position, for a control that the parameter follows.
    pub(super) fn value_at(&self, scale: Option<Scale>, position: f32) -> Option<Value> {
        let input = match (self.to.spec().kind, scale) {
            (Kind::Choice { names, .. }, _) => (position * names.len() as f32).min(names.len() as f32 - 1.0).floor(),
            (_, Some(scale)) => scale.value(position),
            (_, None) => position,
        };
        self.to.fit(Input::Number(f64::from(input))).ok()?
    }

    /// The value one step beside another: the next name, off or on, or as far as a 7-bit control would go.
    pub(super) fn value_beside(&self, scale: Option<Scale>, from: &Value, step: i8) -> Option<Value> {
        let position = match (from, self.to.spec().kind) {
            (Value::Choice(choice), Kind::Choice { names, .. }) => {
                (f32::from(*choice) + f32::from(step) + 0.5) / names.len() as f32
            }
            (Value::Number(number), _) => scale?.position(*number) + f32::from(step) * STEP,
            _ => f32::from(step.max(0)),
        };
        self.value_at(scale, position.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoders_speak_three_dialects() {
        for (encoder, up, down) in [
            (Encoder::TwosComplement, [1, 2, 63], [127, 126, 65]),
            (Encoder::BinaryOffset, [65, 66, 127], [63, 62, 1]),
            (Encoder::SignMagnitude, [1, 2, 63], [65, 66, 127]),
        ] {
            assert_eq!(up.map(|raw| encoder.clicks(raw)), [1, 2, 63], "{encoder:?}");
            assert_eq!(down.map(|raw| encoder.clicks(raw)), [-1, -2, -63], "{encoder:?}");
        }
    }
}
