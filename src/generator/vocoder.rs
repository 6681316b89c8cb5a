//! The vocoder: turns mel frames into samples, eight frames at a time.
//!
//! A network, or [`SpectralPeakVocoder`] for models without one, turns mel frames into spectra with a delay of
//! [`LOOK_AHEAD`] frames. [`Istft`] turns the spectra into samples by overlap-add. After mel frames `8k..8k + 8`, the hops
//! before `8k + 4` are final.

mod handover;
mod istft;
mod spectral_peaks;

pub(super) use handover::{SwitchedVocoder, VocoderState};
pub use istft::{Istft, OVERLAP};
pub use spectral_peaks::SpectralPeakVocoder;

use crate::generator::model::{Graph, LOOK_AHEAD, ModelError, stateful};
use crate::mel::{BANDS, BINS, FRAMES_PER_LATENT};

/// The mel frames of one latent, concatenated.
pub type MelBlock = [f32; FRAMES_PER_LATENT * BANDS];

/// A stateful converter from mel frames to spectra.
#[derive(Debug)]
pub enum Vocoder {
    /// The trained network.
    Neural(Graph),
    /// The vocoder for models without a trained one.
    SpectralPeaks(Box<SpectralPeakVocoder>),
}

/// Eight spectra. Spectrum `i` belongs to the mel frame [`LOOK_AHEAD`] frames before frame `i` of the block.
#[derive(Debug, Clone, Copy)]
pub struct Spectra<'a> {
    real: &'a [f32],
    imag: &'a [f32],
}

impl<'a> Spectra<'a> {
    /// Iterates over the real and imaginary parts of the spectra.
    pub fn frames(self) -> impl Iterator<Item = (&'a [f32], &'a [f32])> {
        self.real.chunks_exact(BINS).zip(self.imag.chunks_exact(BINS))
    }
}

impl Vocoder {
    /// Creates a vocoder from the model's network, or a [`SpectralPeakVocoder`] if the model has none.
    #[must_use]
    pub fn new(network: Option<Graph>) -> Self {
        network.map_or_else(|| Self::SpectralPeaks(Box::default()), Self::Neural)
    }

    /// Returns the spectra for the next eight mel frames.
    ///
    /// # Errors
    /// If the runtime fails; the state is then unchanged.
    pub fn step(&mut self, mel: &MelBlock) -> Result<Spectra<'_>, ModelError> {
        match self {
            Self::Neural(graph) => {
                graph.input(stateful::INPUT).copy_from_slice(mel);
                graph.step()?;
                Ok(Spectra { real: graph.output(0), imag: graph.output(1) })
            }
            Self::SpectralPeaks(peaks) => Ok(peaks.spectra(mel)),
        }
    }

    /// Returns the state between steps. After a saved state is restored, the steps that followed it repeat exactly, given the
    /// same input.
    pub fn state(&mut self) -> &mut [f32] {
        match self {
            Self::Neural(graph) => graph.input(stateful::STATE),
            Self::SpectralPeaks(peaks) => peaks.state(),
        }
    }
}

const _: () = assert!(LOOK_AHEAD < FRAMES_PER_LATENT);
