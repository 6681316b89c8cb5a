//! The network layer: plays hops, or a sustain while they are missing.

use serde::{Deserialize, Serialize};

use super::QUANTUM;
use super::granular_sustain::GranularSustain;
use super::hops::{HopOutcome, HopTable};
use crate::event::Hop;
use crate::units::SAMPLE_RATE;

/// Number of quanta over which the hops fade to the sustain. [`LEAD`] is equally long, so that the fade ends with the last
/// hop.
const FADE_OUT_QUANTA: u64 = 4;
/// Number of quanta over which the hops fade in again: 43 ms.
const FADE_IN_QUANTA: u64 = 32;
/// Seconds over which the sustain decays to its final level.
const DECAY_SECONDS: f32 = 2.0;
/// Final level of the sustain: −20 dB, which is below the harmony but audible.
const FLOOR: f32 = 0.1;

/// Distance in frames from the playhead to the quantum that hops must also cover to avoid starvation.
pub(super) const LEAD: u64 = FADE_OUT_QUANTA * QUANTUM as u64;

/// Whether starvation began or ended in a quantum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transition {
    None,
    Starved,
    Recovered,
}

/// The network layer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Network {
    /// Not saved: the hops are sent again after a restore.
    #[serde(skip, default = "HopTable::new")]
    hops: HopTable,
    granular: GranularSustain<1>,
    /// Level of the hops, in steps of `1 / (FADE_OUT_QUANTA * FADE_IN_QUANTA)`; the sustain makes up the rest.
    hop_level: u64,
    /// Level of the sustain.
    sustain_level: f32,
    starved: bool,
    /// Whether hops have ever extended beyond [`LEAD`]; until then, missing hops do not count as starvation.
    started: bool,
}

const FULL_LEVEL: u64 = FADE_OUT_QUANTA * FADE_IN_QUANTA;

impl Network {
    pub(super) fn new() -> Self {
        Self {
            hops: HopTable::new(),
            granular: GranularSustain::new(),
            hop_level: 0,
            sustain_level: 0.0,
            starved: false,
            started: false,
        }
    }

    pub(super) fn receive(&mut self, hop: &Hop, frame: u64) -> HopOutcome {
        self.hops.receive(hop, frame)
    }

    pub(super) fn epoch(&self) -> u32 {
        self.hops.epoch()
    }

    pub(super) fn take_not_finite(&mut self) -> u64 {
        self.hops.take_not_finite()
    }

    /// Clears the sustained sound.
    pub(super) fn clear(&mut self) {
        self.granular.clear();
    }

    /// Renders the quantum that starts at `frame`. Returns whether starvation began or ended in it.
    pub(super) fn render(&mut self, frame: u64, out: &mut [f32; QUANTUM]) -> Transition {
        let current = self.hops.quantum(frame);
        let is_covered = current.is_some() && self.hops.quantum(frame + LEAD).is_some();
        self.started |= is_covered;
        let previous = self.hop_level;
        self.hop_level = if current.is_none() {
            0
        } else if is_covered {
            (previous + FADE_OUT_QUANTA).min(FULL_LEVEL)
        } else {
            previous.saturating_sub(FADE_IN_QUANTA)
        };
        let transition = match (self.starved, self.started && !is_covered) {
            (false, true) => Transition::Starved,
            (true, false) => Transition::Recovered,
            _ => Transition::None,
        };
        if transition == Transition::Starved && self.sustain_level <= 0.0 {
            self.granular.capture();
            self.sustain_level = 1.0;
        }
        self.starved = self.started && !is_covered;

        let step = (self.hop_level as f32 - previous as f32) / (FULL_LEVEL as f32 * QUANTUM as f32);
        let start = previous as f32 / FULL_LEVEL as f32;
        let gain = |n: usize| start + step * (n + 1) as f32;
        match current {
            Some(samples) => (0..QUANTUM).for_each(|n| out[n] = gain(n) * samples[n]),
            None => out.fill(0.0),
        }
        if previous > 0 || self.hop_level > 0 {
            self.granular.record(out.iter().map(|sample| [*sample]));
        }
        if previous == FULL_LEVEL && self.hop_level == FULL_LEVEL {
            self.sustain_level = 0.0;
        }
        if self.sustain_level > 0.0 {
            let decay = (1.0 - FLOOR) / (DECAY_SECONDS * SAMPLE_RATE as f32);
            for (n, sample) in out.iter_mut().enumerate() {
                let level = gain(n).clamp(0.0, 1.0);
                *sample += (1.0 - level * level).sqrt() * self.sustain_level * self.granular.next()[0];
                self.sustain_level = (self.sustain_level - decay).max(FLOOR);
            }
        }
        transition
    }
}
