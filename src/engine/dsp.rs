//! Basic DSP building blocks.

use std::f32::consts::TAU;

use serde::{Deserialize, Serialize};

use super::QUANTUM;
use super::ramp::Span;
use crate::bytes;
use crate::units::SAMPLE_RATE;

/// A quantum of the mid and side signals. Left is their sum and right their difference, so the mid signal is the mono mix.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bus {
    pub(super) mid: [f32; QUANTUM],
    pub(super) side: [f32; QUANTUM],
}

impl Bus {
    pub(super) const SILENT: Self = Self { mid: [0.0; QUANTUM], side: [0.0; QUANTUM] };

    /// Scales both signals.
    pub(super) fn scale(&mut self, gain: Span) {
        gain.scale(&mut self.mid);
        gain.scale(&mut self.side);
    }

    /// Adds `other`, scaled by `gain`, and clears `other`. Returns the peak of the added signal.
    pub(super) fn add(&mut self, other: &mut Self, gain: Span) -> f32 {
        let mut peak = 0.0f32;
        for n in 0..QUANTUM {
            let gain = gain.at(n);
            let (mid, side) = (gain * other.mid[n], gain * other.side[n]);
            self.mid[n] += mid;
            self.side[n] += side;
            peak = peak.max(mid.abs() + side.abs());
        }
        *other = Self::SILENT;
        peak
    }
}

/// Replaces a value with zero before it becomes subnormal, since subnormals can slow arithmetic down a hundredfold.
pub(super) fn flush(value: f32) -> f32 {
    if value.abs() < 1e-15 { 0.0 } else { value }
}

/// Returns `sin(2π · cycles)`, accurate to 1e-5 within ±3 cycles, using a Taylor polynomial of degree 9 on a quarter cycle.
/// `cycles` must exceed −8.
///
/// Uses only basic arithmetic, so that the result is bit-identical on all machines.
pub(super) fn sine(cycles: f32) -> f32 {
    let cycles = cycles + 8.0;
    let half = 0.5 - (cycles - (cycles as i32) as f32);
    let folded = if half > 0.25 {
        0.5 - half
    } else if half < -0.25 {
        -0.5 - half
    } else {
        half
    };
    let x = folded * TAU;
    let s = x * x;
    x * (1.0 + s * (-1.0 / 6.0 + s * (1.0 / 120.0 + s * (-1.0 / 5040.0 + s / 362_880.0))))
}

/// Returns a sample of a rising sawtooth with reduced aliasing, using polynomial band-limited steps (Välimäki and Huovilainen
/// 2007). `phase` is in cycles, `0..1`, and `increment` in cycles per frame.
pub(super) fn saw(phase: f32, increment: f32) -> f32 {
    let correction = if phase < increment {
        let t = phase / increment;
        t + t - t * t - 1.0
    } else if phase > 1.0 - increment {
        let t = (phase - 1.0) / increment;
        t * t + t + t + 1.0
    } else {
        0.0
    };
    2.0 * phase - 1.0 - correction
}

/// Advances a phase by `increment` cycles, wrapping to `0..1`.
pub(super) fn advance(phase: &mut f32, increment: f32) {
    *phase += increment;
    if *phase >= 1.0 {
        *phase -= 1.0;
    }
}

/// Returns the coefficient of a one-pole low-pass filter with cutoff `hz`.
pub(super) fn one_pole(hz: f32) -> f32 {
    let x = TAU * hz / SAMPLE_RATE as f32;
    x / (1.0 + x)
}

/// A one-pole low-pass filter.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct LowPass {
    state: f32,
}

impl LowPass {
    pub(super) fn next(&mut self, input: f32, coefficient: f32) -> f32 {
        self.state = flush(self.state + coefficient * (input - self.state));
        self.state
    }
}

/// A Schroeder all-pass filter (1962): a short delay with a flat magnitude response.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AllPass {
    #[serde(with = "bytes")]
    line: Box<[f32]>,
    at: usize,
    gain: f32,
}

impl AllPass {
    #[expect(clippy::disallowed_macros, reason = "never called on the audio thread")]
    pub(super) fn new(frames: usize, gain: f32) -> Self {
        Self { line: vec![0.0; frames].into_boxed_slice(), at: 0, gain }
    }

    pub(super) fn next(&mut self, input: f32) -> f32 {
        let delayed = self.line[self.at];
        let inner = flush(input - self.gain * delayed);
        self.line[self.at] = inner;
        self.at = if self.at + 1 == self.line.len() { 0 } else { self.at + 1 };
        delayed + self.gain * inner
    }

    pub(super) fn clear(&mut self) {
        self.line.fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sine_approximation_is_accurate() {
        for step in -3000..3000 {
            let cycles = step as f32 / 1000.0;
            let exact = (f64::from(cycles) * std::f64::consts::TAU).sin() as f32;
            assert!((sine(cycles) - exact).abs() < 1e-5, "{cycles}: {}, expected {exact}", sine(cycles));
        }
    }

    #[test]
    fn all_pass_filters_preserve_energy() {
        let mut filter = AllPass::new(37, 0.6);
        let energy: f32 = (0..4000).map(|n| filter.next(if n == 0 { 1.0 } else { 0.0 }).powi(2)).sum();
        assert!((energy - 1.0).abs() < 1e-4, "{energy}");
    }

    #[test]
    fn the_sawtooth_has_no_dc_and_stays_in_range() {
        let (mut phase, increment) = (0.0, 441.3 / 48_000.0);
        let mut sum = 0.0;
        for _ in 0..48_000 {
            let value = saw(phase, increment);
            assert!(value.abs() <= 1.01);
            sum += value;
            advance(&mut phase, increment);
        }
        assert!((sum / 48_000.0).abs() < 1e-2, "{sum}");
    }
}
