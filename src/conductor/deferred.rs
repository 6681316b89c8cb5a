//! Changes waiting for a beat or a bar line.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::event::parameter::{Param, Value};
use crate::event::supersede;
use crate::music::glide::Length;

/// Number of values held for a bar line at which a new value replaces the oldest of the same parameter, even one on which a
/// later request depends; more than three times the number of parameters.
const MAX_HELD: usize = 256;

/// Changes waiting for a beat, in three stages: held until shortly before their bar; requested, but not yet in effect; in
/// effect in the network, but not yet in the engine.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Deferred {
    held: Held,
    waiting: Option<Waiting>,
    engine: Option<EngineChanges>,
}

/// Values held for a bar line: the newest of each parameter, older ones on which a later request depends, and every request
/// that must take effect individually.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Held {
    /// The first beat of the bar.
    beat: u64,
    /// In order of request.
    values: VecDeque<(Param, Value)>,
}

/// Requested changes that take effect on a beat.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Waiting {
    pub(super) beat: u64,
    pub(super) morph: Option<Length>,
}

/// Changes that take effect in the engine on a beat.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct EngineChanges {
    beat: u64,
    /// The length of the glides.
    pub(super) morph: Option<Length>,
    /// Whether all sound is cut.
    pub(super) panic: bool,
    /// The values that were held for this bar line.
    pub(super) released: Vec<(Param, Value)>,
}

impl Deferred {
    /// Holds a value until the bar that begins on beat `next_bar`, or until the bar for which values are already held. The new
    /// value replaces an older one of the same parameter, unless a request in between, such as storing a scene, depends on the
    /// older one.
    pub(super) fn hold(&mut self, param: Param, value: &Value, next_bar: u64) {
        let Held { beat, values } = &mut self.held;
        if values.is_empty() {
            *beat = next_bar;
        }
        supersede(values, |(old, _)| old.keeps_all_requests() || old.keeps_order_with(param), |(old, _)| *old == param);
        if values.len() >= MAX_HELD
            && let Some(oldest) = values.iter().position(|(old, _)| *old == param)
        {
            values.remove(oldest);
        }
        values.push_back((param, value.clone()));
    }

    /// Changes the name of a scene in the values held for a bar line.
    pub(super) fn rename_scene(&mut self, from: &str, to: &str) {
        for (param, value) in &mut self.held.values {
            if param.names_scene() && matches!(value, Value::Text(name) if name == from) {
                *value = Value::Text(to.to_owned());
            }
        }
    }

    /// Returns the beat for which values are held, if any.
    pub(super) fn held_beat(&self) -> Option<u64> {
        (!self.held.values.is_empty()).then_some(self.held.beat)
    }

    /// Removes and returns the held values, with their beat.
    pub(super) fn take_held(&mut self) -> (u64, Vec<(Param, Value)>) {
        (self.held.beat, std::mem::take(&mut self.held.values).into())
    }

    /// Makes a change wait for a beat, or for the earlier beat for which other changes are already waiting.
    pub(super) fn add_waiting(&mut self, beat: u64, morph: Option<Length>) {
        let morph = morph.or(self.waiting.and_then(|waiting| waiting.morph));
        self.waiting = Some(Waiting { beat: self.waiting.map_or(beat, |waiting| waiting.beat.min(beat)), morph });
    }

    /// Returns the beat for which changes are waiting, if any.
    pub(super) fn waiting_beat(&self) -> Option<u64> {
        self.waiting.map(|waiting| waiting.beat)
    }

    /// Removes and returns the waiting changes.
    pub(super) const fn take_waiting(&mut self) -> Option<Waiting> {
        self.waiting.take()
    }

    /// Adds changes that take effect in the engine on a beat.
    pub(super) fn defer_to_engine(&mut self, beat: u64, morph: Option<Length>) -> &mut EngineChanges {
        let changes = self.engine.get_or_insert_default();
        changes.beat = beat;
        changes.morph = morph.or(changes.morph);
        changes
    }

    /// Returns the beat on which changes take effect in the engine, if any.
    pub(super) fn engine_beat(&self) -> Option<u64> {
        self.engine.as_ref().map(|changes| changes.beat)
    }

    /// Removes and returns the changes that take effect in the engine.
    pub(super) const fn take_engine_changes(&mut self) -> Option<EngineChanges> {
        self.engine.take()
    }
}
