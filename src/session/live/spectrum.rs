//! Measures the spectrum of the output, using the audio that the recorder reads from the tap.

use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

use super::publisher::Publisher;
use crate::event::Notice;
use crate::event::notice::BANDS;
use crate::output::record::Listeners;
use crate::units::{SAMPLE_RATE, gain_to_db};

/// Number of frames between spectra, for twenty spectra per second.
const STEP: usize = SAMPLE_RATE as usize / 20;
/// FFT size, for bins of 11.7 Hz.
const WINDOW: usize = 4096;
/// Lower edge of the lowest band in hertz: the note C1.
const LOWEST_HZ: f32 = 32.703;
/// Bands per octave.
const BANDS_PER_OCTAVE: f32 = 6.0;

/// Publishes spectra until the program ends; skips audio if it falls behind.
pub(super) async fn publish(listeners: &Listeners, publisher: &Publisher) {
    let mut spectrum = Spectrum::new();
    loop {
        let mut chunks = listeners.monitor();
        while let Some(chunk) = chunks.recv().await {
            if let Some(bands) = spectrum.add(&chunk) {
                publisher.publish(Notice::Spectrum(bands));
            }
        }
    }
}

/// Computes spectra of the most recent output.
struct Spectrum {
    transform: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
    /// The most recent window of the mono mix.
    mono: Vec<f32>,
    /// Frames since the last spectrum.
    frames_since_last: usize,
    windowed: Vec<f32>,
    bins: Vec<Complex<f32>>,
    /// First bin of each band, and the end of the last band.
    edges: [usize; BANDS + 1],
}

impl Spectrum {
    fn new() -> Self {
        let transform = RealFftPlanner::new().plan_fft_forward(WINDOW);
        let radians = std::f32::consts::TAU / WINDOW as f32;
        // Normalized so that a full-scale sine measures 1.
        let window = (0..WINDOW).map(|n| (1.0 - (radians * n as f32).cos()) * 2.0 / WINDOW as f32).collect();
        let edge =
            |band: usize| LOWEST_HZ * 2f32.powf(band as f32 / BANDS_PER_OCTAVE) * WINDOW as f32 / SAMPLE_RATE as f32;
        Self {
            bins: transform.make_output_vec(),
            windowed: transform.make_input_vec(),
            transform,
            window,
            mono: vec![0.0; WINDOW],
            frames_since_last: 0,
            edges: std::array::from_fn(|band| (edge(band).round() as usize).max(1)),
        }
    }

    /// Adds output frames; returns a spectrum when one is due.
    fn add(&mut self, chunk: &[[f32; 2]]) -> Option<[f32; BANDS]> {
        self.mono.extend(chunk.iter().map(|[left, right]| 0.5 * (left + right)));
        self.mono.drain(..self.mono.len() - WINDOW);
        self.frames_since_last += chunk.len();
        if self.frames_since_last < STEP {
            return None;
        }
        self.frames_since_last %= STEP;
        self.windowed
            .iter_mut()
            .zip(&self.mono)
            .zip(&self.window)
            .for_each(|((windowed, mono), window)| *windowed = mono * window);
        self.transform.process(&mut self.windowed, &mut self.bins).ok()?;
        Some(std::array::from_fn(|band| {
            // Low bands narrower than a bin show the bin that contains them.
            let bins = self.edges[band]..self.edges[band + 1].max(self.edges[band] + 1);
            gain_to_db(self.bins[bins].iter().map(|bin| bin.norm()).fold(0.0, f32::max))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_appears_in_its_band_at_its_level() {
        let mut spectrum = Spectrum::new();
        // A4 with an amplitude of 0.5: 6 dB below full scale.
        let tone = |n: usize| 0.5 * (std::f32::consts::TAU * 440.0 * n as f32 / SAMPLE_RATE as f32).sin();
        let frames: Vec<[f32; 2]> = (0..9600).map(|n| [tone(n); 2]).collect();
        let bands = frames.chunks(480).filter_map(|chunk| spectrum.add(chunk)).collect::<Vec<_>>();
        assert_eq!(bands.len(), 4, "there should be twenty spectra per second");
        let last = bands[3];
        let loudest = (0..BANDS).max_by(|a, b| last[*a].total_cmp(&last[*b])).unwrap();
        assert_eq!(loudest, (BANDS_PER_OCTAVE * (440.0 / LOWEST_HZ).log2()).floor() as usize);
        assert!((last[loudest] + 6.0).abs() < 1.5, "{}", last[loudest]);
        assert!(last[5] < -50.0 && last[44] < -50.0, "{last:?}");
    }
}
