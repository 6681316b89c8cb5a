//! The crossfade from the old future to the new.

use std::f32::consts::PI;

use serde::{Deserialize, Serialize};

use super::hop_ring::{HopRing, Samples};
use crate::mel::HOP;

/// Length of the crossfade in hops: 32 ms, about one period of the lowest piano note and too short for a note to be heard
/// twice.
pub(super) const FADE_HOPS: u64 = 3;

/// Number of samples for which an old future that ends at the splice is continued: 3 ms, too short for low notes to drift.
const CONTINUATION: u64 = HOP as u64 / 4;

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
    /// Length in samples; shorter than [`FADE_HOPS`] if the old future ends earlier because the splice is late.
    samples: u64,
}

impl Crossfade {
    pub(super) fn new(first: u64) -> Self {
        Self { first, correlation: None, samples: FADE_HOPS * HOP as u64 }
    }

    /// Returns the hop after a fade of full length.
    pub(super) fn end(&self) -> u64 {
        self.first + FADE_HOPS
    }

    /// On the first call, measures how strongly `old` and `new` correlate and how long they overlap. The hops of `new` before
    /// [`Self::end`] must be available. If `old` ends just where the fade begins, it is continued for [`CONTINUATION`]
    /// samples; otherwise, the change from one to the other would click.
    pub(super) fn measure(&mut self, old: &mut HopRing, new: &HopRing) {
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
        self.correlation = Some((product / (old_power * new_power).sqrt()).clamp(0.0, 1.0) as f32);
        let hops = (self.first..self.end()).take_while(|index| old.get(*index).is_some()).count() as u64;
        self.samples = hops * HOP as u64;
        let last = self.first.checked_sub(1).and_then(|last| old.get(last));
        if let (0, Some(last)) = (hops, last) {
            let continuation = continuation(last);
            old.put(self.first, &continuation);
            (self.samples, self.correlation) = (CONTINUATION, Some(1.0));
        }
    }

    /// Mixes the hop at `index`. Returns the new hop unchanged if the old future has ended.
    pub(super) fn mix(&self, index: u64, old: Option<&Samples>, new: &Samples) -> Samples {
        let start = (index - self.first) * HOP as u64;
        let Some(old) = old.filter(|_| start < self.samples) else { return *new };
        let correlation = self.correlation.unwrap_or(1.0);
        std::array::from_fn(|i| {
            let position = (start + i as u64).min(self.samples);
            let a = 0.5 + 0.5 * (PI * position as f32 / self.samples as f32).cos();
            let b = 1.0 - a;
            (a * old[i] + b * new[i]) / (a * a + b * b + 2.0 * correlation * a * b).sqrt()
        })
    }
}

/// Returns a hop that continues another without a step or a bend: its reflection in its last sample.
fn continuation(hop: &Samples) -> Samples {
    let last = hop[HOP - 1];
    std::array::from_fn(|i| 2.0 * last - hop[(HOP - 2).saturating_sub(i)])
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

    fn crossfaded(mut old: HopRing, new: &HopRing) -> Vec<f32> {
        let mut fade = Crossfade::new(4);
        fade.measure(&mut old, new);
        (4..8).flat_map(|index| fade.mix(index, old.get(index), new.get(index).unwrap())).collect()
    }

    #[test]
    fn identical_signals_are_unchanged() {
        let sound = |i: usize| (i as f32 * 0.03).sin();
        let (old, new) = (ring(sound), ring(sound));
        for (i, sample) in crossfaded(old, &new).iter().enumerate() {
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
        let sound = crossfaded(old, &new);
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
            let steps: Vec<f32> = crossfaded(old, &new).windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect();
            let largest = steps.iter().fold(0.0f32, |largest, step| largest.max(*step));
            assert!(largest < 0.01, "step of {largest} when the old future ends with hop {last}");
        }
    }

    #[test]
    fn an_old_future_that_ends_at_the_splice_is_continued() {
        let sound = |i: usize| 0.2 * (i as f32 * 0.02).sin();
        let (mut old, new) = (HopRing::new(), ring(|i| sound(i + 60)));
        (0..4).for_each(|index| old.put(index, &std::array::from_fn(|i| sound(index as usize * HOP + i))));
        let before = *old.get(3).unwrap();
        let joined: Vec<f32> = before.into_iter().chain(crossfaded(old, &new)).collect();
        let bends = joined.windows(3).map(|x| (x[0] - 2.0 * x[1] + x[2]).abs());
        let largest = bends.fold(0.0f32, f32::max);
        assert!(largest < 5e-4, "bend of {largest}; a cut would be one of 0.2");
        assert_eq!(joined[HOP + CONTINUATION as usize..2 * HOP], new.get(4).unwrap()[CONTINUATION as usize..]);
    }

    #[test]
    fn the_fade_moves_smoothly_from_old_to_new() {
        let (old, new) = (ring(|_| 0.5), ring(|_| -0.25));
        let sound = crossfaded(old, &new);
        assert!((sound[0] - 0.5).abs() < 1e-4);
        assert!(sound.windows(2).all(|pair| (pair[0] - pair[1]).abs() < 0.01));
        assert_eq!(sound[FADE_HOPS as usize * HOP..], [-0.25; HOP]);
    }

    #[test]
    fn without_an_old_signal_the_new_one_starts_immediately() {
        let new = ring(|_| 0.3);
        assert_eq!(crossfaded(HopRing::new(), &new), [0.3; 4 * HOP]);
    }
}
