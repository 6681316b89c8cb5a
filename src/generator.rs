//! The generator: latents by the transformer, mel frames by the decoder, samples by the vocoder, in hops on the time line.
//!
//! Latent `k` is decided for the frames from `4096 k` on, by the plan's conditions there and by noise that depends on
//! seed and `k` alone. Once it is decided, the hops before `8 k + 4` are final. [`Generator::replan`] goes back to an
//! earlier latent and crosses over into another future.

mod chroma;
mod context;
mod crossfade;
mod history;
pub mod model;
mod networks;
mod noise;
#[cfg(test)]
mod parity;
mod tape;
mod vigil;
pub mod vocoder;
mod worker;

use std::collections::VecDeque;
use std::sync::Arc;

use thiserror::Error;

use crate::event::Hop;
use crate::generator::model::{LATENT_DIMS, LOOK_AHEAD, Latent, ModelError, Models, stateful};
use crate::generator::vocoder::{Istft, MelBlock, OVERLAP};
use crate::mel::{FRAMES_PER_LATENT, HOP};
use crate::music::plan::Plan;
use crate::music::temperature::heeded_guidance;

use chroma::Chroma;
use context::Wanted;
use crossfade::Crossfade;
use history::{History, Now, Snapshot};
pub use networks::Networks;
use noise::noise;
use tape::Tape;
pub use worker::{AHEAD, HopSource, Worker, WorkerEvent, WorkerStatus};

/// Frames of one latent.
pub const LATENT_FRAMES: u64 = (FRAMES_PER_LATENT * HOP) as u64;

/// Hops of a latent's mel frames that are not final before the next: the vocoder looks ahead, and a hop is under the
/// windows of two more frames.
const LATE_HOPS: u64 = LOOK_AHEAD as u64 + 2;

/// Latents that other networks generate before they are heard, so that they come in playing and not with a first note:
/// 0.7 s. A change of plan may go back to them, so it is heard as soon as ever.
const RUN_IN: u64 = 8;

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
    other: Other,
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
enum Other {
    /// A plan that says something else from frame `planned` on: its latent is the first to be decided again.
    Plan { plan: Arc<Plan>, planned: u64 },
    /// Other networks.
    Networks(Box<Networks>),
}

/// Generates hops, latent by latent. Runs on any thread but the audio thread.
#[derive(Debug)]
pub struct Generator {
    networks: Networks,
    istft: Istft,
    plan: Option<Arc<Plan>>,
    now: Now,
    history: History,
    changes: VecDeque<Change>,
    /// The future being generated.
    fresh: Tape,
    /// What was sent of it, the crossfade included.
    sent: Tape,
    /// What was sent of the future it replaces.
    before: Tape,
    fade: Option<Crossfade>,
    epoch: u32,
    /// Latents that were decided when the newest splice took effect.
    known: u64,
    /// The next hop to be sent.
    next_hop: u64,
}

impl Generator {
    /// A generator at frame 0 with the networks of a model, warm.
    ///
    /// # Errors
    /// When a network fails; see [`Networks::new`].
    pub fn new(models: Models) -> Result<Self, GeneratorError> {
        Ok(Self {
            networks: Networks::new(models)?,
            istft: Istft::new(),
            plan: None,
            now: Now::start(0),
            history: History::default(),
            changes: VecDeque::new(),
            fresh: Tape::new(),
            sent: Tape::new(),
            before: Tape::new(),
            fade: None,
            epoch: 0,
            known: 0,
            next_hop: 0,
        })
    }

    /// Takes a plan that says the same up to here and more from here on.
    pub fn follow(&mut self, plan: Arc<Plan>) {
        let newest = self.changes.iter_mut().rev().find_map(|change| match &mut change.other {
            Other::Plan { plan, .. } => Some(plan),
            Other::Networks(_) => None,
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
        self.changes.push_back(Change { other: Other::Plan { plan, planned }, heard, known });
    }

    /// Plays on with other networks, under the same plan. They begin anew a little before frame `heard`, rounded up to
    /// hops, and are heard from there on, in a new epoch, after a crossfade of 32 ms.
    pub fn swap(&mut self, networks: Networks, heard: u64) {
        let heard = heard.div_ceil(HOP as u64);
        self.changes.push_back(Change { other: Other::Networks(Box::new(networks)), heard, known: None });
    }

    /// Moves the newest splice that took effect, or the oldest that did not, to a later frame, where it opens a new epoch:
    /// for when the engine would get it, or got it, too late. Nothing is generated again.
    pub fn resplice(&mut self, heard: u64) {
        let first = heard.div_ceil(HOP as u64);
        if let Some(change) = self.changes.front_mut() {
            change.heard = first;
            return;
        }
        self.fade = Some(Crossfade::new(first));
        self.epoch += 1;
        self.next_hop = first;
    }

    /// Goes on at `frame` or up to 128 ms later, after hops were missing from the engine: what should have been played
    /// until then is left out. Does nothing when that frame is covered.
    pub fn resume_at(&mut self, frame: u64) {
        let latent = (frame.div_ceil(HOP as u64) + LATE_HOPS).div_ceil(FRAMES_PER_LATENT as u64);
        if latent > self.now.latent {
            self.now.latent = latent;
            self.next_hop = self.final_hop();
            self.fade = None;
        }
    }

    /// Frames up to here were sent, in the current epoch.
    #[must_use]
    pub fn covered(&self) -> u64 {
        self.changes.front().map_or(self.next_hop, |change| change.heard.min(self.next_hop)) * HOP as u64
    }

    /// Frames up to here were decided when the newest splice took effect.
    #[must_use]
    pub fn known(&self) -> u64 {
        self.known * LATENT_FRAMES
    }

    /// The epoch that hops are sent in; rises with every splice.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Generates one latent and appends the hops that are final now, in the order of their indices.
    ///
    /// # Errors
    /// When a network fails or gives numbers that are not finite, or when there is no plan.
    pub fn step(&mut self, out: &mut Vec<Hop>) -> Result<Heard, GeneratorError> {
        while self.changes.front().is_some_and(|change| change.due() <= self.final_hop()) {
            let change = self.changes.pop_front().expect("the front was just looked at");
            self.splice(change);
        }
        let plan = self.plan.clone().ok_or(GeneratorError::NoPlan)?;
        let snapshot = self.snapshot();
        self.history.push(snapshot);
        match self.advance(&plan) {
            Ok(heard) => {
                self.send(out);
                Ok(heard)
            }
            Err(error) => {
                self.step_back();
                if matches!(error, GeneratorError::NotFinite { .. }) {
                    self.start_afresh();
                }
                Err(error)
            }
        }
    }

    /// Makes good for a step that panicked: goes back to before it and starts the music afresh there.
    pub fn recover(&mut self) {
        self.step_back();
        self.start_afresh();
    }

    /// Back to before the last latent.
    fn step_back(&mut self) {
        if let Some(snapshot) = self.history.pop() {
            self.restore(&snapshot);
        }
    }

    /// The hop after the last final one.
    fn final_hop(&self) -> u64 {
        final_hop(self.now.latent)
    }

    /// Goes back to where a change begins and prepares the crossfade. What lies further back than what is kept begins here.
    fn splice(&mut self, change: Change) {
        self.known = self.now.latent;
        self.complete_old();
        match change.other {
            Other::Plan { plan, planned } => {
                self.plan = Some(plan);
                if let Some(snapshot) = self.history.rewind(planned / LATENT_FRAMES) {
                    self.restore(&snapshot);
                }
            }
            Other::Networks(networks) => {
                self.networks = *networks;
                self.now = Now::start((change.heard / FRAMES_PER_LATENT as u64).saturating_sub(RUN_IN));
                self.history.forget();
                *self.istft.overlap() = [0.0; OVERLAP];
            }
        }
        // What is heard up to the splice is what was sent last, unless that was to begin only after it.
        if self.fade.is_none_or(|fade| fade.first < change.heard) {
            std::mem::swap(&mut self.before, &mut self.sent);
        }
        self.sent.clear();
        self.fade = Some(Crossfade::new(change.heard));
        self.epoch += 1;
        self.next_hop = self.next_hop.min(change.heard);
    }

    /// Renders the old future beyond what was sent of it, for the crossfade.
    fn complete_old(&mut self) {
        self.render(self.next_hop, u64::MAX);
    }

    /// Decides the next latent and makes it sound.
    fn advance(&mut self, plan: &Plan) -> Result<Heard, GeneratorError> {
        let from = self.now.latent * LATENT_FRAMES;
        let conditions = plan.conditions(from);
        let temperature = plan.temperature(from);
        let noise = noise(plan.seed, self.now.latent, temperature);
        self.decide(&Wanted {
            conditions: &conditions.to_vector(),
            reference: &conditions.reference().to_vector(),
            noise: &noise,
            guidance: heeded_guidance(plan.guidance(from), temperature),
        })?;
        let (mel, chroma) = self.sound()?;
        self.now.place.position += 1;
        self.now.latent += 1;
        let restarted = self.now.vigil.is_stuck(&mel, &conditions);
        if restarted {
            self.now.place.begin = self.now.place.position;
        }
        Ok(Heard { from, chroma, onsets: self.now.vigil.onsets(), latent: self.now.z, restarted })
    }

    /// The transformer's part.
    fn decide(&mut self, wanted: &Wanted<'_>) -> Result<(), GeneratorError> {
        self.now.z = self.networks.context.step(self.now.place, &self.now.z, wanted)?;
        self.finite("transformer", &self.now.z)
    }

    /// Decoder and vocoder: turns the latent just decided into eight hops on the fresh tape.
    fn sound(&mut self) -> Result<(MelBlock, [f32; 12]), GeneratorError> {
        let decoder = &mut self.networks.decoder;
        decoder.input(stateful::INPUT).copy_from_slice(&self.now.z);
        decoder.step()?;
        let mel: MelBlock = decoder.output(0).try_into().expect("the shape was checked at load");
        self.finite("decoder", &mel)?;
        let first_frame = (self.now.latent * FRAMES_PER_LATENT as u64).checked_sub(LOOK_AHEAD as u64);
        let first_hop = (self.now.latent * FRAMES_PER_LATENT as u64).checked_sub(LATE_HOPS);
        let mut chroma = Chroma::default();
        let mut hop = [0.0; HOP];
        let mut finite = true;
        for (i, (real, imag)) in self.networks.vocoder.step(&mel)?.frames().enumerate() {
            // Frames before the first mel frame are no part of the music.
            if first_frame.is_none() && i < LOOK_AHEAD {
                continue;
            }
            chroma.add(real, imag);
            self.istft.push(real, imag, &mut hop);
            finite &= hop.iter().all(|sample| sample.is_finite());
            let index = match first_hop {
                Some(first) => Some(first + i as u64),
                None => (i as u64).checked_sub(LATE_HOPS),
            };
            if let Some(index) = index {
                self.fresh.put(index, &hop);
            }
        }
        if !finite {
            return Err(self.not_finite("vocoder"));
        }
        Ok((mel, chroma.shares()))
    }

    /// Sends the hops that are final, up to the next splice.
    fn send(&mut self, out: &mut Vec<Hop>) {
        let splice = self.changes.front().map_or(u64::MAX, |change| change.heard);
        let first = self.next_hop;
        self.next_hop = self.render(first, splice);
        let hops = (first..self.next_hop).filter_map(|index| Some((index, self.sent.get(index)?)));
        out.extend(hops.map(|(index, samples)| Hop { index, epoch: self.epoch, samples: *samples }));
    }

    /// Writes hops from `first` on to the tape of what is sent, as far as they are final and before `until`: of the old
    /// future up to the splice, then the crossfade, then the new future. Returns the hop after the last.
    fn render(&mut self, first: u64, until: u64) -> u64 {
        let mut ready = self.final_hop();
        if let Some(fade) = &mut self.fade {
            if ready < fade.end() {
                ready = fade.first;
            } else {
                fade.measure(&self.before, &self.fresh);
            }
        }
        let until = until.min(ready);
        for index in first..until {
            let samples = match &self.fade {
                Some(fade) if index < fade.first => self.before.get(index).copied(),
                Some(fade) => self.fresh.get(index).map(|new| fade.mix(index, self.before.get(index), new)),
                None => self.fresh.get(index).copied(),
            };
            if let Some(samples) = samples {
                self.sent.put(index, &samples);
            }
        }
        until.max(first)
    }

    fn snapshot(&mut self) -> Snapshot {
        Snapshot {
            now: self.now,
            decoder: self.networks.decoder.input(stateful::STATE).to_vec(),
            vocoder: self.networks.vocoder.state().to_vec(),
            overlap: *self.istft.overlap(),
        }
    }

    fn restore(&mut self, snapshot: &Snapshot) {
        self.now = snapshot.now;
        self.networks.decoder.input(stateful::STATE).copy_from_slice(&snapshot.decoder);
        self.networks.vocoder.state().copy_from_slice(&snapshot.vocoder);
        *self.istft.overlap() = snapshot.overlap;
    }

    /// Forgets everything that was played, as at the start, but stays at this latent.
    fn start_afresh(&mut self) {
        self.now.place.begin = self.now.place.position;
        self.now.z = [0.0; LATENT_DIMS];
        self.networks.forget();
        *self.istft.overlap() = [0.0; OVERLAP];
    }

    fn finite(&self, network: &'static str, values: &[f32]) -> Result<(), GeneratorError> {
        if values.iter().all(|value| value.is_finite()) { Ok(()) } else { Err(self.not_finite(network)) }
    }

    fn not_finite(&self, network: &'static str) -> GeneratorError {
        GeneratorError::NotFinite { network, frame: self.now.latent * LATENT_FRAMES }
    }
}

/// The hop after the last final one when so many latents are decided.
fn final_hop(latents: u64) -> u64 {
    (latents * FRAMES_PER_LATENT as u64).saturating_sub(LATE_HOPS)
}
