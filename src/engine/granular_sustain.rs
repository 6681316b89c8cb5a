//! Granular synthesis that sustains the latest sound indefinitely.

use std::f32::consts::PI;

use serde::{Deserialize, Serialize};

use super::QUANTUM;
use super::ramp::Span;

/// Length of the buffer in frames. Grains are taken from the newer half, so that recording can continue while the sustain
/// fades.
const BUFFER: usize = 32_768;
/// Number of frames from which grains are taken: the last 340 ms.
const SOURCE: usize = BUFFER / 2;
/// Length of a grain in frames: 170 ms.
const GRAIN: usize = 8192;
/// Number of simultaneous grains.
const OVERLAP: usize = 4;
/// Gain that preserves the level of uncorrelated grains: the squares of four overlapping Hann windows sum to 1.5.
const LEVEL: f32 = 0.816_496_6;

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Grain {
    start: usize,
    age: usize,
}

/// Records a signal of `C` channels and sustains its latest sound on request.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct GranularSustain<const C: usize> {
    #[serde(with = "frames")]
    buffer: Box<[[f32; C]]>,
    #[serde(skip, default = "window")]
    window: Box<[f32]>,
    write: usize,
    grains: [Grain; OVERLAP],
    rng: u32,
    /// Whether the recording has a gap before the next quantum.
    discontinuity: bool,
}

impl<const C: usize> GranularSustain<C> {
    #[expect(clippy::disallowed_macros, reason = "never called on the audio thread")]
    pub(super) fn new() -> Self {
        let buffer = vec![[0.0; C]; BUFFER].into_boxed_slice();
        Self { buffer, window: window(), write: 0, grains: [Grain::default(); OVERLAP], rng: 1, discontinuity: true }
    }

    /// Records a quantum.
    pub(super) fn record(&mut self, frames: impl Iterator<Item = [f32; C]>) {
        let from = if std::mem::take(&mut self.discontinuity) { 0.0 } else { 1.0 };
        for (frame, gain) in frames.zip(Span { from, to: 1.0 }.iter()) {
            self.buffer[self.write] = frame.map(|sample| gain * sample);
            self.write = (self.write + 1) % BUFFER;
        }
    }

    /// Starts sustaining the latest recorded sound. The sustain starts at full level, so the caller must fade it in.
    pub(super) fn capture(&mut self) {
        // Fade out the end, so that grains that span the boundary to the next recording do not click.
        if !std::mem::replace(&mut self.discontinuity, true) {
            for (n, gain) in (Span { from: 1.0, to: 0.0 }).iter().enumerate() {
                let frame = &mut self.buffer[(self.write + BUFFER - QUANTUM + n) % BUFFER];
                *frame = frame.map(|sample| gain * sample);
            }
        }
        for n in 0..OVERLAP {
            self.grains[n] = Grain { start: self.random_start(), age: n * GRAIN / OVERLAP };
        }
    }

    /// Returns the next frame of the sustained sound.
    pub(super) fn next(&mut self) -> [f32; C] {
        let mut sum = [0.0; C];
        for n in 0..OVERLAP {
            if self.grains[n].age == GRAIN {
                self.grains[n] = Grain { start: self.random_start(), age: 0 };
            }
            let grain = &mut self.grains[n];
            let weight = self.window[grain.age];
            let frame = self.buffer[(grain.start + grain.age) % BUFFER];
            for (total, sample) in sum.iter_mut().zip(frame) {
                *total += weight * sample;
            }
            grain.age += 1;
        }
        sum
    }

    pub(super) fn clear(&mut self) {
        self.buffer.fill([0.0; C]);
    }

    /// Returns a pseudorandom grain start within the source region, using xorshift (Marsaglia 2003).
    fn random_start(&mut self) -> usize {
        self.rng ^= self.rng << 13;
        self.rng ^= self.rng >> 17;
        self.rng ^= self.rng << 5;
        let distance = GRAIN + self.rng as usize % (SOURCE - GRAIN);
        (self.write + BUFFER - distance) % BUFFER
    }
}

/// Returns the window of a grain.
#[expect(clippy::disallowed_macros, reason = "never called on the audio thread")]
fn window() -> Box<[f32]> {
    let mut window = vec![0.0; GRAIN].into_boxed_slice();
    for (n, value) in window.iter_mut().enumerate() {
        *value = LEVEL * (0.5 - 0.5 * (2.0 * PI * n as f32 / GRAIN as f32).cos());
    }
    window
}

/// Serializes the buffer for a checkpoint.
mod frames {
    use serde::{Deserializer, Serializer};

    use crate::bytes;

    pub(super) fn serialize<const C: usize, S: Serializer>(
        frames: &[[f32; C]],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        bytes::serialize(&frames.as_flattened(), serializer)
    }

    pub(super) fn deserialize<'de, const C: usize, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Box<[[f32; C]]>, D::Error> {
        let samples: Vec<f32> = bytes::deserialize(deserializer)?;
        Ok(samples.as_chunks().0.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sustained_noise_keeps_its_level() {
        let mut sustain = GranularSustain::<1>::new();
        let mut seed = 1u32;
        let mut noise = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            [seed as f32 / u32::MAX as f32 - 0.5]
        };
        for _ in 0..BUFFER / QUANTUM {
            sustain.record(std::iter::repeat_with(&mut noise));
        }
        sustain.capture();
        let power: f32 = (0..96_000).map(|_| sustain.next()[0].powi(2)).sum::<f32>() / 96_000.0;
        let level = (power * 12.0).sqrt();
        assert!((0.85..1.15).contains(&level), "{level}");
    }

    #[test]
    fn grains_stay_within_the_source_region() {
        let mut sustain = GranularSustain::<1>::new();
        for n in 0..BUFFER / QUANTUM {
            let value = if n * QUANTUM < SOURCE { 1.0 } else { 0.0 };
            sustain.record(std::iter::repeat([value]));
        }
        sustain.capture();
        assert!((0..96_000).all(|_| sustain.next() == [0.0]));
    }
}
