//! `[[bind]]`: a control and its function.

use super::controls::{Control, Move};
use super::curve::Scale;
use crate::event::parameter::{Input, Kind, Param, Value};

/// One step of a 7-bit control.
const STEP: f32 = 1.0 / 127.0;

/// A control and its function.
#[derive(Debug, Clone, PartialEq)]
pub struct Binding {
    /// The control.
    pub control: Control,
    /// Channel, counted from 0; `None` matches any.
    pub channel: Option<u8>,
    /// The parameter.
    pub to: Param,
    /// How the control sets it.
    pub action: Action,
    /// The layer in which the binding applies; with `None`, it applies unless an active layer binds the same control.
    pub layer: Option<String>,
    /// Feedback to the control's motor, ring or light; `None` for no feedback.
    pub feedback: Option<FeedbackTarget>,
}

/// Where and how feedback is sent.
#[derive(Debug, Clone, PartialEq)]
pub struct FeedbackTarget {
    /// The control whose message is sent: usually the bound control itself.
    pub control: Control,
    /// Channel, counted from 0.
    pub channel: u8,
    /// Values sent for the lowest and highest positions, if the feedback message is not the bound control's own.
    pub range: [u8; 2],
    /// Velocity or value that turns a button's light on, 1..=127.
    pub light: u8,
}

/// How a control sets a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// The parameter follows the control's position.
    Follow {
        /// Converts the position to a value, for numbers. Toggles switch at the centre, and choices divide the range
        /// equally.
        scale: Option<Scale>,
        /// Whether to wait until the control reaches the value (soft takeover).
        pickup: bool,
    },
    /// An endless encoder changes a number.
    Turn {
        /// How the encoder encodes direction and speed.
        encoder: Encoder,
        /// Fraction of the scale per click.
        step: f32,
        /// The scale along which the value moves.
        scale: Scale,
    },
    /// A button sets a value.
    Set {
        /// On press or release.
        edge: Edge,
        /// The value.
        value: Value,
    },
    /// A button flips a toggle.
    Toggle {
        /// On press or release.
        edge: Edge,
    },
    /// A button sets a value while held, then restores the previous one.
    Hold {
        /// The value.
        value: Value,
    },
}

/// When a button acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Edge {
    /// On press.
    #[default]
    Press,
    /// On release.
    Release,
}

/// How an endless encoder encodes direction and speed in 7 bits.
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
    /// Returns the number of clicks; positive is up.
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
    pub(super) fn matches(&self, moved: &Move) -> bool {
        self.control == moved.control && (self.channel.is_none() || self.channel == moved.channel)
    }

    /// Returns whether the control is used as a button, which is pressed and released, rather than as a fader or an encoder.
    pub(super) fn is_for_button(&self) -> bool {
        matches!(self.control, Control::Note(_)) || !matches!(self.action, Action::Follow { .. } | Action::Turn { .. })
    }

    /// Returns whether both bindings are for the same control.
    pub(super) fn shares_control(&self, other: &Self) -> bool {
        self.control == other.control
            && (self.channel.is_none() || other.channel.is_none() || self.channel == other.channel)
    }

    /// Returns whether feedback uses the control's own message, as with motor faders.
    pub(super) fn has_own_feedback(&self) -> bool {
        self.feedback.as_ref().is_some_and(|target| target.control == self.control)
    }

    /// Returns the parameter's value at a position of the control.
    pub(super) fn value_at(&self, scale: Option<Scale>, position: f32) -> Option<Value> {
        let input = match (self.to.spec().kind, scale) {
            (Kind::Choice { names, .. }, _) => (position * names.len() as f32).min(names.len() as f32 - 1.0).floor(),
            (_, Some(scale)) => scale.value(position),
            (_, None) => position,
        };
        self.to.fit(Input::Number(f64::from(input))).ok()?
    }

    /// Returns the value one step up (1) or down (−1) from `from`: the adjacent choice, on or off, or a number one step
    /// of a 7-bit control away.
    pub(super) fn neighbouring_value(&self, scale: Option<Scale>, from: &Value, step: i8) -> Option<Value> {
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
    fn counts_clicks_in_every_encoding() {
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
