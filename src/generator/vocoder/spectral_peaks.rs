//! A vocoder without a network: treats every spectral peak as a partial whose phase advances at its frequency.
//!
//! This is single-pass spectrogram inversion (Beauregard, Harish and Wyse 2015): the bins around a peak share its phase, and
//! the peak's frequency is that of the vertex of a parabola through the logarithms of the magnitudes of the peak and its
//! neighbours.

use std::f64::consts::TAU;

use crate::generator::model::LOOK_AHEAD;
use crate::mel::{BANDS, BINS, FRAMES_PER_LATENT, HOP, MelFrame, N_FFT, mel_filter_bank};

use super::{MelBlock, Spectra};

/// The vocoder with its state and output.
pub struct SpectralPeakVocoder {
    /// The nonzero weights of the bands in each bin, as (bin, band, weight).
    band_weights: Vec<(usize, usize, f32)>,
    /// The latest [`LOOK_AHEAD`] mel frames, then the phase of every bin, in cycles.
    state: Vec<f32>,
    real: Vec<f32>,
    imag: Vec<f32>,
}

impl std::fmt::Debug for SpectralPeakVocoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SpectralPeakVocoder").finish_non_exhaustive()
    }
}

/// Makes up for the level that is lost because the phases of overlapping windows agree only in part: 1.2 dB in piano music.
const GAIN: f32 = 1.15;
/// Length of the part of the state that holds the pending mel frames.
const PENDING: usize = LOOK_AHEAD * BANDS;

impl Default for SpectralPeakVocoder {
    fn default() -> Self {
        Self::new()
    }
}

impl SpectralPeakVocoder {
    /// Creates a vocoder, with silence before the first frame.
    #[must_use]
    pub fn new() -> Self {
        Self {
            band_weights: band_weights(),
            state: vec![0.0; PENDING + BINS],
            real: vec![0.0; FRAMES_PER_LATENT * BINS],
            imag: vec![0.0; FRAMES_PER_LATENT * BINS],
        }
    }

    /// Returns the spectra for the next eight mel frames, delayed by [`LOOK_AHEAD`] frames.
    pub(super) fn spectra(&mut self, mel: &MelBlock) -> Spectra<'_> {
        let frame = |from: &[f32], index: usize| -> MelFrame {
            from[index * BANDS..][..BANDS].try_into().expect("the slice should be one mel frame")
        };
        for index in 0..FRAMES_PER_LATENT {
            // Pending frames store linear magnitudes, so that a state of zeros is silence.
            let band_magnitudes = match index.checked_sub(LOOK_AHEAD) {
                None => frame(&self.state, index),
                Some(index) => frame(mel, index).map(f32::exp),
            };
            let magnitudes = self.magnitudes(&band_magnitudes);
            self.advance(&magnitudes);
            let phases = &self.state[PENDING..];
            let out = index * BINS..(index + 1) * BINS;
            let bins = self.real[out.clone()].iter_mut().zip(&mut self.imag[out]);
            for (bin, ((real, imag), (magnitude, phase))) in bins.zip(magnitudes.iter().zip(phases)).enumerate() {
                let amplitude = GAIN * magnitude * sign(bin);
                let (sin, cos) = (f64::from(*phase) * TAU).sin_cos();
                (*real, *imag) = (amplitude * cos as f32, amplitude * sin as f32);
            }
        }
        self.keep_last(mel);
        Spectra { real: &self.real, imag: &self.imag }
    }

    /// Prepares to continue the spectra that another vocoder returned for eight mel frames: adopts the phases of the last.
    pub(super) fn adopt(&mut self, mel: &MelBlock, spectra: Spectra<'_>) {
        self.keep_last(mel);
        let Some((real, imag)) = spectra.frames().last() else { return };
        for (bin, (phase, (real, imag))) in self.state[PENDING..].iter_mut().zip(real.iter().zip(imag)).enumerate() {
            let (real, imag) = (f64::from(real * sign(bin)), f64::from(imag * sign(bin)));
            *phase = (imag.atan2(real) / TAU) as f32;
        }
    }

    /// Keeps the last mel frames, whose spectra belong to the next step.
    fn keep_last(&mut self, mel: &MelBlock) {
        let last = &mel[(FRAMES_PER_LATENT - LOOK_AHEAD) * BANDS..];
        for (pending, value) in self.state.iter_mut().zip(last) {
            *pending = value.exp();
        }
    }

    /// Returns the state between steps.
    pub(super) fn state(&mut self) -> &mut [f32] {
        &mut self.state
    }

    fn magnitudes(&self, band_magnitudes: &MelFrame) -> [f32; BINS] {
        let mut magnitudes = [0.0; BINS];
        for (bin, band, weight) in &self.band_weights {
            magnitudes[*bin] += weight * band_magnitudes[*band];
        }
        magnitudes
    }

    /// Advances every bin's phase by one hop.
    fn advance(&mut self, magnitudes: &[f32; BINS]) {
        let phases = &mut self.state[PENDING..];
        let is_peak = |bin: usize| {
            magnitudes[bin] > 0.0 && magnitudes[bin] >= magnitudes[bin - 1] && magnitudes[bin] > magnitudes[bin + 1]
        };
        let mut first = 0;
        let mut peak = (1..BINS - 1).find(|bin| is_peak(*bin));
        while let Some(bin) = peak {
            let next = (bin + 1..BINS - 1).find(|bin| is_peak(*bin));
            // A peak's region ends at the valley before the next peak.
            let valley =
                |next: usize| (bin..next).min_by(|a, b| magnitudes[*a].total_cmp(&magnitudes[*b])).unwrap_or(bin) + 1;
            let end = next.map_or(BINS, valley);
            let cycles_per_hop = frequency(magnitudes, bin) * HOP as f64 / N_FFT as f64;
            let phase = (f64::from(phases[bin]) + cycles_per_hop).fract() as f32;
            phases[first..end].fill(phase);
            (first, peak) = (end, next);
        }
    }
}

/// Returns the factor between a phase of the state, which refers to the window's centre, and that of a spectrum, which refers
/// to the window's first sample: every other bin is inverted.
const fn sign(bin: usize) -> f32 {
    if bin.is_multiple_of(2) { 1.0 } else { -1.0 }
}

/// Estimates the frequency of the partial at a peak, in bins, from a parabola through the logarithms of its magnitude
/// and those of the two neighbouring bins.
fn frequency(magnitudes: &[f32; BINS], bin: usize) -> f64 {
    let [left, centre, right] = [bin - 1, bin, bin + 1].map(|bin| f64::from(magnitudes[bin].max(1e-12)).ln());
    let curvature = left - 2.0 * centre + right;
    let offset = if curvature < 0.0 { 0.5 * (left - right) / curvature } else { 0.0 };
    bin as f64 + offset
}

/// Returns the weights that distribute each band's value over bins, chosen so that a flat spectrum stays flat.
fn band_weights() -> Vec<(usize, usize, f32)> {
    let bank = mel_filter_bank();
    let band_sum: Vec<f32> = bank.iter().map(|row| row.iter().sum()).collect();
    let mut band_weights = Vec::new();
    for bin in 0..BINS {
        let bin_sum: f32 = bank.iter().map(|row| row[bin]).sum();
        for (band, row) in bank.iter().enumerate() {
            if row[bin] > 0.0 {
                band_weights.push((bin, band, row[bin] / (bin_sum * band_sum[band])));
            }
        }
    }
    band_weights
}

#[cfg(test)]
mod tests;
