//! Measures the shape of a spectrum, and the level and zero crossings of samples.

use std::sync::LazyLock;

use melos::mel::{BINS, N_FFT, dot};
use melos::units::SAMPLE_RATE;

/// Share of the magnitude below the rolloff frequency.
const ROLLOFF_SHARE: f32 = 0.85;
/// Lower limit on the power of a bin when flatness is computed.
const FLATNESS_FLOOR: f32 = 1e-10;
/// Samples closer to zero than this count as zero.
const ZERO_THRESHOLD: f32 = 1e-10;

static ONES: [f32; BINS] = [1.0; BINS];
static BIN_INDICES: LazyLock<[f32; BINS]> = LazyLock::new(|| std::array::from_fn(|bin| bin as f32));

/// The shape of a magnitude spectrum.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SpectralShape {
    /// Mean frequency in hertz, weighted by magnitude.
    pub centroid: f32,
    /// Frequency in hertz below which 85% of the magnitude lies.
    pub rolloff: f32,
    /// Ratio of the geometric to the arithmetic mean of the power: near 0 for a tone, 1 for a flat spectrum.
    pub flatness: f32,
}

impl SpectralShape {
    /// Measures a magnitude spectrum.
    #[must_use]
    pub fn of(magnitudes: &[f32; BINS]) -> Self {
        let total = dot(magnitudes, &ONES);
        let weighted = dot(magnitudes, &*BIN_INDICES);
        let mut below = 0.0;
        let rolloff = magnitudes.iter().position(|magnitude| {
            below += magnitude;
            below >= ROLLOFF_SHARE * total
        });
        Self {
            centroid: if total > f32::MIN_POSITIVE { hz(weighted / total) } else { 0.0 },
            rolloff: hz(rolloff.unwrap_or(BINS - 1) as f32),
            flatness: flatness(magnitudes),
        }
    }
}

fn hz(bin: f32) -> f32 {
    bin * SAMPLE_RATE as f32 / N_FFT as f32
}

/// Computes the flatness. The geometric mean takes one logarithm per product of eight powers, because a logarithm per
/// bin would cost more than the Fourier transform.
fn flatness(magnitudes: &[f32; BINS]) -> f32 {
    let power = |magnitude: &f32| f64::from((magnitude * magnitude).max(FLATNESS_FLOOR));
    let (mut sum, mut logarithms) = (0.0, 0.0);
    for bins in magnitudes.chunks(8) {
        let mut product = 1.0;
        for magnitude in bins {
            let power = power(magnitude);
            sum += power;
            product *= power;
        }
        logarithms += product.ln();
    }
    ((logarithms / BINS as f64).exp() / (sum / BINS as f64)) as f32
}

/// Returns the root mean square of the [`N_FFT`] samples around `centre`; samples outside the signal count as zero.
#[must_use]
pub fn rms(signal: &[f32], centre: usize) -> f32 {
    let window = &signal[centre.saturating_sub(N_FFT / 2).min(signal.len())..(centre + N_FFT / 2).min(signal.len())];
    (dot(window, window) / N_FFT as f32).sqrt()
}

/// Returns the number of zero crossings per sample in the [`N_FFT`] samples around `centre`; those outside the signal
/// contribute none.
#[must_use]
pub fn zero_crossing_rate(signal: &[f32], centre: usize) -> f32 {
    let window = &signal[centre.saturating_sub(N_FFT / 2).min(signal.len())..(centre + N_FFT / 2).min(signal.len())];
    let negative = |x: f32| x < -ZERO_THRESHOLD;
    let changes = window.windows(2).filter(|pair| negative(pair[0]) != negative(pair[1])).count();
    changes as f32 / N_FFT as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_bin_is_tonal_and_equal_bins_are_flat() {
        let mut line = [0.0; BINS];
        line[100] = 1.0;
        let line = SpectralShape::of(&line);
        assert_eq!((line.centroid, line.rolloff), (hz(100.0), hz(100.0)));
        assert!(line.flatness < 1e-5);
        let flat = SpectralShape::of(&[0.3; BINS]);
        assert!((flat.flatness - 1.0).abs() < 1e-4);
        assert!((flat.centroid - 12_000.0).abs() < 1.0);
    }

    #[test]
    fn silence_gives_finite_values() {
        let silence = SpectralShape::of(&[0.0; BINS]);
        assert_eq!(silence.centroid, 0.0);
        assert!((silence.flatness - 1.0).abs() < 1e-4);
        assert_eq!((rms(&[], 0), zero_crossing_rate(&[], 0)), (0.0, 0.0));
    }
}
