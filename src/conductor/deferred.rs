//! What was asked for and comes into force on a beat or at a bar line.

use crate::event::parameter::{Param, Value};
use crate::music::glide::Length;

/// Changes that wait for a beat, in three stages: held until their bar comes near, asked for but not yet in force, and
/// in force for the network but for the engine only on the beat itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Deferred {
    held: Held,
    waiting: Option<Waiting>,
    line: Option<Line>,
}

/// Values that are held for a bar line, one for each parameter: the newest.
#[derive(Debug, Clone, Default)]
struct Held {
    /// The first beat of that bar.
    beat: u64,
    /// In the order in which they were asked for.
    values: Vec<(Param, Value)>,
}

/// Changes that were asked for and come into force on a beat.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Waiting {
    pub(super) beat: u64,
    pub(super) morph: Option<Length>,
}

/// A beat at which what waited comes into force in the engine.
#[derive(Debug, Clone, Default)]
pub(super) struct Line {
    beat: u64,
    /// How long the numbers take to arrive.
    pub(super) morph: Option<Length>,
    /// Whether every sound is cut.
    pub(super) panic: bool,
    /// What was held for this line.
    pub(super) released: Vec<(Param, Value)>,
}

impl Deferred {
    /// Holds a value until the bar that begins at `next_bar`, unless values are held for an earlier one; a value of the
    /// same parameter that is held gives way to it.
    pub(super) fn hold(&mut self, param: Param, value: &Value, next_bar: u64) {
        if self.held.values.is_empty() {
            self.held.beat = next_bar;
        }
        self.held.values.retain(|(held, _)| *held != param);
        self.held.values.push((param, value.clone()));
    }

    /// The beat for which values are held; `None` when nothing is held.
    pub(super) fn held_for(&self) -> Option<u64> {
        (!self.held.values.is_empty()).then_some(self.held.beat)
    }

    /// Takes out what was held, with the beat that it was held for.
    pub(super) fn take_held(&mut self) -> (u64, Vec<(Param, Value)>) {
        (self.held.beat, std::mem::take(&mut self.held.values))
    }

    /// What was asked for waits for a beat, or for an earlier one if something waits for that.
    pub(super) fn wait(&mut self, beat: u64, morph: Option<Length>) {
        let morph = morph.or(self.waiting.and_then(|waiting| waiting.morph));
        self.waiting = Some(Waiting { beat: self.waiting.map_or(beat, |waiting| waiting.beat.min(beat)), morph });
    }

    /// The beat that is waited for.
    pub(super) fn waits_for(&self) -> Option<u64> {
        self.waiting.map(|waiting| waiting.beat)
    }

    /// Takes out what waits.
    pub(super) const fn take_waiting(&mut self) -> Option<Waiting> {
        self.waiting.take()
    }

    /// More comes into force in the engine on a beat.
    pub(super) fn reach(&mut self, beat: u64, morph: Option<Length>) -> &mut Line {
        let line = self.line.get_or_insert_default();
        line.beat = beat;
        line.morph = morph.or(line.morph);
        line
    }

    /// The beat at which something comes into force in the engine.
    pub(super) fn line_at(&self) -> Option<u64> {
        self.line.as_ref().map(|line| line.beat)
    }

    /// Takes out what comes into force in the engine.
    pub(super) const fn take_line(&mut self) -> Option<Line> {
        self.line.take()
    }
}
