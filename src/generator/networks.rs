//! The networks of one model, ready for the generator.

use super::GeneratorError;
use super::composer::{Composer, ComposerState};
use super::pianist::Pianist;
use crate::generator::model::Models;
use crate::generator::vocoder::SwitchedVocoder;
use crate::generator::warm_up::check_finite;
use crate::mel::{BANDS, FLOOR, FRAMES_PER_LATENT};

/// The networks of one model, warmed up. They can be created on any thread except the audio thread, and sent to another.
#[derive(Debug)]
pub struct Networks {
    pub(super) composer: Composer,
    pub(super) pianist: Pianist,
    pub(super) vocoder: SwitchedVocoder,
}

impl Networks {
    /// Creates the networks. Runs each once, so that the first latent is generated as fast as the others, and checks the
    /// outputs.
    ///
    /// # Errors
    /// If a network fails or returns NaN or infinity.
    pub fn new(models: Models) -> Result<Self, GeneratorError> {
        let Models { manifest, composer, pianist, vocoder } = models;
        let mut networks = Self {
            composer: Composer::new(composer, manifest.composer),
            pianist: Pianist::new(pianist),
            vocoder: SwitchedVocoder::new(vocoder),
        };
        networks.warm_up()?;
        networks.reset();
        Ok(networks)
    }

    /// Returns the composer's state at the start of a performance.
    pub(super) fn initial_composer_state(&self) -> ComposerState {
        self.composer.initial_state()
    }

    fn warm_up(&mut self) -> Result<(), GeneratorError> {
        self.composer.warm_up()?;
        self.pianist.warm_up()?;
        self.vocoder.step(&[FLOOR.ln(); FRAMES_PER_LATENT * BANDS], false)?.frames().try_for_each(|(real, imag)| {
            check_finite("vocoder", real)?;
            check_finite("vocoder", imag)
        })
    }

    /// Clears the states of the pianist and the vocoder.
    pub(super) fn reset(&mut self) {
        self.pianist.states().into_iter().for_each(|state| state.fill(0.0));
        self.vocoder.reset();
    }
}
