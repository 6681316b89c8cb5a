//! The network's sound: hops, or a sustain while they are missing.

use serde::{Deserialize, Serialize};

use super::QUANTUM;
use super::granular_sustain::GranularSustain;
use super::hops::{HopTable, Receipt};
use crate::event::Hop;
use crate::units::SAMPLE_RATE;

/// Quanta over which the sound fades to the sustain. It looks ahead by the same number, so that the fade ends with the
/// last hop.
const FADE_OUT: u64 = 4;
/// Quanta over which the sound fades back in: 43 ms.
const FADE_IN: u64 = 32;
/// Seconds over which the sustain fades to its floor.
const DECAY_SECONDS: f32 = 2.0;
/// Final level of the sustain: −20 dB, below the harmony but never silent.
const FLOOR: f32 = 0.1;

/// Frames that must be available ahead of the playhead to avoid starvation.
pub(super) const LEAD: u64 = FADE_OUT * QUANTUM as u64;

/// A change of state in a quantum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transition {
    None,
    Starved,
    Recovered,
}

/// The network layer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Network {
    /// Filled again by the generator after a checkpoint.
    #[serde(skip, default = "HopTable::new")]
    hops: HopTable,
    granular: GranularSustain<1>,
    /// Level of the hops, in steps of `1 / (FADE_OUT * FADE_IN)`; the rest is sustain.
    presence: u64,
    /// Level of the sustain.
    sustain_level: f32,
    starved: bool,
    /// Whether the first hop has arrived; before that, nothing is missing.
    started: bool,
}

const FULL_PRESENCE: u64 = FADE_OUT * FADE_IN;

impl Network {
    pub(super) fn new() -> Self {
        Self {
            hops: HopTable::new(),
            granular: GranularSustain::new(),
            presence: 0,
            sustain_level: 0.0,
            starved: false,
            started: false,
        }
    }

    pub(super) fn receive(&mut self, hop: &Hop, frame: u64) -> Receipt {
        self.hops.receive(hop, frame)
    }

    pub(super) fn epoch(&self) -> u32 {
        self.hops.epoch()
    }

    pub(super) fn take_not_finite(&mut self) -> u64 {
        self.hops.take_not_finite()
    }

    /// Clears the sustain, so that no old sound can return.
    pub(super) fn clear(&mut self) {
        self.granular.clear();
    }

    /// Renders the quantum that starts at `frame`.
    pub(super) fn render(&mut self, frame: u64, out: &mut [f32; QUANTUM]) -> Transition {
        let here = self.hops.quantum(frame);
        let there = here.is_some() && self.hops.quantum(frame + LEAD).is_some();
        self.started |= there;
        let before = self.presence;
        self.presence = if here.is_none() {
            0
        } else if there {
            (before + FADE_OUT).min(FULL_PRESENCE)
        } else {
            before.saturating_sub(FADE_IN)
        };
        let transition = match (self.starved, self.started && !there) {
            (false, true) => Transition::Starved,
            (true, false) => Transition::Recovered,
            _ => Transition::None,
        };
        if transition == Transition::Starved && self.sustain_level <= 0.0 {
            self.granular.capture();
            self.sustain_level = 1.0;
        }
        self.starved = self.started && !there;

        let step = (self.presence as f32 - before as f32) / (FULL_PRESENCE as f32 * QUANTUM as f32);
        let start = before as f32 / FULL_PRESENCE as f32;
        let gain = |n: usize| start + step * (n + 1) as f32;
        match here {
            Some(samples) => (0..QUANTUM).for_each(|n| out[n] = gain(n) * samples[n]),
            None => out.fill(0.0),
        }
        if before > 0 || self.presence > 0 {
            self.granular.record(out.iter().map(|sample| [*sample]));
        }
        if before == FULL_PRESENCE && self.presence == FULL_PRESENCE {
            self.sustain_level = 0.0;
        }
        if self.sustain_level > 0.0 {
            let decay = (1.0 - FLOOR) / (DECAY_SECONDS * SAMPLE_RATE as f32);
            for (n, sample) in out.iter_mut().enumerate() {
                let share = gain(n).clamp(0.0, 1.0);
                *sample += (1.0 - share * share).sqrt() * self.sustain_level * self.granular.next()[0];
                self.sustain_level = (self.sustain_level - decay).max(FLOOR);
            }
        }
        transition
    }
}
