//! The generator: the composer decides notes, the pianist plays them as mel frames, and the vocoder turns the mel frames
//! into hops of samples.
//!
//! Latent `k` starts at frame `4096 k`. It depends on the preceding latents, the plan, and random numbers derived from the
//! seed and `k`. While a phrase is recalled, some latents reuse the composer's random numbers from an earlier latent. Once
//! latent `k` has been generated, the hops before `8 k + 2` are final.
//! [`Generator::replan`] rolls back to an earlier latent and crossfades into a new future.

mod checkpoint;
mod chroma;
mod composer;
mod crossfade;
mod future;
mod history;
mod hop_ring;
pub mod model;
mod networks;
mod noise;
pub mod notes;
#[cfg(test)]
mod parity;
mod pianist;
mod splicer;
mod stall_detector;
pub mod vocoder;
mod warm_up;
mod worker;

use std::collections::VecDeque;
use std::sync::Arc;

use thiserror::Error;

use crate::event::Hop;
use crate::generator::model::{ModelError, Models};
use crate::generator::vocoder::MelBlock;
use crate::mel::{FRAMES_PER_LATENT, HOP, LATENT_FRAMES};
use crate::music::plan::Plan;

pub use checkpoint::AlreadySent;
use checkpoint::RecentChroma;
use future::{Future, final_hop};
pub use networks::Networks;
use notes::StepNotes;
use splicer::Splicer;
pub use worker::{AHEAD, HopSource, Worker, WorkerEvent, WorkerStatus};

/// Why a latent could not be generated, or a checkpoint could not be restored.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GeneratorError {
    /// A network failed; the latent can be generated again.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A network returned NaN or infinity; during a performance, the music restarts with this latent.
    #[error("the {network} returned NaN or infinity at frame {frame}")]
    NotFinite {
        /// Name of the network.
        network: &'static str,
        /// First frame of the latent; 0 while the networks are warmed up.
        frame: u64,
    },
    /// No plan has been accepted yet.
    #[error("no plan yet")]
    NoPlan,
    /// A checkpoint's state cannot be restored.
    #[error("the saved state is damaged or belongs to other networks")]
    InvalidState,
}

/// The notes and mel frames of a generated latent, and their analysis.
#[derive(Debug, Clone, PartialEq)]
pub struct GeneratedLatent {
    /// First of the latent's [`LATENT_FRAMES`] frames.
    pub from: u64,
    /// Strength of each pitch class from C upwards, scaled to a maximum of 1, in the eight spectra that this latent
    /// completed, which start four mel frames before it.
    pub chroma: [f32; 12],
    /// Onset strength in each of the latent's hops, 0..=1; 0 if the hop has no onset.
    pub onsets: [f32; FRAMES_PER_LATENT],
    /// The notes that begin in the latent, and its pedal action.
    pub written: StepNotes,
    /// The mel frames, starting [`notes::AHEAD`] hops before `from`.
    pub mel: Box<MelBlock>,
    /// Whether the music stalled although notes were requested; if so, the composer continues without its context.
    pub restarted: bool,
}

/// A pending splice to a new future.
#[derive(Debug)]
struct Change {
    replacement: Replacement,
    /// The first hop to play from the new future.
    splice: u64,
    /// Number of generated latents after which to splice even if the old future does not reach the end of the crossfade.
    deadline: Option<u64>,
}

impl Change {
    /// Returns the hop up to which the old future must be final before the change takes effect.
    fn due(&self) -> u64 {
        let deadline = self.deadline.map_or(u64::MAX, final_hop);
        deadline.min(self.splice + crossfade::FADE_HOPS)
    }
}

/// What a splice introduces.
#[derive(Debug)]
enum Replacement {
    /// A plan that applies from frame `planned` onwards. The latent that contains this frame is the first to be regenerated.
    Plan { plan: Arc<Plan>, planned: u64 },
    /// New networks.
    Networks(Box<Networks>),
}

/// Generates hops, one latent at a time. Runs on any thread except the audio thread.
#[derive(Debug)]
pub struct Generator {
    plan: Option<Arc<Plan>>,
    changes: VecDeque<Change>,
    future: Future,
    splicer: Splicer,
    /// Number of latents generated when the newest splice took effect.
    generated_at_splice: u64,
    recent_chroma: RecentChroma,
}

impl Generator {
    /// Creates a generator at frame 0 with the networks of a model, and warms them up.
    ///
    /// # Errors
    /// If a network fails or returns NaN or infinity.
    pub fn new(models: Models) -> Result<Self, GeneratorError> {
        let future = Future::new(Networks::new(models)?);
        let (changes, splicer, recent_chroma) = (VecDeque::new(), Splicer::new(), RecentChroma::default());
        Ok(Self { plan: None, changes, future, splicer, generated_at_splice: 0, recent_chroma })
    }

    /// Accepts a plan that extends the newest one without changing it.
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

    /// Returns the plan in effect.
    #[must_use]
    pub fn plan(&self) -> Option<&Plan> {
        self.plan.as_deref()
    }

    /// Accepts a plan that differs from frame `planned` onwards. The music is regenerated from the latent that contains
    /// `planned`, and the new future is played from frame `splice`, rounded up to a hop, in a new epoch with a crossfade of
    /// 32 ms. `splice` is later than `planned` if the splice is late. The plan takes effect in the first [`Generator::step`]
    /// after the old future has reached the end of the crossfade, so the sound does not depend on how far ahead the old future
    /// was generated.
    pub fn replan(&mut self, plan: Arc<Plan>, planned: u64, splice: u64) {
        self.replay_splice(plan, planned, splice, None);
    }

    /// Reproduces a logged splice: like [`Generator::replan`], but the plan takes effect at the latest once the latents before
    /// frame `generated_to` have been generated. Pass the value that [`Generator::generated_to`] returned once the original
    /// plan had taken effect; it is needed if [`Generator::resplice`] moved the splice after that.
    pub fn replay_splice(&mut self, plan: Arc<Plan>, planned: u64, splice: u64, generated_to: Option<u64>) {
        let splice = splice.max(planned).div_ceil(HOP as u64);
        let deadline = generated_to.map(|frame| frame / LATENT_FRAMES);
        self.changes.push_back(Change { replacement: Replacement::Plan { plan, planned }, splice, deadline });
    }

    /// Continues with new networks under the same plan. They inherit only the memory of earlier notes and start shortly before
    /// frame `splice`, rounded up to a hop; their sound is played from that hop onwards, in a new epoch with a crossfade of
    /// 32 ms.
    pub fn swap(&mut self, networks: Networks, splice: u64) {
        let splice = splice.div_ceil(HOP as u64);
        self.changes.push_back(Change {
            replacement: Replacement::Networks(Box::new(networks)),
            splice,
            deadline: None,
        });
    }

    /// Moves a late splice (the oldest pending one or, if none is pending, the newest that took effect) to frame `splice`,
    /// rounded up to a hop, where it starts a new epoch. Regenerates nothing.
    pub fn resplice(&mut self, splice: u64) {
        let hop = splice.div_ceil(HOP as u64);
        match self.changes.front_mut() {
            Some(change) => change.splice = hop,
            None => self.splicer.move_to(hop),
        }
    }

    /// Resumes after starvation at `frame` or less than one latent later, skipping the music before that. Does nothing if the
    /// music has been generated up to `frame`.
    pub fn resume_at(&mut self, frame: u64) {
        if self.future.skip_to(frame) {
            self.splicer.resume_at(self.future.final_hop());
        }
    }

    /// Returns the frame up to which hops have been sent in the current epoch, or the frame of the next splice if that is
    /// earlier.
    #[must_use]
    pub fn covered(&self) -> u64 {
        let next = self.splicer.next_hop();
        self.changes.front().map_or(next, |change| change.splice.min(next)) * HOP as u64
    }

    /// Returns the frame up to which latents had been generated when the newest splice took effect.
    #[must_use]
    pub fn generated_to(&self) -> u64 {
        self.generated_at_splice * LATENT_FRAMES
    }

    /// Returns the current epoch, which increases with every splice.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.splicer.epoch()
    }

    /// Carries out the splices that are due, generates one latent, and appends to `out` the hops that have become final,
    /// ordered by index.
    ///
    /// # Errors
    /// If a network fails or returns NaN or infinity, or if there is no plan.
    pub fn step(&mut self, out: &mut Vec<Hop>) -> Result<GeneratedLatent, GeneratorError> {
        while self.changes.front().is_some_and(|change| change.due() <= self.future.final_hop()) {
            let change = self.changes.pop_front().expect("a change should be pending");
            self.splice(change);
        }
        let plan = self.plan.clone().ok_or(GeneratorError::NoPlan)?;
        let latent = self.future.advance(&plan)?;
        self.recent_chroma.push(latent.from, latent.chroma);
        let splice = self.changes.front().map_or(u64::MAX, |change| change.splice);
        self.splicer.send(self.future.hops(), self.future.final_hop(), splice, out);
        Ok(latent)
    }

    /// Recovers from a step that panicked: restores the state before the step and restarts the music there.
    pub fn recover(&mut self) {
        self.future.recover();
    }

    /// Carries out a change: prepares the crossfade and rolls back to where the change starts. A plan that starts further back
    /// than the history takes effect with the next latent.
    fn splice(&mut self, change: Change) {
        self.generated_at_splice = self.future.latent();
        self.splicer.start_epoch(change.splice, self.future.hops(), self.future.final_hop());
        match change.replacement {
            Replacement::Plan { plan, planned } => {
                self.plan = Some(plan);
                self.future.rewind(planned);
            }
            Replacement::Networks(networks) => self.future.replace(*networks, change.splice),
        }
    }
}
