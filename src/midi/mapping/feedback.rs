//! Feedback to controls: positions of motor faders and LED rings, and lights of buttons.
//!
//! Time is counted in ticks of about a thirtieth of a second; a control is sent at most one value per tick, the latest.

use std::collections::VecDeque;

use super::binding::{Action, Binding, FeedbackTarget};
use super::controls::{Control, MAX_14};
use super::learn::same_control;
use crate::event::parameter::{Kind, Value};
use crate::midi::Message;

/// Ticks for which a control must not be moved before it receives feedback, so that a motor never fights a hand.
const REST_TICKS: u8 = 8;
/// Ticks within which a returned message counts as an echo.
const ECHO_TICKS: u8 = 3;
/// Maximum messages whose echoes are awaited; more than are sent to a device at once.
const MAX_ECHOES: usize = 512;

/// Feedback state of one control.
#[derive(Debug, Clone, Default)]
pub(super) struct LastSent {
    /// The last value sent or received, in the control's own steps.
    known: Option<u16>,
    /// Ticks until feedback may be sent.
    quiet: u8,
}

impl LastSent {
    /// Records a move of the control and returns whether it is a new position.
    pub(super) fn moved(&mut self, binding: &Binding, position: f32) -> bool {
        // Buttons and encoders do not report the resulting value.
        let stays = matches!(binding.action, Action::Follow { .. }) && !is_light(binding);
        if !binding.has_own_feedback() || !stays {
            return true;
        }
        let Some(value) = steps(binding.control, position) else { return true };
        let news = self.known != Some(value);
        if news {
            (self.known, self.quiet) = (Some(value), REST_TICKS);
        }
        news
    }

    /// Forgets the last value, since the device may have been reset.
    pub(super) fn forget(&mut self) {
        self.known = None;
    }

    /// Advances one tick with the parameter at `value`; returns the value to send, if any, in the control's own steps.
    pub(super) fn tick(&mut self, binding: &Binding, target: &FeedbackTarget, value: &Value) -> Option<u16> {
        self.quiet = self.quiet.saturating_sub(1);
        let target = match shown(binding, Some(value))? {
            Shown::Light(on) => if_lit(target.control, on, target.light)?,
            Shown::Position(position) if binding.has_own_feedback() => steps(target.control, position)?,
            Shown::Position(position) => {
                let [low, high] = target.range.map(f32::from);
                (low + position * (high - low)).round() as u16
            }
        };
        let stands = match (self.known, &binding.action) {
            // Several positions may map to the same value; any of them is fine.
            (Some(known), Action::Follow { scale, .. }) if known != target && binding.has_own_feedback() => {
                binding.value_at(*scale, position(binding.control, known)).as_ref() == Some(value)
            }
            (known, _) => known == Some(target),
        };
        if self.quiet > 0 || stands {
            return None;
        }
        self.known = Some(target);
        Some(target)
    }
}

enum Shown {
    Light(bool),
    /// 0..=1.
    Position(f32),
}

/// A feedback message to a device.
#[derive(Debug, Clone, Copy)]
pub(super) struct FeedbackMessage {
    pub(super) message: Message,
    /// Whether the same message received from the device is an echo rather than a move.
    pub(super) echo: bool,
}

/// Whether a control shows its value with a light.
pub(super) fn is_light(binding: &Binding) -> bool {
    matches!(shown(binding, None), Some(Shown::Light(_)))
}

/// What a control shows for a value; without a value, only the kind matters.
fn shown(binding: &Binding, value: Option<&Value>) -> Option<Shown> {
    let number = |scale: &super::Scale| match value {
        Some(Value::Number(number)) => scale.position(*number),
        _ => 0.0,
    };
    Some(match (&binding.action, binding.to.spec().kind) {
        (Action::Follow { scale: Some(scale), .. } | Action::Turn { scale, .. }, _) => Shown::Position(number(scale)),
        (Action::Follow { .. }, Kind::Choice { names, .. }) => {
            let chosen = if let Some(Value::Choice(chosen)) = value { *chosen } else { 0 };
            Shown::Position((f32::from(chosen) + 0.5) / names.len() as f32)
        }
        (Action::Follow { .. } | Action::Toggle { .. }, _) => Shown::Light(value == Some(&Value::Toggle(true))),
        (Action::Set { value: Value::Trigger, .. }, _) => return None,
        (Action::Set { value: wanted, .. } | Action::While { value: wanted }, _) => Shown::Light(value == Some(wanted)),
    })
}

/// Converts a position to a control's own steps; `None` for a control without any.
fn steps(control: Control, position: f32) -> Option<u16> {
    Some(match control {
        Control::Cc(_) => (position * 127.0).round() as u16,
        Control::Cc14(_) | Control::Nrpn(_) | Control::Rpn(_) => (position * f32::from(MAX_14)).round() as u16,
        // The centre is 8192.
        Control::PitchBend if position < 0.5 => (position * 16_384.0).round() as u16,
        Control::PitchBend => 8192 + ((position - 0.5) * 16_382.0).round() as u16,
        _ => return None,
    })
}

/// Converts a control's own steps to a position, 0..=1.
pub(super) fn position(control: Control, steps: u16) -> f32 {
    match control {
        Control::Cc(_) => f32::from(steps) / 127.0,
        Control::PitchBend if steps < 8192 => f32::from(steps) / 16_384.0,
        Control::PitchBend => 0.5 + f32::from(steps - 8192) / 16_382.0,
        _ => f32::from(steps) / f32::from(MAX_14),
    }
}

/// Converts a light to a control's own steps; `None` for a control without any.
fn if_lit(control: Control, on: bool, light: u8) -> Option<u16> {
    match control {
        Control::Note(_) | Control::Cc(_) => Some(if on { u16::from(light) } else { 0 }),
        other => steps(other, f32::from(u8::from(on))),
    }
}

/// The messages that set a control's position: those that it would send itself.
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
            let selects = if matches!(control, Control::Nrpn(_)) { [99, 98] } else { [101, 100] };
            change(selects[0], (number >> 7) as u8);
            change(selects[1], (number & 0x7F) as u8);
            change(6, coarse);
            change(38, fine);
        }
        Control::Note(note) if value == 0 => out(Message::NoteOff { channel, note }),
        Control::Note(note) => out(Message::NoteOn { channel, note, velocity: fine }),
        Control::PitchBend => out(Message::PitchBend { channel, value }),
        Control::ChannelPressure | Control::Program(_) | Control::Start | Control::Continue | Control::Stop => {}
    }
}

/// Messages recently sent to a device. Some devices send them back, which must not count as a move.
#[derive(Debug, Default)]
pub(super) struct Echoes(VecDeque<(Message, u8)>);

impl Echoes {
    pub(super) fn tick(&mut self) {
        self.0.iter_mut().for_each(|(_, age)| *age += 1);
        self.0.retain(|(_, age)| *age <= ECHO_TICKS);
    }

    pub(super) fn sent(&mut self, message: Message) {
        if self.0.len() == MAX_ECHOES {
            self.0.pop_front();
        }
        self.0.push_back((message, 0));
    }

    /// Whether a message from the device is an echo; each counts once. A different value means that the control is
    /// being moved, and from then on its messages count.
    pub(super) fn has(&mut self, message: Message) -> bool {
        let found = self.0.iter().position(|(sent, _)| *sent == message);
        match found {
            Some(index) => drop(self.0.remove(index)),
            // No echo is awaited for a light that went off, and it does not affect others.
            None if dark(message) => {}
            None => self.0.retain(|(sent, _)| !same_control(sent, &message)),
        }
        found.is_some()
    }
}

fn dark(message: Message) -> bool {
    matches!(message, Message::NoteOff { .. } | Message::ControlChange { value: 0, .. })
}

#[cfg(test)]
mod tests;
