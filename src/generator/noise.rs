//! The network's sampling noise.

use std::f64::consts::TAU;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::generator::model::{LATENT_DIMS, Latent};
use crate::music::plan::Earlier;
use crate::music::temperature::{COMMON_SEED, own_share};

/// Returns the initial noise for a latent at a temperature τ of 0 or more.
///
/// Up to τ = 1 it is normal with variance 1 as in training, and [`own_share`] is the share of the variance that is
/// the seed's own; the rest is common to all seeds. So a low temperature brings performances together without making
/// them fainter, which scaling the noise does: the network then leaves notes out. Above 1 the variance is τ. It depends
/// on nothing else, so a changed plan meets the same dice.
///
/// Where an earlier phrase returns, its noise takes its share of the variance.
pub(super) fn noise(seed: u64, latent: u64, temperature: f32, earlier: Option<Earlier>) -> Latent {
    let share = own_share(temperature);
    let (own, common) = ((share * temperature.max(1.0)).sqrt(), (1.0 - share).sqrt());
    mix(own, returning(seed, latent, earlier), common, &returning(COMMON_SEED, latent, earlier))
}

/// A seed's normal numbers of variance 1 at a latent, or those of an earlier one as far as it returns.
fn returning(seed: u64, latent: u64, earlier: Option<Earlier>) -> Latent {
    let new = normal(seed, latent);
    match earlier {
        None => new,
        Some(Earlier { latents, share }) => {
            mix((1.0 - share).max(0.0).sqrt(), new, share.sqrt(), &normal(seed, latent.saturating_sub(latents)))
        }
    }
}

fn mix(first: f32, mut one: Latent, second: f32, other: &Latent) -> Latent {
    for (one, other) in one.iter_mut().zip(other) {
        *one = first * *one + second * other;
    }
    one
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
        let all: Vec<f64> = (0..2000).flat_map(|k| noise(3, k, temperature, None)).map(f64::from).collect();
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
            let pairs =
                (0..500).flat_map(|k| noise(1, k, temperature, None).into_iter().zip(noise(2, k, temperature, None)));
            pairs.map(|(a, b)| (a - b).powi(2)).sum::<f32>()
        };
        let distances = [0.3, 0.5, 0.7, 1.0, 1.3].map(distance);
        assert!(distances.windows(2).all(|pair| pair[1] > 1.2 * pair[0]), "{distances:?}");
        assert!(distances[4] > 100.0 * distances[0], "{distances:?}");
    }

    #[test]
    fn each_latent_and_seed_has_its_own() {
        assert_eq!(noise(1, 5, 1.0, None), noise(1, 5, 1.0, None));
        assert_ne!(noise(1, 5, 1.0, None), noise(1, 6, 1.0, None));
        assert_ne!(noise(1, 5, 1.0, None), noise(2, 5, 1.0, None));
    }

    #[test]
    fn an_earlier_phrase_returns_with_its_share() {
        let earlier = |share| Some(Earlier { latents: 40, share });
        assert_eq!(noise(1, 50, 1.0, earlier(1.0)), noise(1, 10, 1.0, None));
        assert_eq!(noise(1, 50, 0.5, earlier(1.0)), noise(1, 10, 0.5, None));
        let likeness = |share| {
            let pairs = (50..250).flat_map(|latent| {
                let again = noise(1, latent, 1.0, earlier(share));
                again.into_iter().zip(noise(1, latent - 40, 1.0, None))
            });
            let products = pairs.map(|(again, before)| f64::from(again * before));
            products.sum::<f64>() / (200 * LATENT_DIMS) as f64
        };
        assert!((likeness(0.25) - 0.5).abs() < 0.05, "{}", likeness(0.25));
    }
}
