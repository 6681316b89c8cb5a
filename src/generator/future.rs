//! The future: the latents and hops that the networks generate under the current plan. When the plan changes, they are rolled
//! back and generated again.

use serde::{Deserialize, Serialize};

use super::GeneratedLatent;
use super::GeneratorError;
use super::chroma::Chroma;
use super::composer::{ComposerHistory, KeptNotes};
use super::history::{History, Snapshot, State};
use super::hop_ring::HopRing;
use super::networks::Networks;
use crate::event::Hop;
use crate::generator::model::LOOK_AHEAD;
use crate::generator::notes::{AHEAD, StepNotes};
use crate::generator::pianist::PianistState;
use crate::generator::vocoder::{Istft, MelBlock, OVERLAP};
use crate::mel::{FRAMES_PER_LATENT, HOP, LATENT_FRAMES};
use crate::music::plan::Plan;

/// Number of a latent's hops that become final only with the next latent: the pianist and the vocoder look ahead, and the
/// windows of the next two mel frames overlap each hop.
pub(super) const LATE_HOPS: u64 = (AHEAD + LOOK_AHEAD) as u64 + 2;

/// Number of latents (0.7 s) that new networks generate before the crossfade, so that they enter mid-phrase, and the maximum
/// regenerated before a late splice. A new plan can rewind into these latents, so they do not delay steering.
pub(super) const LEAD_IN: u64 = 8;

/// Generates the future with the current networks, and keeps its latest hops. One value serves the whole performance: it is
/// rewound for a new plan, and its networks can be replaced.
#[derive(Debug)]
pub(super) struct Future {
    networks: Networks,
    istft: Istft,
    state: State,
    history: History,
    hops: HopRing,
    /// The part of the next latent that was already decided and is kept.
    kept: Option<KeptNotes>,
}

/// A future's state, for a checkpoint.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FutureState<'a> {
    now: Snapshot,
    composer: ComposerHistory<'a>,
    history: History,
    hops: Vec<Hop>,
    kept: Option<KeptNotes>,
}

impl Future {
    /// Creates a future at frame 0.
    pub(super) fn new(networks: Networks) -> Self {
        Self {
            state: State::start(0, networks.initial_composer_state()),
            networks,
            istft: Istft::new(),
            history: History::default(),
            hops: HopRing::new(),
            kept: None,
        }
    }

    /// Returns the index of the next latent.
    pub(super) fn latent(&self) -> u64 {
        self.state.latent
    }

    /// Returns the latest hops.
    pub(super) fn hops(&self) -> &HopRing {
        &self.hops
    }

    /// Returns the hop after the last final one.
    pub(super) fn final_hop(&self) -> u64 {
        final_hop(self.state.latent)
    }

    /// Generates the next latent and its audio. After an error, the state is unchanged, except that the music restarts after
    /// NaN or infinity.
    ///
    /// # Errors
    /// If a network fails or returns NaN or infinity.
    pub(super) fn advance(&mut self, plan: &Plan) -> Result<GeneratedLatent, GeneratorError> {
        let snapshot = self.snapshot();
        self.history.push(snapshot);
        self.generate(plan).inspect_err(|error| {
            self.undo_step();
            if matches!(error, GeneratorError::NotFinite { .. }) {
                self.restart();
            }
        })
    }

    /// Recovers from a step that panicked: restores the state before the step and restarts the music there.
    pub(super) fn recover(&mut self) {
        self.undo_step();
        self.restart();
    }

    /// Rolls back to the start of the latent that contains `frame`, but keeps its pedal action and the notes that begin before
    /// `frame`. Does nothing if that latent is further back than the history, or has not been generated.
    pub(super) fn rewind(&mut self, frame: u64) {
        if let Some(snapshot) = self.history.rewind(frame / LATENT_FRAMES) {
            self.kept = self.networks.composer.rewind(frame);
            self.restore(snapshot);
        }
    }

    /// Continues with new networks. They inherit only the memory of earlier notes, and start [`LEAD_IN`] latents before hop
    /// `splice`, where they fade in.
    pub(super) fn replace(&mut self, networks: Networks, splice: u64) {
        let latent = (splice / FRAMES_PER_LATENT as u64).saturating_sub(LEAD_IN);
        let previous = std::mem::replace(&mut self.networks, networks);
        self.networks.composer.adopt_memory(previous.composer, latent);
        self.state = State::start(latent, self.networks.initial_composer_state());
        self.kept = None;
        self.history.clear();
        *self.istft.overlap() = [0.0; OVERLAP];
    }

    /// Skips to the first latent that produces no hops before `frame`. Returns whether any latents were skipped.
    pub(super) fn skip_to(&mut self, frame: u64) -> bool {
        let latent = (frame.div_ceil(HOP as u64) + LATE_HOPS).div_ceil(FRAMES_PER_LATENT as u64);
        let skips = latent > self.state.latent;
        if skips {
            self.state.latent = latent;
        }
        skips
    }

    /// Returns the state for a checkpoint, with the history and hops needed to rewind to hop `first` or later.
    pub(super) fn save(&mut self, first: u64) -> FutureState<'_> {
        FutureState {
            now: self.snapshot(),
            composer: self.networks.composer.save_history(),
            history: self.history.since(first / FRAMES_PER_LATENT as u64),
            hops: self.hops.since(first),
            kept: self.kept.clone(),
        }
    }

    /// Restores a saved state. If it was saved with networks of other dimensions, changes nothing and returns `false`.
    pub(super) fn load(&mut self, state: FutureState<'_>) -> bool {
        let FutureState { now, composer, history, hops, kept } = state;
        let own = self.snapshot();
        let fits = now.fits(&own) && history.fits(&own) && self.networks.composer.restore_history(composer);
        if fits {
            self.restore(now);
            (self.history, self.hops, self.kept) = (history, HopRing::from_hops(&hops), kept);
        }
        fits
    }

    fn undo_step(&mut self) {
        if let Some(snapshot) = self.history.pop() {
            self.restore(snapshot);
        }
    }

    fn generate(&mut self, plan: &Plan) -> Result<GeneratedLatent, GeneratorError> {
        let State { latent, composer, pianist, .. } = &mut self.state;
        let latent = *latent;
        let written = self.networks.composer.write(composer, latent, plan, self.kept.as_ref())?;
        let mel = self.networks.pianist.play(pianist, latent, plan, &written)?;
        let chroma = self.synthesize(&mel, plan.steering.economy)?;
        let from = latent * LATENT_FRAMES;
        self.kept = None;
        self.state.latent += 1;
        let restarted = self.state.stall_detector.update(&mel, &plan.conditions(from));
        if restarted {
            self.state.composer.forget_context();
        }
        Ok(GeneratedLatent { from, chroma, onsets: onsets(&written), written, mel: Box::new(mel), restarted })
    }

    /// Turns a latent's mel frames into hops and stores them. Returns the chroma of the spectra.
    fn synthesize(&mut self, mel: &MelBlock, economy: bool) -> Result<[f32; 12], GeneratorError> {
        let first_hop = (self.state.latent * FRAMES_PER_LATENT as u64).checked_sub(LATE_HOPS);
        let mut chroma = Chroma::default();
        let mut hop = [0.0; HOP];
        let mut finite = true;
        for (i, (real, imag)) in self.networks.vocoder.step(mel, economy)?.frames().enumerate() {
            // Spectra from before frame 0 are not part of the music.
            if first_hop.is_none() && i < AHEAD + LOOK_AHEAD {
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
                self.hops.put(index, &hop);
            }
        }
        if !finite {
            return Err(GeneratorError::NotFinite { network: "vocoder", frame: self.state.latent * LATENT_FRAMES });
        }
        Ok(chroma.normalized())
    }

    fn snapshot(&mut self) -> Snapshot {
        Snapshot {
            state: self.state.clone(),
            pianist: self.networks.pianist.states().map(|state| state.to_vec()),
            vocoder: self.networks.vocoder.save(),
            overlap: *self.istft.overlap(),
        }
    }

    fn restore(&mut self, snapshot: Snapshot) {
        self.state = snapshot.state;
        for (state, saved) in self.networks.pianist.states().into_iter().zip(&snapshot.pianist) {
            state.copy_from_slice(saved);
        }
        self.networks.vocoder.restore(&snapshot.vocoder);
        *self.istft.overlap() = snapshot.overlap;
    }

    /// Clears the composer's context and the states of the pianist and the vocoder. The music continues with the next latent.
    fn restart(&mut self) {
        self.state.composer.forget_context();
        self.state.pianist = PianistState::default();
        self.networks.reset();
        *self.istft.overlap() = [0.0; OVERLAP];
    }
}

/// Returns the onset strength in each hop of a latent: the highest MIDI velocity of the notes that begin in it, divided by
/// 127.
fn onsets(written: &StepNotes) -> [f32; FRAMES_PER_LATENT] {
    let mut onsets = [0.0f32; FRAMES_PER_LATENT];
    for note in &written.notes {
        let onset = &mut onsets[usize::from(note.offset)];
        *onset = onset.max(f32::from(note.midi_velocity()) / 127.0);
    }
    onsets
}

/// Returns the hop after the last final one once `latents` latents have been generated.
pub(super) fn final_hop(latents: u64) -> u64 {
    (latents * FRAMES_PER_LATENT as u64).saturating_sub(LATE_HOPS)
}
