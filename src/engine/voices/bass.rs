//! Bass: a plucked tone whose overtones fade within seconds.

use serde::{Deserialize, Serialize};

use super::amplitude;
use super::pool::Synth;
use crate::engine::QUANTUM;
use crate::engine::dsp::{Bus, advance, sine};
use crate::engine::envelope::Shape;
use crate::units::SAMPLE_RATE;

/// Peak at full velocity.
const LEVEL: f32 = 0.72;
/// Decay time constant of the overtones, in frames.
const OVERTONE_DECAY: f32 = 0.6 * SAMPLE_RATE as f32;
/// Frequency in hertz below which the fundamental is attenuated, as on a small soundboard: at full strength, it would
/// darken the piano and cover its left hand.
const SOUNDBOARD: f32 = 110.0;

/// FM synthesis with a 1:1 ratio (Chowning 1973); the modulation decays like a string's brightness.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(in crate::engine) struct Bass {
    phase: f32,
    increment: f32,
    /// Modulation depth in turns, and its final value.
    depth: f32,
    settled: f32,
    /// Share of the fundamental that is removed.
    missing: f32,
    gain: f32,
}

impl Synth for Bass {
    fn shape(velocity: f32) -> Shape {
        Shape { attack: 0.018 - 0.01 * velocity, decay: 1.6, sustain: 0.45, release: 0.12 }
    }

    fn start(&mut self, hz: f32, velocity: f32) {
        self.phase = 0.0;
        self.increment = hz / SAMPLE_RATE as f32;
        // Low notes need overtones to be audible on small loudspeakers; high ones do not.
        let brightness = (110.0 / hz).sqrt().clamp(0.5, 1.6);
        self.depth = (0.12 + 0.14 * velocity) * brightness;
        self.settled = 0.07 * brightness;
        self.missing = 1.0 - hz / hz.hypot(SOUNDBOARD);
        self.gain = LEVEL * amplitude(velocity);
    }

    fn render(&mut self, level: &[f32; QUANTUM], bus: &mut Bus) {
        for (out, level) in bus.mid.iter_mut().zip(level) {
            let fundamental = sine(self.phase);
            let tone = sine(self.phase + self.depth * fundamental) - self.missing * fundamental;
            *out += self.gain * level * tone;
            self.depth += (self.settled - self.depth) / OVERTONE_DECAY;
            advance(&mut self.phase, self.increment);
        }
    }
}
