//! The composer's random numbers.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::music::plan::EarlierPhrase;

/// Makes the composer's random numbers independent of the pianist's noise under the same seed.
const SEED_SALT: u64 = 0x636f_6d70_6f73_6572;

/// Returns a source of uniform random numbers in 0..1 for one latent. Unless a phrase is being recalled, the numbers depend
/// only on the seed and the latent, so they are the same under a new plan.
///
/// During a recall, a share of the latents ([`EarlierPhrase::share`]) use the numbers of the earlier phrase instead.
pub(super) fn random_numbers(seed: u64, latent: u64, earlier: Option<EarlierPhrase>) -> impl FnMut() -> f64 {
    let mut own = stream(seed, latent);
    let threshold = uniform(&mut own);
    let recalled = earlier.filter(|earlier| threshold < f64::from(earlier.share));
    let source = recalled.and_then(|earlier| latent.checked_sub(earlier.latents));
    let mut rng = source.map_or(own, |source| {
        let mut rng = stream(seed, source);
        uniform(&mut rng);
        rng
    });
    move || uniform(&mut rng)
}

fn stream(seed: u64, latent: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ SEED_SALT);
    rng.set_stream(latent);
    rng
}

fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_number(seed: u64, latent: u64, share: f32) -> f64 {
        random_numbers(seed, latent, Some(EarlierPhrase { latents: 40, share }))()
    }

    #[test]
    fn numbers_depend_only_on_seed_and_latent() {
        let (mut numbers, mut repeated) = (random_numbers(1, 5, None), random_numbers(1, 5, None));
        let numbers: Vec<f64> = (0..100).map(|_| numbers()).collect();
        assert!(numbers.iter().all(|number| *number == repeated() && (0.0..1.0).contains(number)));
        assert!(
            random_numbers(1, 5, None)() != random_numbers(2, 5, None)()
                && random_numbers(1, 5, None)() != random_numbers(1, 6, None)()
        );
    }

    #[test]
    fn a_recalled_phrase_repeats_its_numbers() {
        assert_eq!(first_number(1, 50, 1.0), random_numbers(1, 10, None)());
        let recalled =
            (50..1050).filter(|latent| first_number(1, *latent, 0.6) == random_numbers(1, latent - 40, None)()).count();
        assert!((550..650).contains(&recalled), "{recalled} of 1000 latents were recalled");
    }
}
