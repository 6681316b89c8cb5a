//! Feedback to controls: the positions of motor faders and LED rings, and button lights.
//!
//! Time is counted in ticks of about a thirtieth of a second. In each tick, each control is sent at most one value: the
//! newest.

use std::collections::VecDeque;

use super::binding::{Action, Binding, FeedbackTarget};
use super::control_learner::same_control;
use super::controls::{Control, MAX_14_BIT};
use crate::event::parameter::{Kind, Value};
use crate::midi::Message;

/// Ticks for which a control must be at rest before it receives feedback, so that its motor never works against a hand.
const REST_TICKS: u8 = 8;
/// Ticks within which an identical message from the device is an echo.
const ECHO_TICKS: u8 = 3;
/// Maximum number of messages whose echoes are expected: far more than a device is sent in one tick.
const MAX_ECHOES: usize = 512;

/// The feedback state of one control.
#[derive(Debug, Clone, Default)]
pub(super) struct FeedbackState {
    /// The last value sent or received, in steps of the control.
    last: Option<u16>,
    /// Ticks until feedback may be sent.
    rest_ticks: u8,
}

impl FeedbackState {
    /// Records a move of the control. Returns false if the control is known to have been at this position already.
    pub(super) fn moved(&mut self, binding: &Binding, position: f32) -> bool {
        // Buttons and encoders do not report the resulting value.
        let reports_position = matches!(binding.action, Action::Follow { .. }) && !is_light(binding);
        if !binding.has_own_feedback() || !reports_position {
            return true;
        }
        let Some(value) = position_steps(binding.control, position) else { return true };
        let is_new = self.last != Some(value);
        if is_new {
            (self.last, self.rest_ticks) = (Some(value), REST_TICKS);
        }
        is_new
    }

    /// Discards the last value, so that feedback is sent again.
    pub(super) fn forget(&mut self) {
        self.last = None;
    }

    /// Advances one tick with the parameter at `value`. Returns the value to send, if any, in steps of the control.
    pub(super) fn tick(&mut self, binding: &Binding, target: &FeedbackTarget, value: &Value) -> Option<u16> {
        self.rest_ticks = self.rest_ticks.saturating_sub(1);
        let steps = match indication(binding, Some(value))? {
            Indication::Light(on) => light_steps(target.control, on, target.light)?,
            Indication::Position(position) if binding.has_own_feedback() => position_steps(target.control, position)?,
            Indication::Position(position) => {
                let [low, high] = target.range.map(f32::from);
                (low + position * (high - low)).round() as u16
            }
        };
        let is_current = match (self.last, &binding.action) {
            // Several positions may map to the same value, and any of them is correct.
            (Some(last), Action::Follow { scale, .. }) if last != steps && binding.has_own_feedback() => {
                binding.value_at(*scale, position(binding.control, last)).as_ref() == Some(value)
            }
            (last, _) => last == Some(steps),
        };
        if self.rest_ticks > 0 || is_current {
            return None;
        }
        self.last = Some(steps);
        Some(steps)
    }
}

/// What a control shows.
enum Indication {
    Light(bool),
    /// 0..=1.
    Position(f32),
}

/// A feedback message to a device.
#[derive(Debug, Clone, Copy)]
pub(super) struct FeedbackMessage {
    pub(super) message: Message,
    /// Whether an identical message from the device is an echo rather than a move.
    pub(super) echo: bool,
}

/// Returns whether a control shows its value with a light.
pub(super) fn is_light(binding: &Binding) -> bool {
    matches!(indication(binding, None), Some(Indication::Light(_)))
}

/// Returns what a control shows for a value; `None` for a trigger. Without a value, only the variant is meaningful.
fn indication(binding: &Binding, value: Option<&Value>) -> Option<Indication> {
    let number = |scale: &super::Scale| match value {
        Some(Value::Number(number)) => scale.position(*number),
        _ => 0.0,
    };
    Some(match (&binding.action, binding.to.spec().kind) {
        (Action::Follow { scale: Some(scale), .. } | Action::Turn { scale, .. }, _) => {
            Indication::Position(number(scale))
        }
        (Action::Follow { .. }, Kind::Choice { names, .. }) => {
            let chosen = if let Some(Value::Choice(chosen)) = value { *chosen } else { 0 };
            Indication::Position((f32::from(chosen) + 0.5) / names.len() as f32)
        }
        (Action::Follow { .. } | Action::Toggle { .. }, _) => Indication::Light(value == Some(&Value::Toggle(true))),
        (Action::Set { value: Value::Trigger, .. }, _) => return None,
        (Action::Set { value: expected, .. } | Action::Hold { value: expected }, _) => {
            Indication::Light(value == Some(expected))
        }
    })
}

/// Converts a position to steps of a control; returns `None` for a control without steps.
fn position_steps(control: Control, position: f32) -> Option<u16> {
    Some(match control {
        Control::Cc(_) => (position * 127.0).round() as u16,
        Control::Cc14(_) | Control::Nrpn(_) | Control::Rpn(_) => (position * f32::from(MAX_14_BIT)).round() as u16,
        // The centre is 8192.
        Control::PitchBend if position < 0.5 => (position * 16_384.0).round() as u16,
        Control::PitchBend => 8192 + ((position - 0.5) * 16_382.0).round() as u16,
        _ => return None,
    })
}

/// Converts steps of a control to a position, 0..=1.
pub(super) fn position(control: Control, steps: u16) -> f32 {
    match control {
        Control::Cc(_) => f32::from(steps) / 127.0,
        Control::PitchBend if steps < 8192 => f32::from(steps) / 16_384.0,
        Control::PitchBend => 0.5 + f32::from(steps - 8192) / 16_382.0,
        _ => f32::from(steps) / f32::from(MAX_14_BIT),
    }
}

/// Converts the state of a light to steps of a control; returns `None` for a control without steps.
fn light_steps(control: Control, on: bool, light: u8) -> Option<u16> {
    match control {
        Control::Note(_) | Control::Cc(_) => Some(if on { u16::from(light) } else { 0 }),
        other => position_steps(other, f32::from(u8::from(on))),
    }
}

/// Calls `out` with the messages that set a control's position, which are those that the control would send itself.
pub(super) fn messages(channel: u8, control: Control, value: u16, mut out: impl FnMut(Message)) {
    let (coarse, fine) = ((value >> 7) as u8, (value & 0x7F) as u8);
    let mut change = |controller, value| out(Message::ControlChange { channel, controller, value });
    match control {
        Control::Cc(controller) => change(controller, fine),
        Control::Cc14(controller) => {
            change(controller, coarse);
            change(controller + 32, fine);
        }
        Control::Nrpn(number) | Control::Rpn(number) => {
            let selectors = if matches!(control, Control::Nrpn(_)) { [99, 98] } else { [101, 100] };
            change(selectors[0], (number >> 7) as u8);
            change(selectors[1], (number & 0x7F) as u8);
            change(6, coarse);
            change(38, fine);
        }
        Control::Note(note) if value == 0 => out(Message::NoteOff { channel, note }),
        Control::Note(note) => out(Message::NoteOn { channel, note, velocity: fine }),
        Control::PitchBend => out(Message::PitchBend { channel, value }),
        Control::ChannelPressure | Control::Program(_) | Control::Start | Control::Continue | Control::Stop => {}
    }
}

/// Messages recently sent to a device. Some devices echo them, and the echoes must not be treated as moves.
#[derive(Debug, Default)]
pub(super) struct Echoes(VecDeque<(Message, u8)>);

impl Echoes {
    pub(super) fn tick(&mut self) {
        self.0.iter_mut().for_each(|(_, age)| *age += 1);
        self.0.retain(|(_, age)| *age <= ECHO_TICKS);
    }

    pub(super) fn expect(&mut self, message: Message) {
        if self.0.len() == MAX_ECHOES {
            self.0.pop_front();
        }
        self.0.push_back((message, 0));
    }

    /// Returns whether a message from the device is an expected echo, which is then no longer expected. Any other
    /// message means that its control is being moved, so no more echoes are expected from that control.
    pub(super) fn take(&mut self, message: Message) -> bool {
        let index = self.0.iter().position(|(sent, _)| *sent == message);
        match index {
            Some(index) => drop(self.0.remove(index)),
            // This may be the release of a button or the echo of a light turned off, which ends no expectation.
            None if is_off(message) => {}
            None => self.0.retain(|(sent, _)| !same_control(sent, &message)),
        }
        index.is_some()
    }
}

fn is_off(message: Message) -> bool {
    matches!(message, Message::NoteOff { .. } | Message::ControlChange { value: 0, .. })
}

#[cfg(test)]
mod tests;
