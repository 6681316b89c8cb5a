//! What controls are told: where a motor or a ring of lights stands, whether a button is lit.
//!
//! Time counts in ticks of about a thirtieth of a second; a control is told at most one value a tick, the newest.

use std::collections::VecDeque;

use super::binding::{Action, Binding, Tell};
use super::controls::{Control, MAX_14};
use super::learn::same_control;
use crate::event::parameter::{Kind, Value};
use crate::midi::Message;

/// Ticks that a control must rest before it is told anything: nobody wants to fight with a motor.
const QUIET: u8 = 8;
/// Ticks within which a message that comes back is an echo.
const ECHO: u8 = 3;
/// Most messages whose echo is waited for; more than any device is told at once.
const MAX_ECHOES: usize = 512;

/// What one control knows.
#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    /// What it was last told or has said itself, in its own steps.
    known: Option<u16>,
    /// Ticks until it may be told again.
    quiet: u8,
}

impl Told {
    /// The control says that it stands at a position; whether that is news.
    pub(super) fn moved(&mut self, binding: &Binding, position: f32) -> bool {
        // A button or a turn does not say what stands there afterwards.
        let stays = matches!(binding.action, Action::Follow { .. }) && !is_light(binding);
        if !binding.is_told_itself() || !stays {
            return true;
        }
        let Some(value) = steps(binding.control, position) else { return true };
        let news = self.known != Some(value);
        if news {
            (self.known, self.quiet) = (Some(value), QUIET);
        }
        news
    }

    /// It may have forgotten everything.
    pub(super) fn forget(&mut self) {
        self.known = None;
    }

    /// A tick has passed and the parameter has this value; what the control is to be told, in its own steps.
    pub(super) fn tick(&mut self, binding: &Binding, tell: &Tell, value: &Value) -> Option<u16> {
        self.quiet = self.quiet.saturating_sub(1);
        let target = match shown(binding, Some(value))? {
            Shown::Light(on) => if_lit(tell.control, on, tell.light)?,
            Shown::Position(position) if binding.is_told_itself() => steps(tell.control, position)?,
            Shown::Position(position) => {
                let [low, high] = tell.range.map(f32::from);
                (low + position * (high - low)).round() as u16
            }
        };
        let stands = match (self.known, &binding.action) {
            // Several positions may mean the same value; where it stands is as good as any.
            (Some(known), Action::Follow { scale, .. }) if known != target && binding.is_told_itself() => {
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

/// A message to a device.
#[derive(Debug, Clone, Copy)]
pub(super) struct Telling {
    pub(super) message: Message,
    /// Whether the same message coming back is no move of the control.
    pub(super) echo: bool,
}

/// Whether a control shows a value by its light.
pub(super) fn is_light(binding: &Binding) -> bool {
    matches!(shown(binding, None), Some(Shown::Light(_)))
}

/// What a control shows of a value; without a value only the kind counts.
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

/// A position in a control's own steps; `None` for a control that has none.
fn steps(control: Control, position: f32) -> Option<u16> {
    Some(match control {
        Control::Cc(_) => (position * 127.0).round() as u16,
        Control::Cc14(_) | Control::Nrpn(_) | Control::Rpn(_) => (position * f32::from(MAX_14)).round() as u16,
        // The middle is 8192.
        Control::PitchBend if position < 0.5 => (position * 16_384.0).round() as u16,
        Control::PitchBend => 8192 + ((position - 0.5) * 16_382.0).round() as u16,
        _ => return None,
    })
}

/// The position of a control's own steps, 0..=1.
pub(super) fn position(control: Control, steps: u16) -> f32 {
    match control {
        Control::Cc(_) => f32::from(steps) / 127.0,
        Control::PitchBend if steps < 8192 => f32::from(steps) / 16_384.0,
        Control::PitchBend => 0.5 + f32::from(steps - 8192) / 16_382.0,
        _ => f32::from(steps) / f32::from(MAX_14),
    }
}

/// A light in a control's own steps; `None` for a control that has none.
fn if_lit(control: Control, on: bool, light: u8) -> Option<u16> {
    match control {
        Control::Note(_) | Control::Cc(_) => Some(if on { u16::from(light) } else { 0 }),
        other => steps(other, f32::from(u8::from(on))),
    }
}

/// The messages that tell a control to stand somewhere: those that it would send itself.
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

/// What a device was told lately. Some send it back, and that must not count as a move.
#[derive(Debug, Default)]
pub(super) struct Echoes(VecDeque<(Message, u8)>);

impl Echoes {
    pub(super) fn tick(&mut self) {
        self.0.iter_mut().for_each(|(_, age)| *age += 1);
        self.0.retain(|(_, age)| *age <= ECHO);
    }

    pub(super) fn told(&mut self, message: Message) {
        if self.0.len() == MAX_ECHOES {
            self.0.pop_front();
        }
        self.0.push_back((message, 0));
    }

    /// Whether a message of the device is an echo; each counts once. A control that says something else is in somebody's hand,
    /// and what it says from then on counts.
    pub(super) fn has(&mut self, message: Message) -> bool {
        let found = self.0.iter().position(|(told, _)| *told == message);
        match found {
            Some(index) => drop(self.0.remove(index)),
            // The echo of a light that went dark is not waited for, and says nothing about others.
            None if dark(message) => {}
            None => self.0.retain(|(told, _)| !same_control(told, &message)),
        }
        found.is_some()
    }
}

fn dark(message: Message) -> bool {
    matches!(message, Message::NoteOff { .. } | Message::ControlChange { value: 0, .. })
}

#[cfg(test)]
mod tests;
