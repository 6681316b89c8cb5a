//! Keeps every sample under the ceiling without distortion: the gain is lowered before the peak arrives.

use super::QUANTUM;
use crate::units::SAMPLE_RATE;

/// −1 dBFS.
pub(super) const CEILING: f32 = 0.891_250_9;
/// Frames the sound is delayed so that the gain can be down in time: 1.3 ms.
const LOOK_AHEAD: usize = QUANTUM;
/// Time constant of the gain's way back up, in frames: 90 ms.
const RELEASE: f32 = 0.09 * SAMPLE_RATE as f32;

/// Gains above this turn nothing down that anyone hears: 0.01 dB.
const INAUDIBLE_GAIN: f32 = 0.998_85;

/// A stereo limiter that looks ahead; both channels share one gain, so the image stands still.
///
/// The wanted gain is held at its minimum over the look-ahead and then averaged over it: the average of minima that all
/// cover the peak is no larger than the peak allows.
#[derive(Debug)]
pub(super) struct Limiter {
    sound: [[f32; 2]; LOOK_AHEAD],
    /// Wanted gains that may still be the minimum, with the frame they were asked at: rising from the oldest on.
    minima: [(u64, f32); LOOK_AHEAD + 1],
    first: usize,
    count: usize,
    average: [f32; LOOK_AHEAD],
    /// Sum of `average`; the values are such that it stays exact in 64 bits.
    sum: f64,
    released: f32,
    /// The smallest gain since this was last asked.
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

    /// Forgets the sound on its way.
    pub(super) fn clear(&mut self) {
        self.sound = [[0.0; 2]; LOOK_AHEAD];
    }

    /// The frame that came [`LOOK_AHEAD`] frames ago, at most [`CEILING`] high.
    pub(super) fn next(&mut self, input: [f32; 2]) -> [f32; 2] {
        let peak = input[0].abs().max(input[1].abs());
        let wanted = if peak > CEILING { CEILING / peak } else { 1.0 };
        let held = self.sliding_minimum(wanted);
        // Down at once (the average makes it smooth), up slowly.
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

    /// The smallest gain since this was last asked; 1 where nothing had to be turned down.
    pub(super) fn take_lowest(&mut self) -> f32 {
        // The way back up comes as near to 1 as makes no difference, and stays there.
        let lowest = std::mem::replace(&mut self.lowest, 1.0);
        if lowest > INAUDIBLE_GAIN { 1.0 } else { lowest }
    }

    /// The smallest of the last `LOOK_AHEAD + 1` wanted gains.
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
    fn quiet_sound_is_only_delayed() {
        let mut limiter = Limiter::new();
        let input = noise(2000, 0.8);
        let output: Vec<f32> = input.iter().map(|&sample| limiter.next([sample, 0.0])[0]).collect();
        assert_eq!(output[LOOK_AHEAD..], input[..2000 - LOOK_AHEAD]);
    }

    #[test]
    fn loud_sound_is_turned_down_before_it_would_clip() {
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
                // The clamp is never what limits: the gain moves in small steps only.
                let now = left / before;
                assert!((now - gain).abs() < 0.05, "{now} after {gain}");
                gain = now;
            }
        }
    }

    #[test]
    fn the_gain_comes_back() {
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
