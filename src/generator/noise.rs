//! The network's sampling noise.

use std::f64::consts::TAU;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::generator::model::{LATENT_DIMS, Latent};
use crate::music::temperature::{COMMON_SEED, own_share};

/// Returns the initial noise for a latent at a temperature τ of 0 or more.
///
/// Up to τ = 1, it is normal with variance 1, as in training. [`own_share`] of the variance depends on the seed, and the
/// rest is common to all seeds. A low temperature therefore makes performances more alike without making them softer;
/// scaling the noise instead would make the network omit notes. Above 1, the variance is τ. The noise depends on nothing
/// else, so a new plan gets the same noise.
pub(super) fn noise(seed: u64, latent: u64, temperature: f32) -> Latent {
    let share = own_share(temperature);
    let (own, common) = ((share * temperature.max(1.0)).sqrt(), (1.0 - share).sqrt());
    let mut noise = normal(seed, latent);
    for (own_part, common_part) in noise.iter_mut().zip(normal(COMMON_SEED, latent)) {
        *own_part = own * *own_part + common * common_part;
    }
    noise
}

/// Returns independent normal numbers of variance 1 (Box and Muller 1958).
fn normal(seed: u64, latent: u64) -> Latent {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    dice.set_stream(latent);
    // In 0..1, excluding 0, whose logarithm is infinite.
    let mut unit = || ((dice.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    let mut noise = [0.0; LATENT_DIMS];
    for pair in noise.chunks_exact_mut(2) {
        let radius = (-2.0 * unit().ln()).sqrt();
        let (sin, cos) = (TAU * unit()).sin_cos();
        (pair[0], pair[1]) = ((radius * cos) as f32, (radius * sin) as f32);
    }
    noise
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(temperature: f32) -> (f64, f64) {
        let all: Vec<f64> = (0..2000).flat_map(|k| noise(3, k, temperature)).map(f64::from).collect();
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        (mean, all.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / all.len() as f64)
    }

    #[test]
    fn the_variance_is_never_below_that_of_training() {
        for temperature in [0.1f32, 0.5, 1.0, 2.0] {
            let (mean, variance) = moments(temperature);
            assert!(mean.abs() < 0.02, "{mean}");
            let expected = f64::from(temperature.max(1.0));
            assert!((variance / expected - 1.0).abs() < 0.03, "{variance} at {temperature}");
        }
    }

    #[test]
    fn temperature_sets_the_distance_between_seeds() {
        let distance = |temperature| {
            let pairs = (0..500).flat_map(|k| noise(1, k, temperature).into_iter().zip(noise(2, k, temperature)));
            pairs.map(|(a, b)| (a - b).powi(2)).sum::<f32>()
        };
        let distances = [0.3, 0.5, 0.7, 1.0, 1.3].map(distance);
        assert!(distances.windows(2).all(|pair| pair[1] > 1.2 * pair[0]), "{distances:?}");
        assert!(distances[4] > 100.0 * distances[0], "{distances:?}");
    }

    #[test]
    fn every_latent_and_seed_has_different_noise() {
        assert_eq!(noise(1, 5, 1.0), noise(1, 5, 1.0));
        assert_ne!(noise(1, 5, 1.0), noise(1, 6, 1.0));
        assert_ne!(noise(1, 5, 1.0), noise(2, 5, 1.0));
    }
}
