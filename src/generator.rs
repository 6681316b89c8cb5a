//! The generator: the composer decides notes, the pianist plays them as mel frames, and the vocoder turns these into samples,
//! in hops on the timeline.
//!
//! Latent `k` covers the frames from `4096 k` on. The plan's conditions there determine it, together with random numbers
//! that depend only on the seed and `k`. Once it is generated, the hops before `8 k + 2` are final.
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
use crate::mel::{FRAMES_PER_LATENT, HOP};
use crate::music::plan::Plan;

pub use checkpoint::AlreadySent;
use checkpoint::RecentChroma;
use future::{Future, final_hop};
pub use networks::Networks;
use notes::StepNotes;
use splicer::Splicer;
pub use worker::{AHEAD, HopSource, Worker, WorkerEvent, WorkerStatus};

/// Frames of one latent.
pub const LATENT_FRAMES: u64 = (FRAMES_PER_LATENT * HOP) as u64;

/// Why a latent could not be generated.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GeneratorError {
    /// A network failed; the generator's state is unchanged.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A network returned NaN or infinity; the music restarts with this latent.
    #[error("the {network} returned NaN or infinity at frame {frame}")]
    NotFinite {
        /// The network.
        network: &'static str,
        /// First frame of the latent.
        frame: u64,
    },
    /// There is no plan yet.
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
    /// Strength of each pitch class from C up, scaled to a maximum of 1, over the spectra that this latent completed, which
    /// start four mel frames before it.
    pub chroma: [f32; 12],
    /// Onset strength in each hop from `from` on, 0..=1; 0 without an onset.
    pub onsets: [f32; FRAMES_PER_LATENT],
    /// The notes that begin, and the pedal.
    pub written: StepNotes,
    /// The mel frames, starting [`notes::AHEAD`] frames before `from`.
    pub mel: Box<MelBlock>,
    /// Whether the network had stalled although notes were requested, so that the composer restarts without its context.
    pub restarted: bool,
}

/// A pending splice to a new future.
#[derive(Debug)]
struct Change {
    replacement: Replacement,
    /// First hop of the new future that is played.
    splice: u64,
    /// The number of latents at which to roll back even if the old future does not yet reach the end of the crossfade.
    known: Option<u64>,
}

impl Change {
    /// Returns the hop up to which the old future must be final before the change takes effect.
    fn due(&self) -> u64 {
        let known = self.known.map_or(u64::MAX, final_hop);
        known.min(self.splice + crossfade::FADE_HOPS)
    }
}

/// What the new future replaces.
#[derive(Debug)]
enum Replacement {
    /// A plan that differs from frame `planned` on; the latent there is the first to be regenerated.
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
    /// Latents generated when the newest splice took effect.
    known: u64,
    recent_chroma: RecentChroma,
}

impl Generator {
    /// Creates a generator at frame 0 with the networks of a model, and warms them up.
    ///
    /// # Errors
    /// If a network fails; see [`Networks::new`].
    pub fn new(models: Models) -> Result<Self, GeneratorError> {
        let future = Future::new(Networks::new(models)?);
        let (changes, splicer, recent_chroma) = (VecDeque::new(), Splicer::new(), RecentChroma::default());
        Ok(Self { plan: None, changes, future, splicer, known: 0, recent_chroma })
    }

    /// Accepts a plan that extends the current one without changing it.
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

    /// Returns the plan for the next latent.
    #[must_use]
    pub fn plan(&self) -> Option<&Plan> {
        self.plan.as_deref()
    }

    /// Accepts a plan that differs from frame `planned` on. The latent there is regenerated, and the new future is played
    /// from frame `splice` on (the same frame, or later if the splice is late), in a new epoch with a crossfade of 32 ms.
    /// Both frames are rounded up to hops. The plan takes effect in the first [`Generator::step`] in which the old future
    /// reaches the end of the crossfade, so the sound does not depend on how far ahead it was generated.
    pub fn replan(&mut self, plan: Arc<Plan>, planned: u64, splice: u64) {
        self.replay_splice(plan, planned, splice, None);
    }

    /// Reproduces a logged splice: like [`Generator::replan`], but takes effect at the latest once the latents before frame
    /// `known` are generated. Pass the value of [`Generator::known`] from when the splice took effect, because
    /// [`Generator::resplice`] may have moved it since.
    pub fn replay_splice(&mut self, plan: Arc<Plan>, planned: u64, splice: u64, known: Option<u64>) {
        let splice = splice.max(planned).div_ceil(HOP as u64);
        let known = known.map(|frame| frame / LATENT_FRAMES);
        self.changes.push_back(Change { replacement: Replacement::Plan { plan, planned }, splice, known });
    }

    /// Continues with new networks under the same plan. They start from scratch slightly before frame `splice`, rounded up
    /// to hops, and are played from there on, in a new epoch with a crossfade of 32 ms.
    pub fn swap(&mut self, networks: Networks, splice: u64) {
        let splice = splice.div_ceil(HOP as u64);
        self.changes.push_back(Change { replacement: Replacement::Networks(Box::new(networks)), splice, known: None });
    }

    /// Moves the oldest pending splice, or if there is none, the newest one that took effect, to a later frame, where it
    /// starts a new epoch. For splices that the engine would receive, or has received, too late. Regenerates nothing.
    pub fn resplice(&mut self, splice: u64) {
        let hop = splice.div_ceil(HOP as u64);
        match self.changes.front_mut() {
            Some(change) => change.splice = hop,
            None => self.splicer.move_to(hop),
        }
    }

    /// Resumes at `frame`, or up to 128 ms later, after the engine was starved, and skips the music before. Does nothing if
    /// `frame` is covered.
    pub fn resume_at(&mut self, frame: u64) {
        if self.future.skip_to(frame) {
            self.splicer.resume_at(self.future.final_hop());
        }
    }

    /// Returns the frame up to which hops have been sent in the current epoch.
    #[must_use]
    pub fn covered(&self) -> u64 {
        let next = self.splicer.next_hop();
        self.changes.front().map_or(next, |change| change.splice.min(next)) * HOP as u64
    }

    /// Returns the frame up to which latents had been generated when the newest splice took effect.
    #[must_use]
    pub fn known(&self) -> u64 {
        self.known * LATENT_FRAMES
    }

    /// Returns the current epoch, which increases with every splice.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.splicer.epoch()
    }

    /// Generates one latent and appends the hops that are now final, ordered by index.
    ///
    /// # Errors
    /// If a network fails or returns NaN or infinity, or if there is no plan.
    pub fn step(&mut self, out: &mut Vec<Hop>) -> Result<GeneratedLatent, GeneratorError> {
        while self.changes.front().is_some_and(|change| change.due() <= self.future.final_hop()) {
            let change = self.changes.pop_front().expect("the front exists");
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

    /// Rolls back to where a change starts and prepares the crossfade. If the change is further back than the history, the
    /// new plan starts at the current latent.
    fn splice(&mut self, change: Change) {
        self.known = self.future.latent();
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
