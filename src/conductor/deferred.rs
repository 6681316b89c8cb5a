//! Changes that take effect on a beat or at a bar line.

use crate::event::parameter::{Param, Value};
use crate::music::glide::Length;

/// Changes waiting for a beat, in three stages: held until their bar is near; requested but not yet in effect; in
/// effect for the network, but for the engine only on the beat itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Deferred {
    held: Held,
    waiting: Option<Waiting>,
    line: Option<Line>,
}

/// Values held for a bar line, the latest per parameter.
#[derive(Debug, Clone, Default)]
struct Held {
    /// The first beat of that bar.
    beat: u64,
    /// In order of request.
    values: Vec<(Param, Value)>,
}

/// Requested changes that take effect on a beat.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Waiting {
    pub(super) beat: u64,
    pub(super) morph: Option<Length>,
}

/// The beat at which they take effect in the engine.
#[derive(Debug, Clone, Default)]
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
    /// held value of the same parameter.
    pub(super) fn hold(&mut self, param: Param, value: &Value, next_bar: u64) {
        if self.held.values.is_empty() {
            self.held.beat = next_bar;
        }
        self.held.values.retain(|(held, _)| *held != param);
        self.held.values.push((param, value.clone()));
    }

    /// The beat for which values are held, if any.
    pub(super) fn held_for(&self) -> Option<u64> {
        (!self.held.values.is_empty()).then_some(self.held.beat)
    }

    /// Takes the held values, with their beat.
    pub(super) fn take_held(&mut self) -> (u64, Vec<(Param, Value)>) {
        (self.held.beat, std::mem::take(&mut self.held.values))
    }

    /// Makes a change wait for a beat, or for an earlier one if something already waits for that.
    pub(super) fn wait(&mut self, beat: u64, morph: Option<Length>) {
        let morph = morph.or(self.waiting.and_then(|waiting| waiting.morph));
        self.waiting = Some(Waiting { beat: self.waiting.map_or(beat, |waiting| waiting.beat.min(beat)), morph });
    }

    /// The beat waited for.
    pub(super) fn waits_for(&self) -> Option<u64> {
        self.waiting.map(|waiting| waiting.beat)
    }

    /// Takes the waiting changes.
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

    /// Takes what takes effect in the engine.
    pub(super) const fn take_line(&mut self) -> Option<Line> {
        self.line.take()
    }
}
