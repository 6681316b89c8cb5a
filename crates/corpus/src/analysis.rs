//! Audio analysis: timbre, loudness, rhythm, harmony.
//!
//! Except in [`seams`], all measurements divide mono audio at 48 kHz into the frames of [`melos::mel`]. A measurement
//! that librosa 0.11 also offers is defined as in librosa with the same frame size, so that results are comparable.

pub mod decode;
pub mod image;
pub mod mfcc;
pub mod rhythm;
pub mod seams;
pub mod spectral;
pub mod tonal;

use melos::mel::{BINS, HOP, MelAnalyzer, MelFrame};
use melos::units::SAMPLE_RATE;
use mfcc::{Coefficients, deltas, mfcc};
use rhythm::Rhythm;
use spectral::SpectralShape;
use tonal::{Chroma, ChromaBank, KeyEstimate};

/// The measurements of one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame {
    /// The mel frame.
    pub mel: MelFrame,
    /// Root mean square of the samples in the window.
    pub rms: f32,
    /// Zero crossings per sample.
    pub zero_crossing_rate: f32,
    /// Shape of the spectrum.
    pub spectral: SpectralShape,
    /// Chroma, normalised to a maximum of 1.
    pub chroma: Chroma,
    /// Cepstral coefficients of the mel frame.
    pub mfcc: Coefficients,
    /// Slopes of the coefficients, per frame.
    pub mfcc_delta: Coefficients,
}

/// The measurements of a whole signal.
#[derive(Debug, Clone, PartialEq)]
pub struct Analysis {
    /// Length in seconds.
    pub seconds: f64,
    /// The frames, [`melos::mel::FRAMES_PER_SECOND`] per second.
    pub frames: Vec<Frame>,
    /// Tempo, beats and onsets.
    pub rhythm: Rhythm,
    /// Mean chroma of the frames.
    pub chroma: Chroma,
    /// The key that fits the mean chroma best.
    pub key: KeyEstimate,
}

/// Analyses a mono signal at 48 kHz. An empty signal yields one frame of silence.
#[must_use]
pub fn analyze(signal: &[f32]) -> Analysis {
    let mut analyzer = MelAnalyzer::new();
    let bank = ChromaBank::new();
    let mut magnitudes = [0.0; BINS];
    let mut frames: Vec<Frame> = (0..=signal.len() / HOP)
        .map(|index| {
            let centre = index * HOP;
            analyzer.magnitudes(signal, centre, &mut magnitudes);
            let mel = analyzer.mel(&magnitudes);
            Frame {
                mel,
                rms: spectral::rms(signal, centre),
                zero_crossing_rate: spectral::zero_crossing_rate(signal, centre),
                spectral: SpectralShape::of(&magnitudes),
                chroma: bank.chroma(&magnitudes),
                mfcc: mfcc(&mel),
                mfcc_delta: Coefficients::default(),
            }
        })
        .collect();
    let coefficients: Vec<Coefficients> = frames.iter().map(|frame| frame.mfcc).collect();
    for (frame, delta) in frames.iter_mut().zip(deltas(&coefficients)) {
        frame.mfcc_delta = delta;
    }
    let mel: Vec<MelFrame> = frames.iter().map(|frame| frame.mel).collect();
    let chroma = mean_chroma(&frames);
    Analysis {
        seconds: signal.len() as f64 / f64::from(SAMPLE_RATE),
        rhythm: Rhythm::of(&mel),
        key: KeyEstimate::of(&chroma),
        chroma,
        frames,
    }
}

/// Returns the mean chroma of the frames.
#[must_use]
pub fn mean_chroma(frames: &[Frame]) -> Chroma {
    let mut mean = [0.0; 12];
    for frame in frames {
        for (sum, value) in mean.iter_mut().zip(frame.chroma) {
            *sum += value / frames.len() as f32;
        }
    }
    mean
}
