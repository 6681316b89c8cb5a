//! Converts the messages of one device to control events, using one mapping.

use std::sync::Arc;

use super::binding::{Action, Binding, Edge};
use super::controls::{Control, Controls, Move};
use super::feedback::{self, FeedbackMessage, FeedbackState};
use super::hint::PendingTakeover;
use super::key_zone::HeldKeys;
use super::layer::Layers;
use super::pickup::Pickup;
use super::{Mapping, Programs};
use crate::event::ControlEvent;
use crate::event::parameter::{Input, Param, TABLE, Value};
use crate::midi::Message;

/// Applies a mapping to the messages of a device.
#[derive(Debug)]
pub struct Router {
    mapping: Arc<Mapping>,
    controls: Controls,
    /// The state of each binding.
    bindings: Vec<BindingState>,
    layers: Layers,
    /// A pending takeover that has not been reported yet.
    pending_takeover: Option<PendingTakeover>,
    /// The held keys of each zone that sets the lead chord.
    lead: Vec<HeldKeys>,
    /// The held keys of each zone that plays the piano.
    played: Vec<HeldKeys>,
    /// The parameters' values in the order of the table.
    values: Vec<Value>,
    /// The selected bank, as coarse and fine values.
    bank: [u8; 2],
    /// Number of presses of buttons that hold a value.
    presses: u64,
}

/// The state of a binding and its control.
#[derive(Debug, Clone, Default)]
struct BindingState {
    pickup: Pickup,
    feedback: FeedbackState,
    /// Whether the button is down.
    down: bool,
    /// While the button holds a value: what to restore on release.
    held: Option<Held>,
}

/// What a button that holds a value replaced.
#[derive(Debug, Clone)]
struct Held {
    /// Number of such presses before this one.
    order: u64,
    /// The value before the press.
    previous: Value,
}

impl Router {
    /// Creates a router. `values` are the parameters' current values in the order of the table.
    ///
    /// # Panics
    /// If the number of values differs from the number of parameters.
    #[must_use]
    pub fn new(mapping: Arc<Mapping>, values: &[Value]) -> Self {
        assert_eq!(values.len(), TABLE.len(), "there should be one value for each parameter");
        Self {
            controls: Controls::default(),
            bindings: vec![BindingState::default(); mapping.bindings.len()],
            layers: Layers::new(&mapping),
            pending_takeover: None,
            lead: vec![HeldKeys::default(); mapping.leads.len()],
            played: vec![HeldKeys::default(); mapping.plays.len()],
            values: values.to_vec(),
            bank: [0; 2],
            presses: 0,
            mapping,
        }
    }

    /// Returns the mapping in use.
    #[must_use]
    pub fn mapping(&self) -> &Arc<Mapping> {
        &self.mapping
    }

    /// Processes a message and adds the resulting events to `out`. Messages must be passed in order of arrival. Returns
    /// whether the mapping uses the message.
    pub fn process(&mut self, message: Message, out: &mut Vec<ControlEvent>) -> bool {
        let mapping = Arc::clone(&self.mapping);
        let plays = mapping.plays.iter().any(|zone| zone.matches(message));
        let mut used = plays || mapping.leads.iter().any(|zone| zone.matches(message));
        for (held, zone) in self.lead.iter_mut().zip(&mapping.leads) {
            held.process_lead(zone, message);
        }
        for (held, zone) in self.played.iter_mut().zip(&mapping.plays) {
            held.process(zone, message);
        }
        if let (true, Message::NoteOn { note, velocity, .. }) = (plays, message) {
            out.push(ControlEvent::PlayNote { note, velocity });
        }
        used |= self.process_program(message, &mapping.programs, out);
        let mut controls = std::mem::take(&mut self.controls);
        controls.process(message, |moved| {
            if self.layers.process(&mapping, &moved) {
                used = true;
                self.reset_changed_bindings();
            }
            for (index, binding) in mapping.bindings.iter().enumerate() {
                // The binding that received a button's press also receives its release.
                let is_release = !moved.pressed && self.bindings[index].down && binding.is_for_button();
                let active = self.layers.applies(index) || is_release;
                if binding.matches(&moved) && active {
                    used = true;
                    self.process_move(index, binding, &moved, out);
                }
            }
        });
        self.controls = controls;
        used
    }

    /// Releases the buttons that set a value while held, because the device is gone or the mapping no longer applies.
    pub(super) fn release_buttons(&mut self, out: &mut Vec<ControlEvent>) {
        let mapping = Arc::clone(&self.mapping);
        for (index, binding) in mapping.bindings.iter().enumerate() {
            if let Some(previous) = self.end_hold(index, binding) {
                self.set(index, binding.to, previous, out);
            }
        }
    }

    /// Removes and returns the pending takeover that has not been reported yet, if any.
    pub(super) fn take_pending_takeover(&mut self) -> Option<PendingTakeover> {
        self.pending_takeover.take()
    }

    /// Resets the bindings that a layer has switched on or off: their controls may have moved, and need new feedback.
    fn reset_changed_bindings(&mut self) {
        for (index, state) in self.bindings.iter_mut().enumerate() {
            if self.layers.has_changed(index) {
                state.pickup.release();
                state.feedback.forget();
            }
        }
    }

    /// Returns the keys that currently set the lead chord, bit n for MIDI note n.
    #[must_use]
    pub fn lead_notes(&self) -> u128 {
        held_notes(&self.lead)
    }

    /// Returns the keys that currently play the piano, bit n for MIDI note n.
    #[must_use]
    pub fn played_notes(&self) -> u128 {
        held_notes(&self.played)
    }

    /// Records a parameter's new value, whether set by this device or another source.
    pub fn update_value(&mut self, param: Param, value: &Value) {
        let mut is_new = true;
        if let Value::Number(number) = value {
            for (binding, state) in self.mapping.bindings.iter().zip(&mut self.bindings) {
                if binding.to == param {
                    is_new &= state.pickup.changed(*number);
                }
            }
        }
        if is_new {
            self.values[param as usize] = value.clone();
        }
        if param.policy().resends_feedback {
            self.resend_feedback();
        }
    }

    /// Adds to `out` the feedback that is due. Must be called thirty times a second.
    pub(super) fn feedback(&mut self, out: &mut Vec<FeedbackMessage>) {
        for (index, binding) in self.mapping.bindings.iter().enumerate() {
            let Some(target) = binding.feedback.as_ref().filter(|_| self.layers.applies(index)) else { continue };
            let value = &self.values[binding.to as usize];
            let Some(steps) = self.bindings[index].feedback.tick(binding, target, value) else { continue };
            // Turning a light off sends the same message as releasing a button, so no echo of it may be expected.
            let echo = steps > 0 || !feedback::is_light(binding);
            feedback::messages(target.channel, target.control, steps, |message| {
                out.push(FeedbackMessage { message, echo })
            });
            if binding.has_own_feedback() {
                self.controls.record_sent(target.channel, target.control, steps);
                self.bindings[index].pickup.positioned(feedback::position(target.control, steps));
            }
        }
    }

    /// Marks all feedback to be sent again, because the device may have been reset.
    pub(super) fn resend_feedback(&mut self) {
        self.bindings.iter_mut().for_each(|state| state.feedback.forget());
    }

    fn process_move(&mut self, index: usize, binding: &Binding, moved: &Move, out: &mut Vec<ControlEvent>) {
        let was_down = std::mem::replace(&mut self.bindings[index].down, moved.pressed);
        if moved.step.is_none() && !self.bindings[index].feedback.moved(binding, moved.position) {
            return;
        }
        // Program changes and transport messages have no release, so each is a press.
        let has_no_release =
            matches!(moved.control, Control::Program(_) | Control::Start | Control::Continue | Control::Stop);
        let is_triggered_by = |edge| match edge {
            Edge::Press => moved.pressed && (has_no_release || !was_down),
            Edge::Release => !moved.pressed && was_down,
        };
        let current = &self.values[binding.to as usize];
        let value = match &binding.action {
            Action::Follow { scale, .. } if moved.step.is_some() => {
                match binding.neighbouring_value(*scale, current, moved.step.unwrap_or(0)) {
                    Some(value) if value != *current => value,
                    _ => return,
                }
            }
            Action::Follow { scale, pickup } => {
                if let (true, Some(scale), Value::Number(number)) = (pickup, scale, current)
                    && !self.bindings[index].pickup.moved(moved.position, scale.position(*number))
                {
                    if self.bindings[index].pickup.should_report() {
                        self.pending_takeover = Some(PendingTakeover::new(binding, moved, scale, *number));
                    }
                    return;
                }
                match binding.value_at(*scale, moved.position) {
                    Some(value) if value != *current => value,
                    _ => return,
                }
            }
            Action::Turn { encoder, step, scale } => {
                let Value::Number(number) = current else { return };
                let clicks = moved.step.map_or_else(|| encoder.clicks(moved.raw), i32::from);
                let position = scale.position(*number) + clicks as f32 * step;
                match binding.to.fit(Input::Number(f64::from(scale.value(position)))) {
                    Ok(Some(value)) if value != *current => value,
                    _ => return,
                }
            }
            Action::Set { edge, value } if is_triggered_by(*edge) => value.clone(),
            Action::Toggle { edge } if is_triggered_by(*edge) => Value::Toggle(*current != Value::Toggle(true)),
            Action::Hold { value } if is_triggered_by(Edge::Press) => {
                self.bindings[index].held = Some(Held { order: self.presses, previous: current.clone() });
                self.presses += 1;
                value.clone()
            }
            Action::Hold { .. } if is_triggered_by(Edge::Release) => match self.end_hold(index, binding) {
                Some(previous) => previous,
                None => return,
            },
            Action::Set { .. } | Action::Toggle { .. } | Action::Hold { .. } => return,
        };
        self.set(index, binding.to, value, out);
    }

    /// Ends a button's hold; returns the value to restore. There is none if another button for the parameter was pressed later
    /// and is still down, which then restores that value.
    fn end_hold(&mut self, index: usize, binding: &Binding) -> Option<Value> {
        let Held { order, previous } = self.bindings[index].held.take()?;
        let bindings = self.mapping.bindings.iter().zip(&mut self.bindings);
        let others = bindings.filter(|(other, _)| other.to == binding.to).filter_map(|(_, state)| state.held.as_mut());
        if let Some(next) = others.filter(|held| held.order > order).min_by_key(|held| held.order) {
            next.previous = previous;
            return None;
        }
        Some(previous)
    }

    /// Sets a value on behalf of binding `source`, and stores it, because the next message may arrive before the change
    /// is reported back.
    fn set(&mut self, source: usize, param: Param, value: Value, out: &mut Vec<ControlEvent>) {
        if let Value::Number(number) = value {
            for (index, (binding, state)) in self.mapping.bindings.iter().zip(&mut self.bindings).enumerate() {
                if binding.to == param {
                    state.pickup.record_sent(number, index == source);
                }
            }
        }
        self.values[param as usize] = value.clone();
        out.push(ControlEvent::Set(param, value));
    }

    /// Processes a bank selection or program change. Returns whether it is a program change to a mapped program.
    fn process_program(&mut self, message: Message, programs: &Programs, out: &mut Vec<ControlEvent>) -> bool {
        let matches = |channel: u8| programs.channel.is_none_or(|own| own == channel);
        match message {
            Message::ControlChange { channel, controller: 0, value } if matches(channel) => self.bank[0] = value,
            Message::ControlChange { channel, controller: 32, value } if matches(channel) => self.bank[1] = value,
            Message::ProgramChange { channel, program } if matches(channel) => {
                // Some keyboards send unusual banks, so the bank is ignored if there are no scenes.
                let uses_scenes = self.bank != [0, 0] && !programs.scenes.is_empty();
                let (param, names) =
                    if uses_scenes { (Param::Scene, &programs.scenes) } else { (Param::Preset, &programs.presets) };
                let Some(name) = names.get(usize::from(program)) else { return false };
                out.push(ControlEvent::Set(param, Value::Text(name.clone())));
                return true;
            }
            _ => {}
        }
        false
    }
}

fn held_notes(zones: &[HeldKeys]) -> u128 {
    zones.iter().fold(0, |notes, held| notes | held.notes())
}

#[cfg(test)]
mod tests;
