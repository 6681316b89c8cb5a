//! Look-ahead limiter: lowers the gain before a peak arrives, so that no sample exceeds the ceiling.

use serde::{Deserialize, Serialize};
use serde_big_array::BigArray;

use super::QUANTUM;
use crate::bytes;
use crate::units::SAMPLE_RATE;

/// −1 dBFS.
pub(super) const CEILING: f32 = 0.891_250_9;
/// Look-ahead, and therefore delay, in frames: 1.3 ms.
const LOOK_AHEAD: usize = QUANTUM;
/// Time constant of the release, in frames: 90 ms.
const RELEASE: f32 = 0.09 * SAMPLE_RATE as f32;

/// Gain reductions up to this one, 0.01 dB, are inaudible and not reported.
const INAUDIBLE_GAIN: f32 = 0.998_85;

/// Stereo look-ahead limiter. Both channels share one gain, so the stereo image does not shift.
///
/// The required gain is replaced by its minimum over the look-ahead and then averaged over the same time. When a peak
/// leaves the delay, every minimum in the average includes it, so the average is low enough.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Limiter {
    #[serde(with = "BigArray")]
    sound: [[f32; 2]; LOOK_AHEAD],
    /// Candidates for the minimum and their frames; the gains increase from the oldest to the newest.
    #[serde(with = "BigArray")]
    minima: [(u64, f32); LOOK_AHEAD + 1],
    first: usize,
    count: usize,
    #[serde(with = "bytes")]
    average: [f32; LOOK_AHEAD],
    /// Sum of `average`, which stays exact in 64 bits.
    sum: f64,
    released: f32,
    /// Lowest gain since it was last read.
    lowest: f32,
    frame: u64,
}

impl Limiter {
    pub(super) fn new() -> Self {
        Self {
            sound: [[0.0; 2]; LOOK_AHEAD],
            minima: [(0, 1.0); LOOK_AHEAD + 1],
            first: 0,
            count: 0,
            average: [1.0; LOOK_AHEAD],
            sum: LOOK_AHEAD as f64,
            released: 1.0,
            lowest: 1.0,
            frame: 0,
        }
    }

    /// Clears the delayed audio.
    pub(super) fn clear(&mut self) {
        self.sound = [[0.0; 2]; LOOK_AHEAD];
    }

    /// Returns the frame from [`LOOK_AHEAD`] frames ago, limited to [`CEILING`].
    pub(super) fn next(&mut self, input: [f32; 2]) -> [f32; 2] {
        let peak = input[0].abs().max(input[1].abs());
        let wanted = if peak > CEILING { CEILING / peak } else { 1.0 };
        let held = self.sliding_minimum(wanted);
        // Instant attack (smoothed by the average), slow release.
        self.released = held.min(self.released + (1.0 - self.released) / RELEASE);
        let at = (self.frame % LOOK_AHEAD as u64) as usize;
        self.sum += f64::from(self.released) - f64::from(self.average[at]);
        self.average[at] = self.released;
        let gain = (self.sum / LOOK_AHEAD as f64) as f32;
        self.lowest = self.lowest.min(gain);
        let delayed = std::mem::replace(&mut self.sound[at], input);
        self.frame += 1;
        delayed.map(|sample| (sample * gain).clamp(-CEILING, CEILING))
    }

    /// Returns and resets the lowest gain; 1 if nothing was limited.
    pub(super) fn take_lowest(&mut self) -> f32 {
        // The release approaches 1 but never quite reaches it.
        let lowest = std::mem::replace(&mut self.lowest, 1.0);
        if lowest > INAUDIBLE_GAIN { 1.0 } else { lowest }
    }

    /// Returns the minimum of the last `LOOK_AHEAD + 1` required gains.
    fn sliding_minimum(&mut self, wanted: f32) -> f32 {
        let size = LOOK_AHEAD + 1;
        if self.count > 0 && self.minima[self.first].0 + (LOOK_AHEAD as u64) < self.frame {
            self.first = (self.first + 1) % size;
            self.count -= 1;
        }
        while self.count > 0 && self.minima[(self.first + self.count - 1) % size].1 >= wanted {
            self.count -= 1;
        }
        self.minima[(self.first + self.count) % size] = (self.frame, wanted);
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
    fn loud_audio_is_reduced_before_it_clips() {
        let mut limiter = Limiter::new();
        let mut input = noise(1000, 0.5);
        input.extend(noise(48_000, 6.0));
        let mut delayed = vec![0.0; LOOK_AHEAD];
        delayed.extend(&input);
        let mut gain = 1.0f32;
        for (input, before) in input.iter().zip(&delayed) {
            let [left, right] = limiter.next([*input, -input]);
            assert!(left.abs() <= CEILING && right == -left);
            if before.abs() > 0.1 {
                // The final clamp never acts: the gain changes only in small steps.
                let now = left / before;
                assert!((now - gain).abs() < 0.05, "{now} after {gain}");
                gain = now;
            }
        }
    }

    #[test]
    fn the_gain_recovers() {
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
