//! The noise from which the pianist samples latents.

use std::f64::consts::TAU;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::generator::model::{LATENT_DIMS, Latent};

/// Returns independent standard normal variates for a latent (Box and Muller 1958). They depend only on the seed and the
/// latent, so the noise is the same under a new plan.
pub(super) fn normal(seed: u64, latent: u64) -> Latent {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(latent);
    // The result is never 0, whose logarithm is infinite.
    let mut uniform = || ((rng.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    let mut noise = [0.0; LATENT_DIMS];
    for pair in noise.chunks_exact_mut(2) {
        let radius = (-2.0 * uniform().ln()).sqrt();
        let (sin, cos) = (TAU * uniform()).sin_cos();
        (pair[0], pair[1]) = ((radius * cos) as f32, (radius * sin) as f32);
    }
    noise
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_standard_normal() {
        let all: Vec<f64> = (0..4000).flat_map(|latent| normal(3, latent)).map(f64::from).collect();
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        let variance = all.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / all.len() as f64;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean}, {variance}");
    }

    #[test]
    fn noise_differs_by_seed_and_latent() {
        assert_eq!(normal(1, 5), normal(1, 5));
        assert!(normal(1, 5) != normal(1, 6) && normal(1, 5) != normal(2, 5));
    }
}
