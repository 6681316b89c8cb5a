//! The networks of one model, ready for the generator.

use super::GeneratorError;
use super::context::{Context, Cursor, StepInput};
use crate::generator::model::{Graph, LATENT_DIMS, Models, stateful};
use crate::generator::vocoder::{MelBlock, Vocoder};
use crate::music::conditions::CONDITION_COUNT;

/// The networks of one model, warmed up. Created on any thread except the audio thread; can be sent to another.
#[derive(Debug)]
pub struct Networks {
    pub(super) context: Context,
    pub(super) decoder: Graph,
    pub(super) vocoder: Vocoder,
}

impl Networks {
    /// Runs every network once, so that the first latent is as fast as the others, and checks the outputs.
    ///
    /// # Errors
    /// If a network fails or returns NaN or infinity.
    pub fn new(models: Models) -> Result<Self, GeneratorError> {
        let Models { manifest, transformer, decoder, vocoder } = models;
        let context = Context::new(transformer, manifest.context);
        let mut networks = Self { context, decoder, vocoder: Vocoder::new(vocoder) };
        networks.warm_up()?;
        networks.forget();
        Ok(networks)
    }

    fn warm_up(&mut self) -> Result<(), GeneratorError> {
        let silence = [0.0; LATENT_DIMS];
        let unknown = [0.0; CONDITION_COUNT];
        let input = StepInput { conditions: &unknown, reference: &unknown, noise: &silence, guidance: 1.0 };
        let z = self.context.step(Cursor::default(), &silence, &input)?;
        finite("transformer", &z)?;
        self.decoder.input(stateful::INPUT).copy_from_slice(&z);
        self.decoder.step()?;
        let mel: MelBlock = self.decoder.output(0).try_into().expect("the shape was checked at load");
        finite("decoder", &mel)?;
        self.vocoder.step(&mel)?.frames().try_for_each(|(real, imag)| {
            finite("vocoder", real)?;
            finite("vocoder", imag)
        })
    }

    /// Resets all state except the transformer's ring, which a later [`Cursor`] hides.
    pub(super) fn forget(&mut self) {
        self.decoder.input(stateful::STATE).fill(0.0);
        self.vocoder.state().fill(0.0);
    }
}

fn finite(network: &'static str, values: &[f32]) -> Result<(), GeneratorError> {
    let finite = values.iter().all(|value| value.is_finite());
    if finite { Ok(()) } else { Err(GeneratorError::NotFinite { network, frame: 0 }) }
}
