//! The bass: a plucked tone whose overtones decay within seconds.

use serde::{Deserialize, Serialize};

use super::amplitude;
use super::pool::Synth;
use crate::engine::QUANTUM;
use crate::engine::dsp::{Bus, advance, sine};
use crate::engine::envelope::Shape;
use crate::units::SAMPLE_RATE;

/// Peak level at full velocity.
const LEVEL: f32 = 0.72;
/// Decay time constant of the overtones, in frames.
const OVERTONE_DECAY: f32 = 0.6 * SAMPLE_RATE as f32;
/// Frequency below which the fundamental is increasingly attenuated, as by a small soundboard. A full-strength fundamental
/// would mask the piano's left hand.
const SOUNDBOARD_HZ: f32 = 110.0;

/// A bass note: FM synthesis with a 1:1 ratio (Chowning 1973). The modulation depth decays like a string's brightness.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(in crate::engine) struct Bass {
    phase: f32,
    increment: f32,
    /// Modulation depth in cycles.
    depth: f32,
    /// Depth after the decay.
    final_depth: f32,
    /// Fraction of the fundamental to remove.
    fundamental_cut: f32,
    gain: f32,
}

impl Synth for Bass {
    fn shape(velocity: f32) -> Shape {
        Shape { attack: 0.018 - 0.01 * velocity, decay: 1.6, sustain: 0.45, release: 0.12 }
    }

    fn start(&mut self, hz: f32, velocity: f32) {
        self.phase = 0.0;
        self.increment = hz / SAMPLE_RATE as f32;
        // Low notes need overtones to be audible on small loudspeakers.
        let brightness = (110.0 / hz).sqrt().clamp(0.5, 1.6);
        self.depth = (0.12 + 0.14 * velocity) * brightness;
        self.final_depth = 0.07 * brightness;
        self.fundamental_cut = 1.0 - hz / hz.hypot(SOUNDBOARD_HZ);
        self.gain = LEVEL * amplitude(velocity);
    }

    fn render(&mut self, level: &[f32; QUANTUM], bus: &mut Bus) {
        for (out, level) in bus.mid.iter_mut().zip(level) {
            let fundamental = sine(self.phase);
            let tone = sine(self.phase + self.depth * fundamental) - self.fundamental_cut * fundamental;
            *out += self.gain * level * tone;
            self.depth += (self.final_depth - self.depth) / OVERTONE_DECAY;
            advance(&mut self.phase, self.increment);
        }
    }
}
