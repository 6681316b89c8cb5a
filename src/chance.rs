//! How much is left to a seed's own chance: the part of temperature that network and harmony share.

/// The seed of the chance that all performances have in common.
pub const COMMON_SEED: u64 = 0x6d65_6c6f_7300_0000;

/// Share of what is left to chance, 0..=1, that is the seed's own at a temperature; the rest is [`COMMON_SEED`]'s.
///
/// The sixth power of the temperature, up to 1, for the network leads small differences far apart: with the temperature
/// itself two seeds were as far apart at 0.3 as at 1, with its cube at 0.6 (`models/EVALUATION.md` has the curve).
#[must_use]
pub fn own_share(temperature: f32) -> f32 {
    temperature.clamp(0.0, 1.0).powi(6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_grows_with_the_temperature_up_to_one() {
        let shares = [-1.0, 0.0, 0.3, 0.7, 1.0, 2.0].map(own_share);
        assert!(shares.is_sorted());
        assert_eq!((shares[1], shares[4], shares[5]), (0.0, 1.0, 1.0));
    }
}
