//! Mel-frequency cepstral coefficients and their slopes.

use std::f64::consts::PI;
use std::sync::LazyLock;

use melos::mel::{BANDS, MelFrame, dot};

/// Number of coefficients.
pub const COUNT: usize = 13;

/// The coefficients of one frame, starting with the 0th.
pub type Coefficients = [f32; COUNT];

/// Number of frames on either side of a frame from which its slope is computed.
const HALF_WINDOW: usize = 4;

/// The orthonormal type-II cosine transform, one row per coefficient.
static COSINES: LazyLock<Vec<MelFrame>> = LazyLock::new(|| {
    let bands = BANDS as f64;
    let row = |order: usize| {
        let scale = if order == 0 { (1.0 / bands).sqrt() } else { (2.0 / bands).sqrt() };
        std::array::from_fn(|band| (scale * (PI * order as f64 * (band as f64 + 0.5) / bands).cos()) as f32)
    };
    (0..COUNT).map(row).collect()
});

/// Computes the coefficients of a mel frame: the cosine transform of its values, which are natural logarithms.
#[must_use]
pub fn mfcc(mel: &MelFrame) -> Coefficients {
    let mut coefficients = [0.0; COUNT];
    for (coefficient, row) in coefficients.iter_mut().zip(COSINES.iter()) {
        *coefficient = dot(row, mel);
    }
    coefficients
}

/// Computes the slope of a line fitted to the nine frames around each frame. The first four and the last four frames
/// get the slope of the nearest frame that has one; with fewer than nine frames, all slopes are 0.
#[must_use]
pub fn deltas(coefficients: &[Coefficients]) -> Vec<Coefficients> {
    let mut slopes = vec![[0.0; COUNT]; coefficients.len()];
    if coefficients.len() <= 2 * HALF_WINDOW {
        return slopes;
    }
    let sum_of_squares: f32 = (1..=HALF_WINDOW).map(|distance| 2.0 * (distance * distance) as f32).sum();
    for centre in HALF_WINDOW..coefficients.len() - HALF_WINDOW {
        for distance in 1..=HALF_WINDOW {
            let (before, after) = (&coefficients[centre - distance], &coefficients[centre + distance]);
            for ((slope, before), after) in slopes[centre].iter_mut().zip(before).zip(after) {
                *slope += distance as f32 * (after - before) / sum_of_squares;
            }
        }
    }
    let end = slopes.len() - HALF_WINDOW;
    let (first, last) = (slopes[HALF_WINDOW], slopes[end - 1]);
    slopes[..HALF_WINDOW].fill(first);
    slopes[end..].fill(last);
    slopes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_frame_has_only_the_lowest_coefficient() {
        let coefficients = mfcc(&[2.0; BANDS]);
        assert!((coefficients[0] - 2.0 * (BANDS as f32).sqrt()).abs() < 1e-4);
        assert!(coefficients[1..].iter().all(|x| x.abs() < 1e-4));
    }

    #[test]
    fn a_ramp_has_a_constant_slope() {
        let ramp: Vec<Coefficients> = (0..20).map(|i| [0.5 * i as f32; COUNT]).collect();
        assert!(deltas(&ramp).iter().flatten().all(|slope| (slope - 0.5).abs() < 1e-5));
        assert!(deltas(&ramp[..5]).iter().flatten().all(|slope| *slope == 0.0));
    }
}
