//! The effect of temperature: how much of the randomness depends on the seed, and how much guidance is applied.

/// Seed of the randomness that all performances share.
pub const COMMON_SEED: u64 = 0x6d65_6c6f_7300_0000;

/// Returns the share of the randomness, 0..=1, that depends on the seed at a temperature; the rest uses
/// [`COMMON_SEED`].
///
/// This is the twelfth power of the temperature, at most 1: performances with different seeds differ little at low
/// temperatures, and completely at 1.
#[must_use]
pub fn own_share(temperature: f32) -> f32 {
    temperature.clamp(0.0, 1.0).powi(12)
}

/// Returns the guidance to apply at a temperature, given the requested guidance.
///
/// Up to a temperature of 1, the guidance is unchanged. At higher temperatures, the part of the guidance above 1 (which
/// means none) is divided by the cube of the temperature, so that the requested chord constrains the notes less.
#[must_use]
pub fn effective_guidance(guidance: f32, temperature: f32) -> f32 {
    guidance.min(1.0) + (guidance - 1.0).max(0.0) / temperature.max(1.0).powi(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_high_temperature_weakens_the_guidance() {
        for (guidance, temperature, effective) in [(2.5, 0.3, 2.5), (2.5, 1.0, 2.5), (0.5, 2.0, 0.5), (3.0, 2.0, 1.25)]
        {
            assert_eq!(effective_guidance(guidance, temperature), effective);
        }
    }

    #[test]
    fn the_own_share_rises_with_the_temperature_up_to_one() {
        let shares = [-1.0, 0.0, 0.3, 0.7, 1.0, 2.0].map(own_share);
        assert!(shares.is_sorted());
        assert_eq!((shares[1], shares[4], shares[5]), (0.0, 1.0, 1.0));
    }
}
