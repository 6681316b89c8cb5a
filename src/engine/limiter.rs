//! A look-ahead limiter: lowers the gain before a peak arrives, so that no sample exceeds the ceiling.

use serde::{Deserialize, Serialize};
use serde_big_array::BigArray;

use super::QUANTUM;
use crate::bytes;
use crate::units::SAMPLE_RATE;

/// Maximum absolute sample value: −1 dBFS.
pub(super) const CEILING: f32 = 0.891_250_9;
/// Look-ahead, which is also the delay, in frames: 1.3 ms.
const LOOK_AHEAD: usize = QUANTUM;
/// Time constant of the release, in frames: 90 ms.
const RELEASE: f32 = 0.09 * SAMPLE_RATE as f32;

/// Gain above which the reduction, less than 0.01 dB, is inaudible and not reported.
const INAUDIBLE_GAIN: f32 = 0.998_85;

/// A stereo look-ahead limiter. Both channels share one gain, so that the stereo image does not shift.
///
/// The gain is a moving average of the sliding minimum of the required gain, both over the look-ahead. When a peak leaves the
/// delay line, every minimum in the average includes it, so the average is low enough.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Limiter {
    #[serde(with = "BigArray")]
    delay_line: [[f32; 2]; LOOK_AHEAD],
    /// Frames and gains of the candidates for the minimum, oldest first, with increasing gains.
    #[serde(with = "BigArray")]
    minima: [(u64, f32); LOOK_AHEAD + 1],
    first: usize,
    count: usize,
    #[serde(with = "bytes")]
    average: [f32; LOOK_AHEAD],
    /// Sum of `average`; `f64`, so that rounding errors do not accumulate.
    sum: f64,
    smoothed: f32,
    /// Lowest gain since the last [`Limiter::take_lowest`].
    lowest: f32,
    frame: u64,
}

impl Limiter {
    pub(super) fn new() -> Self {
        Self {
            delay_line: [[0.0; 2]; LOOK_AHEAD],
            minima: [(0, 1.0); LOOK_AHEAD + 1],
            first: 0,
            count: 0,
            average: [1.0; LOOK_AHEAD],
            sum: LOOK_AHEAD as f64,
            smoothed: 1.0,
            lowest: 1.0,
            frame: 0,
        }
    }

    /// Clears the delayed audio.
    pub(super) fn clear(&mut self) {
        self.delay_line = [[0.0; 2]; LOOK_AHEAD];
    }

    /// Processes a frame and returns the frame from [`LOOK_AHEAD`] frames ago, limited to [`CEILING`].
    pub(super) fn next(&mut self, input: [f32; 2]) -> [f32; 2] {
        let peak = input[0].abs().max(input[1].abs());
        let required = if peak > CEILING { CEILING / peak } else { 1.0 };
        let minimum = self.sliding_minimum(required);
        // Instant attack, smoothed by the average, and slow release.
        self.smoothed = minimum.min(self.smoothed + (1.0 - self.smoothed) / RELEASE);
        let index = (self.frame % LOOK_AHEAD as u64) as usize;
        self.sum += f64::from(self.smoothed) - f64::from(self.average[index]);
        self.average[index] = self.smoothed;
        let gain = (self.sum / LOOK_AHEAD as f64) as f32;
        self.lowest = self.lowest.min(gain);
        let delayed = std::mem::replace(&mut self.delay_line[index], input);
        self.frame += 1;
        delayed.map(|sample| (sample * gain).clamp(-CEILING, CEILING))
    }

    /// Returns the lowest gain since the last call; 1 without audible limiting.
    pub(super) fn take_lowest(&mut self) -> f32 {
        // During the release, the gain approaches 1 without reaching it.
        let lowest = std::mem::replace(&mut self.lowest, 1.0);
        if lowest > INAUDIBLE_GAIN { 1.0 } else { lowest }
    }

    /// Returns the minimum of the last `LOOK_AHEAD + 1` required gains.
    fn sliding_minimum(&mut self, required: f32) -> f32 {
        let size = LOOK_AHEAD + 1;
        if self.count > 0 && self.minima[self.first].0 + (LOOK_AHEAD as u64) < self.frame {
            self.first = (self.first + 1) % size;
            self.count -= 1;
        }
        while self.count > 0 && self.minima[(self.first + self.count - 1) % size].1 >= required {
            self.count -= 1;
        }
        self.minima[(self.first + self.count) % size] = (self.frame, required);
        self.count += 1;
        self.minima[self.first].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(count: usize, level: f32) -> Vec<f32> {
        let mut seed = 7u32;
        let mut next = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            level * (seed as f32 / u32::MAX as f32 * 2.0 - 1.0)
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn quiet_audio_is_only_delayed() {
        let mut limiter = Limiter::new();
        let input = noise(2000, 0.8);
        let output: Vec<f32> = input.iter().map(|&sample| limiter.next([sample, 0.0])[0]).collect();
        assert_eq!(output[LOOK_AHEAD..], input[..2000 - LOOK_AHEAD]);
    }

    #[test]
    fn loud_audio_is_reduced_smoothly() {
        let mut limiter = Limiter::new();
        let mut input = noise(1000, 0.5);
        input.extend(noise(48_000, 6.0));
        let mut delayed = vec![0.0; LOOK_AHEAD];
        delayed.extend(&input);
        let mut gain = 1.0f32;
        for (input, dry) in input.iter().zip(&delayed) {
            let [left, right] = limiter.next([*input, -input]);
            assert!(left.abs() <= CEILING && right == -left);
            if dry.abs() > 0.1 {
                // Small steps show that the gain, not the final clamp, does the limiting.
                let next = left / dry;
                assert!((next - gain).abs() < 0.05, "{next} after {gain}");
                gain = next;
            }
        }
    }

    #[test]
    fn the_gain_recovers_after_a_peak() {
        let mut limiter = Limiter::new();
        for _ in 0..1000 {
            limiter.next([4.0, 4.0]);
        }
        let mut last = [0.0; 2];
        for _ in 0..48_000 {
            last = limiter.next([0.5, 0.5]);
        }
        assert!((last[0] - 0.5).abs() < 1e-3, "{last:?}");
    }
}
