//! The upper voice: a sound between a soft bell and a flute, with delayed vibrato.

use serde::{Deserialize, Serialize};

use super::amplitude;
use super::pool::Synth;
use crate::engine::QUANTUM;
use crate::engine::dsp::{Bus, advance, sine};
use crate::engine::envelope::Shape;
use crate::units::SAMPLE_RATE;

/// Approximate peak level at full velocity.
const LEVEL: f32 = 0.9;
/// Decay time constant of the bell overtone, in frames.
const OVERTONE_DECAY: f32 = 0.16 * SAMPLE_RATE as f32;
/// Rate of the vibrato in cycles per quantum: 4.7 Hz.
const VIBRATO_RATE: f32 = 4.7 * QUANTUM as f32 / SAMPLE_RATE as f32;
/// Maximum depth of the vibrato as a fraction of the frequency: 6 cents.
const VIBRATO_DEPTH: f32 = 0.0035;
/// Fraction of the remaining depth that the vibrato gains per quantum: a time constant of one second.
const VIBRATO_RISE: f32 = QUANTUM as f32 / SAMPLE_RATE as f32;
/// Gain in the side signal, which places the voice slightly right of centre.
const SIDE_GAIN: f32 = -0.22;

/// A note: a sine with a soft octave, phase-modulated by a sine at three times its frequency. The modulation depth decays.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(in crate::engine) struct Upper {
    phase: f32,
    modulator: f32,
    increment: f32,
    depth: f32,
    final_depth: f32,
    vibrato_phase: f32,
    vibrato_depth: f32,
    gain: f32,
}

impl Synth for Upper {
    fn shape(velocity: f32) -> Shape {
        Shape { attack: 0.03 - 0.02 * velocity, decay: 1.1, sustain: 0.4, release: 0.28 }
    }

    fn start(&mut self, hz: f32, velocity: f32) {
        *self = Self {
            increment: hz / SAMPLE_RATE as f32,
            depth: 0.02 + 0.07 * velocity,
            final_depth: 0.006,
            gain: LEVEL * amplitude(velocity) * (523.0 / hz).sqrt().clamp(0.5, 1.2),
            ..Self::default()
        };
    }

    fn render(&mut self, level: &[f32; QUANTUM], bus: &mut Bus) {
        let increment = self.increment * (1.0 + self.vibrato_depth * sine(self.vibrato_phase));
        advance(&mut self.vibrato_phase, VIBRATO_RATE);
        self.vibrato_depth += VIBRATO_RISE * (VIBRATO_DEPTH - self.vibrato_depth);
        for (n, level) in level.iter().enumerate() {
            let phase = self.phase + self.depth * sine(self.modulator);
            let sample = self.gain * level * (sine(phase) + 0.12 * sine(2.0 * phase));
            bus.mid[n] += sample;
            bus.side[n] += SIDE_GAIN * sample;
            self.depth += (self.final_depth - self.depth) / OVERTONE_DECAY;
            advance(&mut self.phase, increment);
            advance(&mut self.modulator, 3.0 * increment);
        }
    }
}
