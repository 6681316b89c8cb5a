//! The crossfade from the old future to the new.

use std::f32::consts::PI;

use serde::{Deserialize, Serialize};

use super::hop_ring::{HopRing, Samples};
use crate::mel::HOP;

/// Length of the crossfade in hops: 32 ms, about one period of the lowest piano note and too short for a note to be heard
/// twice.
pub(super) const FADE_HOPS: u64 = 3;

/// A constant-power crossfade.
///
/// The futures share their past and noise, so they are partly correlated at the splice. Correlated signals need equal-gain
/// fades, uncorrelated ones equal-power fades. With gains `a = (1 + cos πt) / 2` and `1 − a`, where `t` rises from 0 to 1, and
/// the futures' correlation `r` over the fade, the sum is divided by `√(a² + (1 − a)² + 2 r a (1 − a))`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Crossfade {
    /// First hop of the fade.
    pub first: u64,
    /// Correlation of the futures, 0..=1, once both are available.
    correlation: Option<f32>,
    /// Length in hops; less than [`FADE_HOPS`] if the old future ends earlier because the splice is late.
    hops: u64,
}

impl Crossfade {
    pub(super) fn new(first: u64) -> Self {
        Self { first, correlation: None, hops: FADE_HOPS }
    }

    /// Returns the hop after a fade of full length.
    pub(super) fn end(&self) -> u64 {
        self.first + FADE_HOPS
    }

    /// On the first call, measures how strongly `old` and `new` correlate and how long they overlap. The hops of `new` before
    /// [`Self::end`] must be available.
    pub(super) fn measure(&mut self, old: &HopRing, new: &HopRing) {
        if self.correlation.is_some() {
            return;
        }
        let (mut product, mut old_power, mut new_power) = (0.0f64, 1e-12f64, 1e-12f64);
        for index in self.first..self.end() {
            let (Some(old), Some(new)) = (old.get(index), new.get(index)) else { continue };
            for (a, b) in old.iter().zip(new).map(|(a, b)| (f64::from(*a), f64::from(*b))) {
                product += a * b;
                old_power += a * a;
                new_power += b * b;
            }
        }
        self.hops = (self.first..self.end()).take_while(|index| old.get(*index).is_some()).count() as u64;
        self.correlation = Some((product / (old_power * new_power).sqrt()).clamp(0.0, 1.0) as f32);
    }

    /// Mixes the hop at `index`. Returns the new hop unchanged if the old future has ended.
    pub(super) fn mix(&self, index: u64, old: Option<&Samples>, new: &Samples) -> Samples {
        let Some(old) = old.filter(|_| index < self.first + self.hops) else { return *new };
        let correlation = self.correlation.unwrap_or(1.0);
        let (offset, length) = ((index - self.first) as usize * HOP, self.hops as usize * HOP);
        std::array::from_fn(|i| {
            let a = 0.5 + 0.5 * (PI * (offset + i) as f32 / length as f32).cos();
            let b = 1.0 - a;
            (a * old[i] + b * new[i]) / (a * a + b * b + 2.0 * correlation * a * b).sqrt()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(sound: impl Fn(usize) -> f32) -> HopRing {
        let mut ring = HopRing::new();
        for index in 0..16 {
            ring.put(index, &std::array::from_fn(|i| sound(index as usize * HOP + i)));
        }
        ring
    }

    fn crossfaded(old: &HopRing, new: &HopRing) -> Vec<f32> {
        let mut fade = Crossfade::new(4);
        fade.measure(old, new);
        (4..8).flat_map(|index| fade.mix(index, old.get(index), new.get(index).unwrap())).collect()
    }

    #[test]
    fn identical_signals_are_unchanged() {
        let sound = |i: usize| (i as f32 * 0.03).sin();
        let (old, new) = (ring(sound), ring(sound));
        for (i, sample) in crossfaded(&old, &new).iter().enumerate() {
            assert!((sample - sound(4 * HOP + i)).abs() < 1e-4, "sample {i}");
        }
    }

    #[test]
    fn uncorrelated_signals_keep_their_power() {
        let hash = |i: usize, salt: u64| {
            let x = (i as u64 + salt).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            ((x ^ (x >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 40) as f32 / (1 << 23) as f32 - 1.0
        };
        let (old, new) = (ring(|i| hash(i, 1)), ring(|i| hash(i, 77_777)));
        let sound = crossfaded(&old, &new);
        for chunk in sound.chunks(256) {
            let power = chunk.iter().map(|x| x * x).sum::<f32>() / 256.0;
            assert!((0.25..0.42).contains(&power), "the power is {power}, but should be about 0.33");
        }
    }

    #[test]
    fn the_fade_ends_with_the_old_future() {
        let new = ring(|_| -0.25);
        for last in 4..7 {
            let mut old = HopRing::new();
            (0..=last).for_each(|index| old.put(index, &[0.5; HOP]));
            let steps: Vec<f32> = crossfaded(&old, &new).windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect();
            let largest = steps.iter().fold(0.0f32, |largest, step| largest.max(*step));
            assert!(largest < 0.01, "step of {largest} when the old future ends with hop {last}");
        }
    }

    #[test]
    fn the_fade_moves_smoothly_from_old_to_new() {
        let (old, new) = (ring(|_| 0.5), ring(|_| -0.25));
        let sound = crossfaded(&old, &new);
        assert!((sound[0] - 0.5).abs() < 1e-4);
        assert!(sound.windows(2).all(|pair| (pair[0] - pair[1]).abs() < 0.01));
        assert_eq!(sound[FADE_HOPS as usize * HOP..], [-0.25; HOP]);
    }

    #[test]
    fn without_an_old_signal_the_new_one_starts_immediately() {
        let new = ring(|_| 0.3);
        assert_eq!(crossfaded(&HopRing::new(), &new), [0.3; 4 * HOP]);
    }
}
