//! Chroma: the strength of each pitch class in generated audio.

use crate::mel::{BINS, N_FFT};
use crate::units::SAMPLE_RATE;

/// Frequency range to analyse. Below it, a bin spans more than three semitones; above it, the partials of different notes
/// overlap.
const RANGE_HZ: [f64; 2] = [130.0, 2500.0];

/// The sums of spectral peaks by pitch class (after Gómez 2006, without harmonic weighting). Each local maximum counts with
/// its magnitude; its frequency is that of the vertex of a parabola through the logarithms of the maximum and its two
/// neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Chroma {
    sums: [f32; 12],
}

impl Chroma {
    /// Adds the spectrum of one mel frame.
    pub(super) fn add(&mut self, real: &[f32], imag: &[f32]) {
        let hz_per_bin = f64::from(SAMPLE_RATE) / N_FFT as f64;
        let [first, last] = RANGE_HZ.map(|hz| (hz / hz_per_bin).round() as usize);
        debug_assert!(last + 1 < BINS);
        let magnitude = |bin: usize| real[bin].hypot(imag[bin]);
        for bin in first..=last {
            let [left, peak, right] = [bin - 1, bin, bin + 1].map(magnitude);
            if peak > left && peak >= right && peak > 1e-4 {
                let [l, p, r] = [left, peak, right].map(|m| f64::from(m.max(1e-9)).ln());
                let offset = 0.5 * (l - r) / (l - 2.0 * p + r).min(-1e-9);
                let note = 69.0 + 12.0 * ((bin as f64 + offset) * hz_per_bin / 440.0).log2();
                self.sums[(note.round() as i64).rem_euclid(12) as usize] += peak;
            }
        }
    }

    /// Returns the strength of each pitch class from C upwards, scaled to a maximum of 1; all zeros for silence.
    pub(super) fn normalized(&self) -> [f32; 12] {
        let largest = self.sums.iter().copied().fold(0.0, f32::max);
        if largest > 0.0 { self.sums.map(|sum| sum / largest) } else { [0.0; 12] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mel::hann_window;
    use crate::units::note_to_hz;
    use realfft::RealFftPlanner;

    fn chroma_of(notes: &[f32]) -> [f32; 12] {
        let window = hann_window();
        let fft = RealFftPlanner::<f32>::new().plan_fft_forward(N_FFT);
        let mut samples: Vec<f32> = (0..N_FFT)
            .map(|i| {
                let sum: f32 = notes
                    .iter()
                    .map(|note| (std::f32::consts::TAU * note_to_hz(*note) * i as f32 / SAMPLE_RATE as f32).sin())
                    .sum();
                sum * window[i]
            })
            .collect();
        let mut bins = fft.make_output_vec();
        fft.process(&mut samples, &mut bins).unwrap();
        let (real, imag): (Vec<f32>, Vec<f32>) = bins.iter().map(|bin| (bin.re, bin.im)).unzip();
        let mut chroma = Chroma::default();
        chroma.add(&real, &imag);
        chroma.normalized()
    }

    #[test]
    fn a_sine_is_assigned_to_its_pitch_class() {
        for note in 50..95 {
            let chroma = chroma_of(&[note as f32]);
            let loudest = (0..12).max_by(|a, b| chroma[*a].total_cmp(&chroma[*b])).unwrap();
            assert_eq!(loudest, note % 12, "{note}: {chroma:?}");
        }
    }

    #[test]
    fn the_notes_of_a_chord_dominate() {
        let chroma = chroma_of(&[60.0, 64.0, 67.0, 72.0]);
        for (pitch, strength) in chroma.iter().enumerate() {
            assert_eq!([0, 4, 7].contains(&pitch), *strength > 0.3, "{pitch}: {chroma:?}");
        }
    }

    #[test]
    fn silence_has_no_chroma() {
        assert_eq!(Chroma::default().normalized(), [0.0; 12]);
    }
}
