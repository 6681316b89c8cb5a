//! The inverse short-time Fourier transform, computed frame by frame.

use std::fmt;
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner};

use crate::mel::{BINS, HOP, N_FFT, hann_window};

/// Number of samples that overlap later frames.
pub const OVERLAP: usize = N_FFT - HOP;

/// Adds overlapping, windowed inverse transforms. Frame `f` is centred on sample `f · HOP`, so it completes hop `f − 2`.
///
/// The squared windows of all frames sum to 3/2 everywhere. Frames before the first are treated as silent. Only
/// [`Istft::new`] allocates.
pub struct Istft {
    fft: Arc<dyn ComplexToReal<f32>>,
    window: Vec<f32>,
    overlap: [f32; OVERLAP],
    spectrum: Vec<Complex<f32>>,
    samples: Vec<f32>,
    scratch: Vec<Complex<f32>>,
}

impl fmt::Debug for Istft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Istft").finish_non_exhaustive()
    }
}

impl Default for Istft {
    fn default() -> Self {
        Self::new()
    }
}

impl Istft {
    /// Creates the transform, with silence before the first frame.
    #[must_use]
    pub fn new() -> Self {
        let fft = RealFftPlanner::new().plan_fft_inverse(N_FFT);
        // The FFT is not normalized, and the squared windows sum to 3/2.
        let scale = 1.0 / (1.5 * N_FFT as f32);
        Self {
            window: hann_window().iter().map(|w| w * scale).collect(),
            overlap: [0.0; OVERLAP],
            spectrum: fft.make_input_vec(),
            samples: fft.make_output_vec(),
            scratch: fft.make_scratch_vec(),
            fft,
        }
    }

    /// Adds a frame's spectrum ([`BINS`] real and imaginary parts) and writes the hop that it completes to `hop`.
    pub fn push(&mut self, real: &[f32], imag: &[f32], hop: &mut [f32; HOP]) {
        for (bin, (real, imag)) in self.spectrum.iter_mut().zip(real.iter().zip(imag)) {
            *bin = Complex::new(*real, *imag);
        }
        // The transform requires real DC and Nyquist bins, like those of every real signal.
        self.spectrum[0].im = 0.0;
        self.spectrum[BINS - 1].im = 0.0;
        self.fft
            .process_with_scratch(&mut self.spectrum, &mut self.samples, &mut self.scratch)
            .expect("the buffers should have the sizes that the FFT requires, and DC and Nyquist should be real");
        for (sample, weight) in self.samples.iter_mut().zip(&self.window) {
            *sample *= weight;
        }
        let (head, tail) = self.samples.split_at(HOP);
        for ((out, pending), sample) in hop.iter_mut().zip(&self.overlap).zip(head) {
            *out = pending + sample;
        }
        self.overlap.copy_within(HOP.., 0);
        self.overlap[OVERLAP - HOP..].fill(0.0);
        for (pending, sample) in self.overlap.iter_mut().zip(tail) {
            *pending += sample;
        }
    }

    /// Returns the samples that overlap later frames. After a saved overlap is restored, the hops that followed it repeat
    /// exactly, given the same spectra.
    pub fn overlap(&mut self) -> &mut [f32; OVERLAP] {
        &mut self.overlap
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(length: usize) -> Vec<f32> {
        (0..length).map(|i| (i as f32 * 0.05).sin() + 0.3 * (i as f32 * 0.9 + 1.0).cos()).collect()
    }

    /// Returns the spectrum of the window centred on a sample, with zeros outside the signal.
    fn spectrum(signal: &[f32], centre: usize) -> (Vec<f32>, Vec<f32>) {
        let fft = RealFftPlanner::<f32>::new().plan_fft_forward(N_FFT);
        let mut windowed: Vec<f32> = hann_window()
            .iter()
            .enumerate()
            .map(|(i, w)| (centre + i).checked_sub(N_FFT / 2).and_then(|at| signal.get(at)).map_or(0.0, |x| x * w))
            .collect();
        let mut bins = fft.make_output_vec();
        fft.process(&mut windowed, &mut bins).unwrap();
        bins.iter().map(|bin| (bin.re, bin.im)).unzip()
    }

    #[test]
    fn resynthesis_restores_the_signal() {
        let signal = signal(40 * HOP);
        let mut istft = Istft::new();
        let mut hop = [0.0; HOP];
        let mut output = Vec::new();
        for frame in 0..40 {
            let (real, imag) = spectrum(&signal, frame * HOP);
            istft.push(&real, &imag, &mut hop);
            output.extend_from_slice(&hop);
        }
        // The first two hops precede the signal, and the third lacks the frame before the first.
        let max_error = output[3 * HOP..].iter().zip(&signal[HOP..]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(max_error < 1e-4, "{max_error}");
    }

    #[test]
    fn streaming_matches_the_transform_of_the_whole_signal() {
        let frames = 24;
        let spectra: Vec<_> = (0..frames).map(|f| spectrum(&signal(frames * HOP), f * HOP)).collect();
        // Reference: all frames transformed and added at their positions.
        let fft = RealFftPlanner::<f32>::new().plan_fft_inverse(N_FFT);
        let mut whole = vec![0.0f32; frames * HOP + N_FFT];
        for (frame, (real, imag)) in spectra.iter().enumerate() {
            let mut bins: Vec<_> = real.iter().zip(imag).map(|(re, im)| Complex::new(*re, *im)).collect();
            bins[0].im = 0.0;
            bins[BINS - 1].im = 0.0;
            let mut samples = fft.make_output_vec();
            fft.process(&mut bins, &mut samples).unwrap();
            for (i, (sample, weight)) in samples.iter().zip(hann_window()).enumerate() {
                whole[frame * HOP + i] += sample * weight / (1.5 * N_FFT as f32);
            }
        }
        let mut istft = Istft::new();
        let mut hop = [0.0; HOP];
        for (frame, (real, imag)) in spectra.iter().enumerate() {
            istft.push(real, imag, &mut hop);
            let max_error = hop.iter().zip(&whole[frame * HOP..]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(max_error < 1e-5, "frame {frame}: {max_error}");
        }
    }

    #[test]
    fn a_restored_overlap_repeats_the_hop() {
        let mut istft = Istft::new();
        let (real, imag) = spectrum(&signal(4096), 2048);
        let (mut first, mut second) = ([0.0; HOP], [0.0; HOP]);
        istft.push(&real, &imag, &mut first);
        let saved = *istft.overlap();
        istft.push(&real, &imag, &mut first);
        *istft.overlap() = saved;
        istft.push(&real, &imag, &mut second);
        assert_eq!(first, second);
    }
}
