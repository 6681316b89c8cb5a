//! Samples classes from logits.

use crate::generator::notes::KEYS;
use crate::music::temperature::effective_guidance;

/// Logit of an excluded class.
pub(super) const EXCLUDED: f64 = -1e9;
/// Cumulative probability for top-p sampling of keys.
const TOP_P: f64 = 0.95;
/// Sampling temperature of keys and timing when the parameter `temperature` is 1.
const BASE_TEMPERATURE: f64 = 0.9;
/// Exponent applied to the parameter `temperature` to obtain the timing temperature, and the maximum timing temperature. Both
/// keep onsets on the beat.
const TIMING: (f64, f64) = (0.15, 0.95);
/// Share of the guidance above 1 that applies to keys; a larger share makes them repetitive.
const GUIDANCE_SHARE: f64 = 0.2;

/// Value of [`Sampling::sparseness`]. A plan's density, loudness and register vary less than those of real performances;
/// without this bias, the network would play larger chords than pianists do.
const SPARSENESS: f64 = 0.8;

/// Sampling settings for notes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sampling {
    /// Temperature of keys.
    pub keys: f64,
    /// Temperature of offsets and of the end of a latent.
    pub timing: f64,
    /// Temperature of voices, velocities, durations and the pedal. Below 1, melodies fade out and the touch becomes too even.
    pub expression: f64,
    /// Guidance scale for keys; 1 means none.
    pub guidance: f64,
    /// Bias of the end-of-latent logit once the latent contains a note, in nats. The servo maintains the density, so a higher
    /// bias results in more but smaller chords.
    pub sparseness: f64,
}

impl Sampling {
    /// Returns the settings for a temperature and guidance. The temperature affects keys fully and timing only slightly.
    pub(super) fn new(temperature: f32, guidance: f32) -> Self {
        let effective = f64::from(effective_guidance(guidance, temperature));
        let temperature = f64::from(temperature);
        Self {
            keys: BASE_TEMPERATURE * temperature,
            timing: (BASE_TEMPERATURE * temperature.powf(TIMING.0)).min(TIMING.1),
            expression: 1.0,
            guidance: if effective > 1.0 { 1.0 + GUIDANCE_SHARE * (effective - 1.0) } else { effective },
            sparseness: SPARSENESS,
        }
    }

    /// Returns the key logits at the guidance scale: the reference logits at 0, the conditional ones at 1, extrapolated beyond.
    pub(super) fn guided(self, conditional: &[f32], reference: &[f32]) -> [f64; KEYS] {
        std::array::from_fn(|key| {
            let (conditional, reference) = (f64::from(conditional[key]), f64::from(reference[key]));
            if self.guidance == 1.0 { conditional } else { reference + self.guidance * (conditional - reference) }
        })
    }
}

/// Samples a class, given a uniform random number in 0..1.
pub(super) fn sample(logits: &[f64], temperature: f64, random: f64) -> usize {
    pick(&probabilities(logits, temperature), random)
}

/// Samples from only as many of the most likely classes as are needed for a total probability of [`TOP_P`].
pub(super) fn sample_top_p(logits: &[f64], temperature: f64, random: f64) -> usize {
    let mut probabilities = probabilities(logits, temperature);
    let mut ranking: Vec<usize> = (0..probabilities.len()).collect();
    ranking.sort_by(|a, b| probabilities[*b].total_cmp(&probabilities[*a]));
    let mut sum = 0.0;
    for class in ranking {
        let before = sum;
        sum += probabilities[class];
        if before >= TOP_P {
            probabilities[class] = 0.0;
        }
    }
    pick(&probabilities, random)
}

/// Returns the softmax of the logits at a temperature.
fn probabilities(logits: &[f64], temperature: f64) -> Vec<f64> {
    let temperature = temperature.max(1e-3);
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut probabilities: Vec<f64> = logits.iter().map(|logit| ((logit - largest) / temperature).exp()).collect();
    let sum: f64 = probabilities.iter().sum();
    probabilities.iter_mut().for_each(|probability| *probability /= sum);
    probabilities
}

/// Returns the class at which the cumulative probability exceeds the share `random` of the total, which need not be 1.
fn pick(probabilities: &[f64], random: f64) -> usize {
    let total: f64 = probabilities.iter().sum();
    let mut sum = 0.0;
    for (class, probability) in probabilities.iter().enumerate() {
        sum += probability;
        if sum > random * total {
            return class;
        }
    }
    probabilities.len() - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_follow_the_probabilities() {
        let logits = [0.0, 1.0f64.ln(), 2.0f64.ln(), EXCLUDED];
        let counts = (0..1000).fold([0i32; 4], |mut counts, step| {
            counts[sample(&logits, 1.0, f64::from(step) / 1000.0)] += 1;
            counts
        });
        assert!(
            counts[3] == 0 && counts[..3].iter().zip([250, 250, 500]).all(|(count, share)| (share - count).abs() < 2)
        );
        assert!(
            (1..100).all(|step| sample(&logits, 0.05, f64::from(step) / 100.0) == 2),
            "only the likeliest class should be drawn"
        );
    }

    #[test]
    fn top_p_excludes_the_least_likely_classes() {
        let logits = [10.0, 10.0, 4.0];
        assert_eq!(sample(&logits, 1.0, 0.999), 2);
        assert_eq!(sample_top_p(&logits, 1.0, 0.999), 1);
    }

    #[test]
    fn temperature_affects_keys_more_than_timing() {
        let (low, high) = (Sampling::new(0.5, 2.5), Sampling::new(2.0, 2.5));
        assert!(high.keys / low.keys > 3.9 && high.timing / low.timing < 1.2);
        assert!((low.guidance - 1.3).abs() < 1e-6 && high.guidance < low.guidance);
        assert_eq!(Sampling::new(1.0, 0.0).guidance, 0.0);
    }
}
