//! Changes waiting for a beat or a bar line.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::event::parameter::{Param, Value};
use crate::event::supersede;
use crate::music::glide::Length;

/// Maximum number of values held for a bar line, several times the number of parameters; beyond that, a value replaces
/// the oldest one of its parameter.
const MAX_HELD: usize = 256;

/// Changes waiting for a beat, in three stages: held until their bar is near; requested but not yet in effect; in
/// effect in the network, and in the engine only on the beat itself.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Deferred {
    held: Held,
    waiting: Option<Waiting>,
    line: Option<Line>,
}

/// Values held for a bar line: the latest per parameter, earlier ones that a later request depends on, and every
/// request that must take effect individually.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Held {
    /// The first beat of that bar.
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
pub(super) struct Line {
    beat: u64,
    /// The duration of glides.
    pub(super) morph: Option<Length>,
    /// Whether all sound is cut.
    pub(super) panic: bool,
    /// The values held for this bar line.
    pub(super) released: Vec<(Param, Value)>,
}

impl Deferred {
    /// Holds a value until the bar that begins at `next_bar`, unless values are held for an earlier one; replaces a
    /// held value of the same parameter, unless a request after it depends on it: a scene stores what was requested
    /// before.
    pub(super) fn hold(&mut self, param: Param, value: &Value, next_bar: u64) {
        let Held { beat, values } = &mut self.held;
        if values.is_empty() {
            *beat = next_bar;
        }
        supersede(
            values,
            |(old, _)| old.each_request_counts() || old.keeps_order_with(param),
            |(old, _)| *old == param,
        );
        if values.len() >= MAX_HELD
            && let Some(oldest) = values.iter().position(|(old, _)| *old == param)
        {
            values.remove(oldest);
        }
        values.push_back((param, value.clone()));
    }

    /// The beat for which values are held, if any.
    pub(super) fn held_for(&self) -> Option<u64> {
        (!self.held.values.is_empty()).then_some(self.held.beat)
    }

    /// Removes and returns the held values, with their beat.
    pub(super) fn take_held(&mut self) -> (u64, Vec<(Param, Value)>) {
        (self.held.beat, std::mem::take(&mut self.held.values).into())
    }

    /// Makes a change wait for a beat, or for the earlier one for which others are already waiting.
    pub(super) fn wait(&mut self, beat: u64, morph: Option<Length>) {
        let morph = morph.or(self.waiting.and_then(|waiting| waiting.morph));
        self.waiting = Some(Waiting { beat: self.waiting.map_or(beat, |waiting| waiting.beat.min(beat)), morph });
    }

    /// The beat for which changes are waiting.
    pub(super) fn waits_for(&self) -> Option<u64> {
        self.waiting.map(|waiting| waiting.beat)
    }

    /// Removes and returns the waiting changes.
    pub(super) const fn take_waiting(&mut self) -> Option<Waiting> {
        self.waiting.take()
    }

    /// Adds changes that take effect in the engine on a beat.
    pub(super) fn reach(&mut self, beat: u64, morph: Option<Length>) -> &mut Line {
        let line = self.line.get_or_insert_default();
        line.beat = beat;
        line.morph = morph.or(line.morph);
        line
    }

    /// The beat at which something takes effect in the engine.
    pub(super) fn line_at(&self) -> Option<u64> {
        self.line.as_ref().map(|line| line.beat)
    }

    /// Removes and returns the changes that are due in the engine.
    pub(super) const fn take_line(&mut self) -> Option<Line> {
        self.line.take()
    }
}
