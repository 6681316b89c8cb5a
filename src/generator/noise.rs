//! The network's dice.

use std::f64::consts::TAU;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::model::{LATENT_DIMS, Latent};

/// The noise latent number `latent` starts from: independent normal numbers (Box and Muller 1958) whose variance is the
/// temperature, as in training. It depends on nothing else, so a changed plan meets the same dice.
pub(super) fn noise(seed: u64, latent: u64, temperature: f32) -> Latent {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    dice.set_stream(latent);
    // In 0..1 without 0, whose logarithm is infinite.
    let mut unit = || ((dice.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    let deviation = f64::from(temperature.max(0.0)).sqrt();
    let mut noise = [0.0; LATENT_DIMS];
    for pair in noise.chunks_exact_mut(2) {
        let radius = deviation * (-2.0 * unit().ln()).sqrt();
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
    fn temperature_is_the_variance() {
        for temperature in [0.1f32, 1.0, 2.0] {
            let (mean, variance) = moments(temperature);
            assert!(mean.abs() < 0.02, "{mean}");
            assert!((variance / f64::from(temperature) - 1.0).abs() < 0.03, "{variance} at {temperature}");
        }
    }

    #[test]
    fn each_latent_and_seed_has_its_own() {
        assert_eq!(noise(1, 5, 1.0), noise(1, 5, 1.0));
        assert_ne!(noise(1, 5, 1.0), noise(1, 6, 1.0));
        assert_ne!(noise(1, 5, 1.0), noise(2, 5, 1.0));
    }
}
