//! The mel spectrogram, shared by corpus preparation, training and playback.
//!
//! A mel frame contains the natural logarithms of [`BANDS`] band values, each raised to at least [`FLOOR`] beforehand. A
//! band value is the magnitude spectrum of [`N_FFT`] samples under a periodic Hann window, weighted by a triangle and
//! summed. The bands are those of Slaney's Auditory Toolbox (1998): triangles of equal area, linearly spaced below 1 kHz
//! and logarithmically above. Frame `f` is centred on sample `f · HOP`; samples outside the signal count as zero. The band
//! values equal librosa's `feature.melspectrogram(power=1, center=True, pad_mode="constant")`.

use std::fmt;
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

use crate::units::SAMPLE_RATE;

/// Window length in samples.
pub const N_FFT: usize = 2048;
/// Samples between consecutive mel frames.
pub const HOP: usize = 512;
/// Number of spectrum bins.
pub const BINS: usize = N_FFT / 2 + 1;
/// Number of mel bands.
pub const BANDS: usize = 128;
/// Lower edge of the lowest band, in hertz.
pub const LOWEST_HZ: f64 = 30.0;
/// Upper edge of the highest band, in hertz.
pub const HIGHEST_HZ: f64 = 18_000.0;
/// Minimum to which band values are raised before the logarithm is taken.
pub const FLOOR: f32 = 1e-5;
/// Mel frames per second.
pub const FRAMES_PER_SECOND: f64 = SAMPLE_RATE as f64 / HOP as f64;
/// Mel frames per latent.
pub const FRAMES_PER_LATENT: usize = 8;
/// Audio frames per latent.
pub const LATENT_FRAMES: u64 = (FRAMES_PER_LATENT * HOP) as u64;
/// Latents per second.
pub const LATENTS_PER_SECOND: f64 = FRAMES_PER_SECOND / FRAMES_PER_LATENT as f64;

/// One mel frame: the natural logarithms of the band values.
pub type MelFrame = [f32; BANDS];

/// Returns the band weights over the spectrum bins, one row per band.
#[must_use]
pub fn mel_filter_bank() -> Vec<[f32; BINS]> {
    (0..BANDS)
        .map(|band| {
            let (left, centre, right) = (edge(band), edge(band + 1), edge(band + 2));
            let mut row = [0.0; BINS];
            for (bin, weight) in row.iter_mut().enumerate() {
                let hz = bin as f64 * f64::from(SAMPLE_RATE) / N_FFT as f64;
                let height = ((hz - left) / (centre - left)).min((right - hz) / (right - centre)).max(0.0);
                *weight = (height * 2.0 / (right - left)) as f32;
            }
            row
        })
        .collect()
}

/// Returns a band edge in hertz: band `b` rises from edge `b` to edge `b + 1` and falls to edge `b + 2`.
fn edge(index: usize) -> f64 {
    let (low, high) = (hz_to_mel(LOWEST_HZ), hz_to_mel(HIGHEST_HZ));
    mel_to_hz(low + (high - low) * index as f64 / (BANDS + 1) as f64)
}

/// Returns the centre frequency of a band, in hertz.
#[must_use]
pub fn band_centre(band: usize) -> f64 {
    edge(band + 1)
}

/// Returns the periodic Hann window of [`N_FFT`] samples.
#[must_use]
pub fn hann_window() -> Vec<f32> {
    (0..N_FFT).map(|i| hann(i) as f32).collect()
}

fn hann(index: usize) -> f64 {
    0.5 - 0.5 * (std::f64::consts::TAU * index as f64 / N_FFT as f64).cos()
}

/// Converts hertz to mels on Slaney's scale: 200/3 Hz per mel below 1 kHz, 27 mels per factor of 6.4 above.
fn hz_to_mel(hz: f64) -> f64 {
    if hz < 1000.0 { hz * 3.0 / 200.0 } else { 15.0 + (hz / 1000.0).ln() * 27.0 / 6.4f64.ln() }
}

fn mel_to_hz(mel: f64) -> f64 {
    if mel < 15.0 { mel * 200.0 / 3.0 } else { 1000.0 * ((mel - 15.0) * 6.4f64.ln() / 27.0).exp() }
}

/// Returns the inner product of two slices of equal length. Uses eight running sums so that the loop vectorizes.
#[must_use]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 8];
    let (eights_a, eights_b) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = eights_a.remainder().iter().zip(eights_b.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in eights_a.zip(eights_b) {
        for (lane, sum) in sums.iter_mut().enumerate() {
            *sum += x[lane] * y[lane];
        }
    }
    sums.iter().sum::<f32>() + rest
}

/// The nonzero weights of a band.
struct Band {
    first_bin: usize,
    weights: Vec<f32>,
}

/// Turns samples at 48 kHz into spectra and mel frames. Allocates only in [`MelAnalyzer::new`] and
/// [`MelAnalyzer::log_mel`].
///
/// The FFT uses double precision: with single precision, rounding errors from loud bands would exceed the floor in
/// silent ones.
pub struct MelAnalyzer {
    fft: Arc<dyn RealToComplex<f64>>,
    window: Vec<f64>,
    bands: Vec<Band>,
    windowed: Vec<f64>,
    spectrum: Vec<Complex<f64>>,
    scratch: Vec<Complex<f64>>,
}

impl fmt::Debug for MelAnalyzer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MelAnalyzer").finish_non_exhaustive()
    }
}

impl Default for MelAnalyzer {
    fn default() -> Self {
        Self::new()
    }
}

impl MelAnalyzer {
    /// Creates an analyzer: plans the FFT and computes the bands.
    #[must_use]
    pub fn new() -> Self {
        let fft = RealFftPlanner::new().plan_fft_forward(N_FFT);
        let bands = mel_filter_bank()
            .iter()
            .map(|row| {
                let first_bin = row.iter().position(|w| *w > 0.0).unwrap_or(0);
                let end = row.iter().rposition(|w| *w > 0.0).map_or(first_bin, |last| last + 1);
                Band { first_bin, weights: row[first_bin..end].to_vec() }
            })
            .collect();
        Self {
            window: (0..N_FFT).map(hann).collect(),
            bands,
            windowed: fft.make_input_vec(),
            spectrum: fft.make_output_vec(),
            scratch: fft.make_scratch_vec(),
            fft,
        }
    }

    /// Writes to `magnitudes` the magnitude spectrum of the window centred on sample `centre` of a signal.
    pub fn magnitudes(&mut self, signal: &[f32], centre: usize, magnitudes: &mut [f32; BINS]) {
        let half = N_FFT / 2;
        let start = centre.saturating_sub(half).min(signal.len());
        let end = (centre + half).min(signal.len());
        let offset = start + half - centre.min(start + half);
        self.windowed.fill(0.0);
        for (i, sample) in signal[start..end].iter().enumerate() {
            self.windowed[offset + i] = f64::from(*sample) * self.window[offset + i];
        }
        self.fft
            .process_with_scratch(&mut self.windowed, &mut self.spectrum, &mut self.scratch)
            .expect("the buffers should have the sizes that the FFT requires");
        for (magnitude, bin) in magnitudes.iter_mut().zip(&self.spectrum) {
            *magnitude = bin.norm_sqr().sqrt() as f32;
        }
    }

    /// Returns the mel frame of a magnitude spectrum.
    #[must_use]
    pub fn mel(&self, magnitudes: &[f32; BINS]) -> MelFrame {
        let mut frame = [0.0; BANDS];
        for (value, band) in frame.iter_mut().zip(&self.bands) {
            let bins = &magnitudes[band.first_bin..band.first_bin + band.weights.len()];
            *value = dot(bins, &band.weights).max(FLOOR).ln();
        }
        frame
    }

    /// Returns the `len / HOP + 1` mel frames of a whole signal, centred on the multiples of [`HOP`] up to its end.
    #[must_use]
    pub fn log_mel(&mut self, signal: &[f32]) -> Vec<MelFrame> {
        let mut magnitudes = [0.0; BINS];
        (0..=signal.len() / HOP)
            .map(|frame| {
                self.magnitudes(signal, frame * HOP, &mut magnitudes);
                self.mel(&magnitudes)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mel_and_hz_round_trip() {
        for hz in [30.0, 440.0, 999.0, 1001.0, 18_000.0] {
            assert!((mel_to_hz(hz_to_mel(hz)) - hz).abs() < 1e-6);
        }
    }

    #[test]
    fn a_sine_is_loudest_in_its_band() {
        let hz = 2000.0;
        let signal: Vec<f32> =
            (0..9600).map(|i| (std::f32::consts::TAU * hz * i as f32 / SAMPLE_RATE as f32).sin()).collect();
        let frames = MelAnalyzer::new().log_mel(&signal);
        assert_eq!(frames.len(), 9600 / HOP + 1);
        let frame = frames[9];
        let loudest = (0..BANDS).max_by(|a, b| frame[*a].total_cmp(&frame[*b])).expect("there should be bands");
        let row = &mel_filter_bank()[loudest];
        let bin = (f64::from(hz) / f64::from(SAMPLE_RATE) * N_FFT as f64).round() as usize;
        assert!(row[bin] > 0.0, "band {loudest} does not contain 2 kHz");
    }

    #[test]
    fn silence_is_at_the_floor() {
        let frames = MelAnalyzer::new().log_mel(&[0.0; 1000]);
        assert!(frames.iter().flatten().all(|value| *value == FLOOR.ln()));
    }
}
