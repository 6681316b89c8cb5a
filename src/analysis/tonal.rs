//! Pitch classes and keys.

use crate::theory::{Key, Mode};

/// Strength of the twelve pitch classes, C first.
pub type Chroma = [f32; 12];

/// How often each degree occurs in pieces in a major key, tonic first (Albrecht and Shanahan, Music Perception 31, 2013).
const MAJOR: Chroma = [0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081];
/// The same in a minor key.
const MINOR: Chroma = [0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052];

/// The key that fits a chroma best, and how well major and minor fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KeyEstimate {
    /// The best of the 24 keys.
    pub key: Key,
    /// Correlation with the best major key, −1..=1.
    pub major: f32,
    /// Correlation with the best minor key, −1..=1.
    pub minor: f32,
}

impl KeyEstimate {
    /// Correlates a chroma with the profiles of all 24 keys (Krumhansl and Schmuckler's method).
    #[must_use]
    pub fn of(chroma: &Chroma) -> Self {
        let best = |profile: &Chroma| {
            let fits = (0..12u8).map(|tonic| (tonic, correlation(chroma, profile, usize::from(tonic))));
            fits.fold((0, f32::NEG_INFINITY), |best, fit| if fit.1 > best.1 { fit } else { best })
        };
        let ((major_tonic, major), (minor_tonic, minor)) = (best(&MAJOR), best(&MINOR));
        let key = if major >= minor {
            Key { tonic: major_tonic, mode: Mode::Major }
        } else {
            Key { tonic: minor_tonic, mode: Mode::Minor }
        };
        Self { key, major, minor }
    }
}

/// Pearson's correlation of a chroma with a profile on a tonic; 0 for a flat chroma.
fn correlation(chroma: &Chroma, profile: &Chroma, tonic: usize) -> f32 {
    let mean = |x: &Chroma| x.iter().sum::<f32>() / 12.0;
    let (mean_chroma, mean_profile) = (mean(chroma), mean(profile));
    let (mut product, mut power, mut profile_power) = (0.0, 0.0, 0.0);
    for degree in 0..12 {
        let a = chroma[(tonic + degree) % 12] - mean_chroma;
        let b = profile[degree] - mean_profile;
        product += a * b;
        power += a * a;
        profile_power += b * b;
    }
    if power > 0.0 { product / (power * profile_power).sqrt() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_recognised() {
        for tonic in 0..12u8 {
            for (mode, triad) in [(Mode::Major, [0, 4, 7]), (Mode::Minor, [0, 3, 7])] {
                let mut chroma = [0.0; 12];
                for degree in mode.degrees() {
                    chroma[usize::from((tonic + degree) % 12)] += 1.0;
                }
                for degree in triad {
                    chroma[usize::from((tonic + degree) % 12)] += 2.0;
                }
                assert_eq!(KeyEstimate::of(&chroma).key, Key { tonic, mode });
            }
        }
    }
}
