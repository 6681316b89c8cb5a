//! The pianist: turns the composer's notes into mel frames. A prior predicts the distribution of the latent, which describes
//! how the notes are played; a decoder plays them.

mod roll;

use serde::{Deserialize, Serialize};

use roll::Strings;

use crate::generator::GeneratorError;
use crate::generator::model::{Latent, PianistGraphs, stateful};
use crate::generator::noise::normal;
use crate::generator::notes::StepNotes;
use crate::generator::vocoder::MelBlock;
use crate::generator::warm_up::warm_up;
use crate::mel::LATENT_FRAMES;
use crate::music::plan::Plan;

/// Indices of the graphs' inputs after those of [`stateful`].
const ROLL: usize = 2;
const PIANO: usize = 3;
const MOOD: usize = 4;

/// State carried from latent to latent in addition to the networks' own.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct PianistState {
    strings: Strings,
    /// The previous latent.
    z: Latent,
}

/// Plays the notes of one latent at a time.
#[derive(Debug)]
pub(super) struct Pianist(PianistGraphs);

impl Pianist {
    pub(super) const fn new(graphs: PianistGraphs) -> Self {
        Self(graphs)
    }

    /// Runs both networks once and checks their outputs.
    pub(super) fn warm_up(&mut self) -> Result<(), GeneratorError> {
        warm_up("pianist's prior", &mut self.0.prior)?;
        warm_up("pianist's decoder", &mut self.0.decoder)
    }

    /// Returns the states of the prior and the decoder.
    pub(super) fn states(&mut self) -> [&mut [f32]; 2] {
        [self.0.prior.input(stateful::STATE), self.0.decoder.input(stateful::STATE)]
    }

    /// Plays the notes of a latent. Returns eight mel frames, starting [`crate::generator::notes::AHEAD`] hops before the
    /// latent.
    ///
    /// # Errors
    /// If a network fails or returns NaN or infinity; the state is then unspecified.
    pub(super) fn play(
        &mut self,
        state: &mut PianistState,
        latent: u64,
        plan: &Plan,
        written: &StepNotes,
    ) -> Result<MelBlock, GeneratorError> {
        let PianistGraphs { prior, decoder } = &mut self.0;
        let from = latent * LATENT_FRAMES;
        state.strings.play(latent, written, prior.input(ROLL));
        let requested = plan.conditions(from);
        let mood = prior.input(MOOD);
        mood.fill(0.0);
        if let (Some(emotion), Some(affect)) = (requested.emotion, requested.affect) {
            mood[..8].copy_from_slice(&emotion);
            mood[8..].copy_from_slice(&[affect.valence, affect.arousal, 1.0, 1.0]);
        }
        write_piano_weights(plan.piano(from), prior.input(PIANO));
        prior.input(stateful::INPUT).copy_from_slice(&state.z);
        prior.step()?;
        let noise = normal(plan.seed, latent);
        for (index, (z, noise)) in state.z.iter_mut().zip(noise).enumerate() {
            *z = prior.output(0)[index] + prior.output(1)[index] * noise;
        }
        check_finite("pianist's prior", from, &state.z)?;
        decoder.input(stateful::INPUT).copy_from_slice(&state.z);
        decoder.input(ROLL).copy_from_slice(prior.input(ROLL));
        write_piano_weights(plan.piano(from), decoder.input(PIANO));
        decoder.step()?;
        let mel: MelBlock = decoder.output(0).try_into().expect("the shape should have been checked on load");
        check_finite("pianist's decoder", from, &mel)?;
        Ok(mel)
    }
}

/// Writes the weights of the pianos for a position between the first piano (0) and the last (1), interpolating linearly
/// between neighbours.
fn write_piano_weights(position: f32, weights: &mut [f32]) {
    let position = position.clamp(0.0, 1.0) * (weights.len() - 1) as f32;
    for (index, weight) in weights.iter_mut().enumerate() {
        *weight = (1.0 - (position - index as f32).abs()).max(0.0);
    }
}

fn check_finite(network: &'static str, frame: u64, values: &[f32]) -> Result<(), GeneratorError> {
    let finite = values.iter().all(|value| value.is_finite());
    if finite { Ok(()) } else { Err(GeneratorError::NotFinite { network, frame }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_neighbouring_pianos_share_the_weight() {
        let weights = |position: f32| {
            let mut weights = [0.0; 3];
            write_piano_weights(position, &mut weights);
            weights
        };
        assert_eq!(weights(0.0), [1.0, 0.0, 0.0]);
        assert_eq!(weights(0.75), [0.0, 0.5, 0.5]);
        assert_eq!(weights(1.0), [0.0, 0.0, 1.0]);
        let mut single = [0.0];
        write_piano_weights(0.4, &mut single);
        assert_eq!(single, [1.0]);
    }
}
