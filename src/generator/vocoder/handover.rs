//! The vocoder that is heard, and the handover from one to the other.
//!
//! In economy mode, [`SpectralPeakVocoder`] replaces the network, at a fifteenth of the cost. Both look ahead equally far, so
//! either can continue where the other ends, between two latents: the windows of their spectra overlap, which blends them over
//! four hops. The rule-based vocoder adopts the phases of the network's last spectrum. The network first listens, unheard, to as
//! much music as it remembers; otherwise, it would begin with an attack.

use serde::{Deserialize, Serialize};

use super::{MelBlock, Spectra, SpectralPeakVocoder, Vocoder};
use crate::bytes;
use crate::generator::model::{Graph, ModelError};

/// Number of latents to which the network listens before it is heard: 0.6 s. It remembers 54 mel frames.
const LISTENING: u8 = 7;

/// Which vocoder is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Heard {
    /// The model's own.
    Own,
    /// The one for economy mode.
    Economical {
        /// Number of latents to which the model's own has listened, to be heard again.
        listened: u8,
    },
}

/// The state of both vocoders between two latents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::generator) struct VocoderState {
    heard: Heard,
    #[serde(with = "bytes")]
    own: Vec<f32>,
    #[serde(with = "bytes")]
    economical: Vec<f32>,
}

impl VocoderState {
    /// Returns whether both states belong to networks of the same dimensions.
    pub(in crate::generator) fn fits(&self, other: &Self) -> bool {
        (self.own.len(), self.economical.len()) == (other.own.len(), other.economical.len())
    }
}

/// A model's vocoder, and the one that replaces it in economy mode.
#[derive(Debug)]
pub(in crate::generator) struct SwitchedVocoder {
    own: Vocoder,
    economical: SpectralPeakVocoder,
    heard: Heard,
}

impl SwitchedVocoder {
    /// Creates both vocoders, with the model's own heard first.
    pub(in crate::generator) fn new(network: Option<Graph>) -> Self {
        Self { own: Vocoder::new(network), economical: SpectralPeakVocoder::new(), heard: Heard::Own }
    }

    /// Returns the spectra for the next eight mel frames. A model without a network always uses its own vocoder.
    ///
    /// # Errors
    /// If the runtime fails; the state is then unspecified.
    pub(in crate::generator) fn step(&mut self, mel: &MelBlock, economy: bool) -> Result<Spectra<'_>, ModelError> {
        let economy = economy && matches!(self.own, Vocoder::Neural(_));
        match self.heard {
            Heard::Own => {
                let spectra = self.own.step(mel)?;
                if economy {
                    self.economical.adopt(mel, spectra);
                    self.heard = Heard::Economical { listened: 0 };
                }
                Ok(spectra)
            }
            Heard::Economical { .. } if economy => {
                self.heard = Heard::Economical { listened: 0 };
                Ok(self.economical.spectra(mel))
            }
            Heard::Economical { listened: LISTENING.. } => {
                self.heard = Heard::Own;
                self.own.step(mel)
            }
            Heard::Economical { listened } => {
                if listened == 0 {
                    self.own.state().fill(0.0);
                }
                self.own.step(mel)?;
                self.heard = Heard::Economical { listened: listened + 1 };
                Ok(self.economical.spectra(mel))
            }
        }
    }

    /// Clears the states, as before the first mel frame.
    pub(in crate::generator) fn reset(&mut self) {
        self.own.state().fill(0.0);
        self.economical.state().fill(0.0);
        if let Heard::Economical { listened } = &mut self.heard {
            *listened = 0;
        }
    }

    /// Returns the state.
    pub(in crate::generator) fn save(&mut self) -> VocoderState {
        let own = self.own.state().to_vec();
        VocoderState { heard: self.heard, own, economical: self.economical.state().to_vec() }
    }

    /// Restores a state of the same dimensions.
    pub(in crate::generator) fn restore(&mut self, state: &VocoderState) {
        self.heard = state.heard;
        self.own.state().copy_from_slice(&state.own);
        self.economical.state().copy_from_slice(&state.economical);
    }
}

#[cfg(test)]
mod tests;
