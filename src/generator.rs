//! The generator: latents by the transformer, mel frames by the decoder, samples by the vocoder, in hops on the time line.
//!
//! Latent `k` is decided for the frames from `4096 k` on, by the plan's conditions there and by noise that depends on
//! seed and `k` alone. Once it is decided, the hops before `8 k + 4` are final. [`Generator::replan`] goes back to an
//! earlier latent and crosses over into another future.

mod chroma;
mod context;
mod crossfade;
mod future;
mod history;
pub mod model;
mod networks;
mod noise;
#[cfg(test)]
mod parity;
mod splicer;
mod hop_ring;
mod stall_detector;
pub mod vocoder;
mod worker;

use std::collections::VecDeque;
use std::sync::Arc;

use thiserror::Error;

use crate::event::Hop;
use crate::generator::model::{Latent, ModelError, Models};
use crate::mel::{FRAMES_PER_LATENT, HOP};
use crate::music::plan::Plan;

use future::{Future, final_hop};
pub use networks::Networks;
use splicer::Splicer;
pub use worker::{AHEAD, HopSource, Worker, WorkerEvent, WorkerStatus};

/// Frames of one latent.
pub const LATENT_FRAMES: u64 = (FRAMES_PER_LATENT * HOP) as u64;

/// Why a latent could not be generated. The generator is then where it was before.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GeneratorError {
    /// A network failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A network gave a number that is none; the music starts afresh with the next latent.
    #[error("the {network} gave numbers that are not finite at frame {frame}")]
    NotFinite {
        /// Which network.
        network: &'static str,
        /// First frame of the latent.
        frame: u64,
    },
    /// There is no plan yet.
    #[error("there is no plan to follow yet")]
    NoPlan,
}

/// What one latent turned out to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Heard {
    /// First of the latent's [`LATENT_FRAMES`] frames.
    pub from: u64,
    /// How strong each pitch class is, from C on, the largest 1. Of the spectra that this latent finished, which begin
    /// two mel frames before it.
    pub chroma: [f32; 12],
    /// How marked a note begins in each mel frame, from `from` on: 0 where none does, up to 1.
    pub onsets: [f32; FRAMES_PER_LATENT],
    /// What was decided.
    pub latent: Latent,
    /// Whether the network had stopped playing though notes were asked for, so that it forgets the past from here on.
    pub restarted: bool,
}

/// Another future, that waits for its place.
#[derive(Debug)]
struct Change {
    replacement: Replacement,
    /// First hop of the new future that is to be heard.
    heard: u64,
    /// The latent before which to go back even if the old future is not known up to the end of the crossfade then.
    known: Option<u64>,
}

impl Change {
    /// The hop up to which the old future must be final.
    fn due(&self) -> u64 {
        let known = self.known.map_or(u64::MAX, final_hop);
        known.min(self.heard + crossfade::FADE_HOPS)
    }
}

/// What makes the future another one.
#[derive(Debug)]
enum Replacement {
    /// A plan that says something else from frame `planned` on: its latent is the first to be decided again.
    Plan { plan: Arc<Plan>, planned: u64 },
    /// Other networks.
    Networks(Box<Networks>),
}

/// Generates hops, latent by latent. Runs on any thread but the audio thread.
#[derive(Debug)]
pub struct Generator {
    plan: Option<Arc<Plan>>,
    changes: VecDeque<Change>,
    future: Future,
    splicer: Splicer,
    /// Latents that were decided when the newest splice took effect.
    known: u64,
}

impl Generator {
    /// A generator at frame 0 with the networks of a model, warm.
    ///
    /// # Errors
    /// When a network fails; see [`Networks::new`].
    pub fn new(models: Models) -> Result<Self, GeneratorError> {
        let future = Future::new(Networks::new(models)?);
        Ok(Self { plan: None, changes: VecDeque::new(), future, splicer: Splicer::new(), known: 0 })
    }

    /// Takes a plan that says the same up to here and more from here on.
    pub fn follow(&mut self, plan: Arc<Plan>) {
        let newest = self.changes.iter_mut().rev().find_map(|change| match &mut change.replacement {
            Replacement::Plan { plan, .. } => Some(plan),
            Replacement::Networks(_) => None,
        });
        match newest {
            Some(newest) => *newest = plan,
            None => self.plan = Some(plan),
        }
    }

    /// The plan that the next latent follows.
    #[must_use]
    pub fn plan(&self) -> Option<&Plan> {
        self.plan.as_deref()
    }

    /// Takes a plan that says something else from frame `planned` on: the latent there is decided again, and from frame
    /// `heard` on (the same, or later when the splice came late) the new future is heard, in a new epoch, after a
    /// crossfade of 32 ms. Both are rounded up to hops. Takes effect in the next [`Generator::step`] by which the old
    /// future is known up to the end of the crossfade, so the sound does not depend on how far ahead it was made.
    pub fn replan(&mut self, plan: Arc<Plan>, planned: u64, heard: u64) {
        self.replan_again(plan, planned, heard, None);
    }

    /// The same as it was done before: with `known`, when the latents before that frame are decided if not earlier. That
    /// is [`Generator::known`] of the time when the splice took effect, for it may have been moved by
    /// [`Generator::resplice`] since.
    pub fn replan_again(&mut self, plan: Arc<Plan>, planned: u64, heard: u64, known: Option<u64>) {
        let heard = heard.max(planned).div_ceil(HOP as u64);
        let known = known.map(|frame| frame / LATENT_FRAMES);
        self.changes.push_back(Change { replacement: Replacement::Plan { plan, planned }, heard, known });
    }

    /// Plays on with other networks, under the same plan. They begin anew a little before frame `heard`, rounded up to
    /// hops, and are heard from there on, in a new epoch, after a crossfade of 32 ms.
    pub fn swap(&mut self, networks: Networks, heard: u64) {
        let heard = heard.div_ceil(HOP as u64);
        self.changes.push_back(Change { replacement: Replacement::Networks(Box::new(networks)), heard, known: None });
    }

    /// Moves the newest splice that took effect, or the oldest that did not, to a later frame, where it opens a new epoch:
    /// for when the engine would get it, or got it, too late. Nothing is generated again.
    pub fn resplice(&mut self, heard: u64) {
        let first = heard.div_ceil(HOP as u64);
        if let Some(change) = self.changes.front_mut() {
            change.heard = first;
            return;
        }
        self.splicer.move_to(first);
    }

    /// Goes on at `frame` or up to 128 ms later, after hops were missing from the engine: what should have been played
    /// until then is left out. Does nothing when that frame is covered.
    pub fn resume_at(&mut self, frame: u64) {
        if self.future.skip_to(frame) {
            self.splicer.resume_at(self.future.final_hop());
        }
    }

    /// Frames up to here were sent, in the current epoch.
    #[must_use]
    pub fn covered(&self) -> u64 {
        let next = self.splicer.next_hop();
        self.changes.front().map_or(next, |change| change.heard.min(next)) * HOP as u64
    }

    /// Frames up to here were decided when the newest splice took effect.
    #[must_use]
    pub fn known(&self) -> u64 {
        self.known * LATENT_FRAMES
    }

    /// The epoch that hops are sent in; rises with every splice.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.splicer.epoch()
    }

    /// Generates one latent and appends the hops that are final now, in the order of their indices.
    ///
    /// # Errors
    /// When a network fails or gives numbers that are not finite, or when there is no plan.
    pub fn step(&mut self, out: &mut Vec<Hop>) -> Result<Heard, GeneratorError> {
        while self.changes.front().is_some_and(|change| change.due() <= self.future.final_hop()) {
            let change = self.changes.pop_front().expect("the front was just looked at");
            self.splice(change);
        }
        let plan = self.plan.clone().ok_or(GeneratorError::NoPlan)?;
        let heard = self.future.advance(&plan)?;
        let splice = self.changes.front().map_or(u64::MAX, |change| change.heard);
        self.splicer.send(self.future.tape(), self.future.final_hop(), splice, out);
        Ok(heard)
    }

    /// Makes good for a step that panicked: goes back to before it and starts the music afresh there.
    pub fn recover(&mut self) {
        self.future.recover();
    }

    /// Goes back to where a change begins and prepares the crossfade. What lies further back than what is kept begins here.
    fn splice(&mut self, change: Change) {
        self.known = self.future.latent();
        self.splicer.open(change.heard, self.future.tape(), self.future.final_hop());
        match change.replacement {
            Replacement::Plan { plan, planned } => {
                self.plan = Some(plan);
                self.future.rewind(planned / LATENT_FRAMES);
            }
            Replacement::Networks(networks) => self.future.replace(*networks, change.heard),
        }
    }
}
