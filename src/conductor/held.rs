//! What was asked for "at the next bar" and is held until then.

use super::Conductor;
use super::performance::Change;
use crate::event::parameter::{Param, Value};
use crate::music::glide::Length;

/// Values that are held for a bar line, one for each parameter: the newest.
#[derive(Debug, Clone, Default)]
pub(super) struct Held {
    /// The first beat of that bar.
    beat: u64,
    /// In the order in which they were asked for.
    values: Vec<(Param, Value)>,
}

impl Held {
    /// The beat that is waited for; `None` when nothing is held.
    pub(super) fn beat(&self) -> Option<u64> {
        (!self.values.is_empty()).then_some(self.beat)
    }
}

/// A beat at which what waited comes into force in the engine.
#[derive(Debug, Clone, Default)]
pub(super) struct Line {
    pub(super) beat: u64,
    /// How long the numbers take to arrive.
    pub(super) morph: Option<Length>,
    /// Whether every sound is cut.
    pub(super) panic: bool,
    /// What was held for this line.
    pub(super) released: Vec<(Param, Value)>,
}

impl Line {
    /// More comes into force on a beat.
    pub(super) fn reach(&mut self, beat: u64, morph: Option<Length>) {
        self.beat = beat;
        self.morph = morph.or(self.morph);
    }
}

impl Conductor {
    /// Holds a value until the next bar line; a value of the same parameter that is held gives way to it.
    pub(super) fn hold(&mut self, param: Param, value: &Value) {
        if self.held.values.is_empty() {
            self.held.beat = self.next_bar();
        }
        self.held.values.retain(|(held, _)| *held != param);
        self.held.values.push((param, value.clone()));
    }

    /// Asks for what was held, a little before its line, so that it comes into force on it.
    pub(super) fn release(&mut self) {
        let values = std::mem::take(&mut self.held.values);
        let beat = self.held.beat.max(self.next_beat);
        let mut line = self.line.take().unwrap_or_default();
        line.reach(beat, None);
        for (param, value) in values {
            match self.ask(param, &value) {
                Ok(Change::Nothing) => {}
                Ok(Change::One(_)) => self.wait(beat, None),
                Ok(Change::Many(morph)) => self.wait(beat, Some(self.length(morph))),
                Ok(Change::Panic) => line.panic = true,
                Err(error) => tracing::warn!("{error}; nothing was changed at the bar"),
            }
            line.released.push((param, value));
        }
        self.line = Some(line);
    }
}
