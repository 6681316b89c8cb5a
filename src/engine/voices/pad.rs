//! The pad: a string-like sound of three sawtooths, slightly detuned and gently low-pass filtered, with a slow attack and
//! release.

use serde::{Deserialize, Serialize};

use super::amplitude;
use super::pool::Synth;
use crate::engine::QUANTUM;
use crate::engine::dsp::{Bus, LowPass, advance, one_pole, saw, sine};
use crate::engine::envelope::Shape;
use crate::units::SAMPLE_RATE;

/// Approximate peak of one note at full velocity.
const LEVEL: f32 = 0.68;
/// Detuning of the outer sawtooths: 5 cents up and down.
const DETUNE: f32 = 1.002_892;
/// Level of the outer sawtooths in the mid signal: too low for beating to cancel the centre one.
const OUTER_LEVEL: f32 = 0.28;
/// Rate of the filter's LFO in cycles per quantum: 0.13 Hz.
const LFO_RATE: f32 = 0.13 * QUANTUM as f32 / SAMPLE_RATE as f32;

/// A pad note. The centre sawtooth is panned to the middle, the outer ones left and right.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(in crate::engine) struct Pad {
    phases: [f32; 3],
    increment: f32,
    cutoff_hz: f32,
    lfo_phase: f32,
    gain: f32,
    mid: [LowPass; 2],
    side: [LowPass; 2],
}

impl Synth for Pad {
    fn shape(velocity: f32) -> Shape {
        Shape { attack: 1.1 - 0.6 * velocity, decay: 3.0, sustain: 0.8, release: 0.55 }
    }

    fn start(&mut self, hz: f32, velocity: f32) {
        // Phases derived from the pitch are reproducible, yet keep the notes of a chord from peaking together.
        let spread = (hz * 0.618_034).fract();
        self.phases = [spread, (spread + 0.37) % 1.0, (spread + 0.71) % 1.0];
        self.increment = hz / SAMPLE_RATE as f32;
        self.cutoff_hz = (hz * (1.6 + 1.8 * velocity)).clamp(320.0, 2600.0);
        self.lfo_phase = spread;
        // High notes sound louder, especially with sawtooths.
        self.gain = LEVEL * amplitude(velocity) * (220.0 / hz).sqrt().clamp(0.5, 1.2);
        self.mid = [LowPass::default(); 2];
        self.side = [LowPass::default(); 2];
    }

    fn render(&mut self, level: &[f32; QUANTUM], bus: &mut Bus) {
        let coefficient = one_pole(self.cutoff_hz * (1.0 + 0.18 * sine(self.lfo_phase)));
        advance(&mut self.lfo_phase, LFO_RATE);
        let (low, high) = (self.increment / DETUNE, self.increment * DETUNE);
        for (n, level) in level.iter().enumerate() {
            let centre = saw(self.phases[0], self.increment);
            let (left, right) = (saw(self.phases[1], low), saw(self.phases[2], high));
            advance(&mut self.phases[0], self.increment);
            advance(&mut self.phases[1], low);
            advance(&mut self.phases[2], high);
            let filter = |stages: &mut [LowPass; 2], input| {
                let first = stages[0].next(input, coefficient);
                stages[1].next(first, coefficient)
            };
            // Squaring smooths the start of the exponential attack.
            let gain = self.gain * level * level;
            bus.mid[n] += gain * filter(&mut self.mid, centre + OUTER_LEVEL * (left + right));
            bus.side[n] += gain * filter(&mut self.side, 2.0 * OUTER_LEVEL * (left - right));
        }
    }
}
