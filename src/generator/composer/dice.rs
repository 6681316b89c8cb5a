//! The composer's random numbers.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::music::plan::Earlier;

/// Separates the composer's random numbers from the pianist's noise under the same seed.
const COMPOSER: u64 = 0x636f_6d70_6f73_6572;

/// Uniform random numbers from 0 to 1 for one latent. They depend only on the seed and the latent, so a changed plan gets
/// the same ones.
///
/// When an earlier phrase is recalled, a fraction of the latents, [`Earlier::share`], gets the numbers of that phrase.
pub(super) fn dice(seed: u64, latent: u64, earlier: Option<Earlier>) -> impl FnMut() -> f64 {
    let mut own = stream(seed, latent);
    let again = unit(&mut own);
    let recalled = earlier.filter(|earlier| again < f64::from(earlier.share));
    let source = recalled.and_then(|earlier| latent.checked_sub(earlier.latents));
    let mut rng = source.map_or(own, |source| {
        let mut rng = stream(seed, source);
        unit(&mut rng);
        rng
    });
    move || unit(&mut rng)
}

fn stream(seed: u64, latent: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ COMPOSER);
    rng.set_stream(latent);
    rng
}

fn unit(rng: &mut ChaCha8Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(seed: u64, latent: u64, share: f32) -> f64 {
        dice(seed, latent, Some(Earlier { latents: 40, share }))()
    }

    #[test]
    fn each_latent_and_seed_has_its_own() {
        let (mut one, mut again) = (dice(1, 5, None), dice(1, 5, None));
        let numbers: Vec<f64> = (0..100).map(|_| one()).collect();
        assert!(numbers.iter().all(|number| *number == again() && (0.0..1.0).contains(number)));
        assert!(dice(1, 5, None)() != dice(2, 5, None)() && dice(1, 5, None)() != dice(1, 6, None)());
    }

    #[test]
    fn a_returning_phrase_gets_the_same_numbers() {
        assert_eq!(first(1, 50, 1.0), dice(1, 10, None)());
        let recalled = (50..1050).filter(|latent| first(1, *latent, 0.6) == dice(1, latent - 40, None)()).count();
        assert!((550..650).contains(&recalled), "{recalled}");
    }
}
