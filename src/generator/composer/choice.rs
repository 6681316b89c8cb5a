//! Sampling from logits.

use crate::generator::notes::KEYS;
use crate::music::temperature::effective_guidance;

/// Logit of an excluded class.
pub(super) const HIDDEN: f64 = -1e9;
/// Top-p threshold for sampling keys.
const TOP_P: f64 = 0.95;
/// Sampling temperature of keys when the parameter `temperature` is 1.
const BASE_TEMPERATURE: f64 = 0.9;
/// Exponent that maps the temperature to the temperature of timing, and the maximum of the latter; both keep onsets on
/// the beat.
const TIMING: (f64, f64) = (0.15, 0.95);
/// Share of the guidance beyond 1 that applies to keys; a larger share makes them repetitive.
const GUIDANCE_SHARE: f64 = 0.2;

/// Sampling settings for notes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sampling {
    /// Temperature of keys.
    pub harmony: f64,
    /// Temperature of offsets and ends.
    pub time: f64,
    /// Temperature of voices, velocities, durations and the pedal; below 1, melodies fade out and the touch becomes even.
    pub touch: f64,
    /// Guidance scale for keys; 1 means none.
    pub guidance: f64,
}

impl Sampling {
    /// Returns the settings for a temperature and guidance. The temperature affects keys fully and timing only slightly.
    pub(super) fn of(temperature: f32, guidance: f32) -> Self {
        let effective = f64::from(effective_guidance(guidance, temperature));
        let temperature = f64::from(temperature);
        Self {
            harmony: BASE_TEMPERATURE * temperature,
            time: (BASE_TEMPERATURE * temperature.powf(TIMING.0)).min(TIMING.1),
            touch: 1.0,
            guidance: if effective > 1.0 { 1.0 + GUIDANCE_SHARE * (effective - 1.0) } else { effective },
        }
    }

    /// Extrapolates the conditional logits away from the reference logits.
    pub(super) fn guided(self, wanted: &[f32], reference: &[f32]) -> [f64; KEYS] {
        std::array::from_fn(|key| {
            let (wanted, reference) = (f64::from(wanted[key]), f64::from(reference[key]));
            if self.guidance == 1.0 { wanted } else { reference + self.guidance * (wanted - reference) }
        })
    }
}

/// Samples a class, given a uniform random number.
pub(super) fn choose(logits: &[f64], temperature: f64, dice: f64) -> usize {
    pick(&chances(logits, temperature), dice)
}

/// Samples among the likeliest classes, which together have [`TOP_P`] of the probability.
pub(super) fn choose_likely(logits: &[f64], temperature: f64, dice: f64) -> usize {
    let mut chances = chances(logits, temperature);
    let mut order: Vec<usize> = (0..chances.len()).collect();
    order.sort_by(|a, b| chances[*b].total_cmp(&chances[*a]));
    let mut sum = 0.0;
    for class in order {
        let before = sum;
        sum += chances[class];
        if before >= TOP_P {
            chances[class] = 0.0;
        }
    }
    pick(&chances, dice)
}

/// The classes' probabilities.
fn chances(logits: &[f64], temperature: f64) -> Vec<f64> {
    let temperature = temperature.max(1e-3);
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut chances: Vec<f64> = logits.iter().map(|logit| ((logit - largest) / temperature).exp()).collect();
    let sum: f64 = chances.iter().sum();
    chances.iter_mut().for_each(|chance| *chance /= sum);
    chances
}

fn pick(chances: &[f64], dice: f64) -> usize {
    let total: f64 = chances.iter().sum();
    let mut sum = 0.0;
    for (class, chance) in chances.iter().enumerate() {
        sum += chance;
        if sum > dice * total {
            return class;
        }
    }
    chances.len() - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_chosen_by_their_probability() {
        let logits = [0.0, 1.0f64.ln(), 2.0f64.ln(), HIDDEN];
        let counts = (0..1000).fold([0i32; 4], |mut counts, step| {
            counts[choose(&logits, 1.0, f64::from(step) / 1000.0)] += 1;
            counts
        });
        assert!(
            counts[3] == 0 && counts[..3].iter().zip([250, 250, 500]).all(|(count, share)| (share - count).abs() < 2)
        );
        assert!((1..100).all(|step| choose(&logits, 0.05, f64::from(step) / 100.0) == 2), "only the likeliest");
    }

    #[test]
    fn the_unlikeliest_are_left_out() {
        let logits = [10.0, 10.0, 4.0];
        assert_eq!(choose(&logits, 1.0, 0.999), 2);
        assert_eq!(choose_likely(&logits, 1.0, 0.999), 1);
    }

    #[test]
    fn temperature_moves_keys_more_than_time() {
        let (plain, wild) = (Sampling::of(0.5, 2.5), Sampling::of(2.0, 2.5));
        assert!(wild.harmony / plain.harmony > 3.9 && wild.time / plain.time < 1.2);
        assert!((plain.guidance - 1.3).abs() < 1e-6 && wild.guidance < plain.guidance);
        assert_eq!(Sampling::of(1.0, 0.0).guidance, 0.0);
    }
}
