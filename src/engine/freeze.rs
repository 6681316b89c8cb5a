//! Hold: freezes the current sound while the music continues silently underneath.

use serde::{Deserialize, Serialize};

use super::dsp::Bus;
use super::granular_sustain::GranularSustain;
use super::ramp::Ramp;

/// Duration of the crossfade to and from the frozen sound.
const CROSSFADE_SECONDS: f32 = 0.12;

/// The frozen sound and its level.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Freeze {
    granular: GranularSustain<2>,
    amount: Ramp,
}

impl Freeze {
    pub(super) fn new() -> Self {
        Self { granular: GranularSustain::new(), amount: Ramp::new(0.0, CROSSFADE_SECONDS) }
    }

    pub(super) fn set(&mut self, on: bool) {
        if on && self.amount.value() == 0.0 {
            self.granular.capture();
        }
        self.amount.set(if on { 1.0 } else { 0.0 });
    }

    /// Returns whether nothing of a frozen sound is heard.
    pub(super) fn is_off(&self) -> bool {
        self.amount.rests_at(0.0)
    }

    pub(super) fn clear(&mut self) {
        self.granular.clear();
        self.amount.jump(0.0);
    }

    pub(super) fn render(&mut self, bus: &mut Bus) {
        let amount = self.amount.step();
        if amount.from == 0.0 && amount.to == 0.0 {
            self.granular.record(bus.mid.iter().zip(&bus.side).map(|(mid, side)| [*mid, *side]));
            return;
        }
        for ((mid, side), held) in bus.mid.iter_mut().zip(&mut bus.side).zip(amount.iter()) {
            let live = (1.0 - held * held).max(0.0).sqrt();
            let [held_mid, held_side] = self.granular.next();
            *mid = live * *mid + held * held_mid;
            *side = live * *side + held * held_side;
        }
    }
}
