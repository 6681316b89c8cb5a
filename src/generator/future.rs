//! The generated future: latents and their audio, rolled back when the plan changes.

use serde::{Deserialize, Serialize};

use super::GeneratorError;
use super::chroma::Chroma;
use super::composer::{Kept, Recollection};
use super::history::{History, Snapshot, State};
use super::hop_ring::HopRing;
use super::networks::Networks;
use super::{Heard, LATENT_FRAMES};
use crate::event::Hop;
use crate::generator::model::LOOK_AHEAD;
use crate::generator::notes::{AHEAD, WrittenFrame};
use crate::generator::pianist::PianistState;
use crate::generator::vocoder::{Istft, MelBlock, OVERLAP};
use crate::mel::{FRAMES_PER_LATENT, HOP};
use crate::music::plan::Plan;

/// Hops of a latent that become final only with the next one: pianist and vocoder look ahead, and the windows of two later
/// frames overlap a hop.
pub(super) const LATE_HOPS: u64 = (AHEAD + LOOK_AHEAD) as u64 + 2;

/// Latents that new networks generate before the crossfade, so that they enter mid-phrase: 0.7 s. Plan changes may rewind
/// into them, so steering latency is unaffected.
pub(super) const RUN_IN: u64 = 8;

/// The networks, their state, and their latest audio.
#[derive(Debug)]
pub(super) struct Future {
    networks: Networks,
    istft: Istft,
    state: State,
    history: History,
    tape: HopRing,
    /// The part of the next latent's notes that is kept.
    kept: Option<Kept>,
}

/// A future's state, for a checkpoint.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FutureState {
    now: Snapshot,
    composer: Recollection,
    history: History,
    tape: Vec<Hop>,
    kept: Option<Kept>,
}

impl Future {
    /// Creates a future at frame 0.
    pub(super) fn new(networks: Networks) -> Self {
        Self {
            state: State::start(0, networks.start()),
            networks,
            istft: Istft::new(),
            history: History::default(),
            tape: HopRing::new(),
            kept: None,
        }
    }

    /// Returns the number of latents generated.
    pub(super) fn latent(&self) -> u64 {
        self.state.latent
    }

    /// Returns the latest hops.
    pub(super) fn hops(&self) -> &HopRing {
        &self.tape
    }

    /// Returns the hop after the last final one.
    pub(super) fn final_hop(&self) -> u64 {
        final_hop(self.state.latent)
    }

    /// Generates the next latent and its audio. On error, the state is unchanged, except that the music restarts after NaN or
    /// infinity.
    ///
    /// # Errors
    /// If a network fails or returns NaN or infinity.
    pub(super) fn advance(&mut self, plan: &Plan) -> Result<Heard, GeneratorError> {
        let snapshot = self.snapshot();
        self.history.push(snapshot);
        self.decide(plan).inspect_err(|error| {
            self.step_back();
            if matches!(error, GeneratorError::NotFinite { .. }) {
                self.start_afresh();
            }
        })
    }

    /// Recovers from a step that panicked: restores the state before it and restarts the music there.
    pub(super) fn recover(&mut self) {
        self.step_back();
        self.start_afresh();
    }

    /// Rolls back to before the latent that contains a frame. Notes of that latent that begin before the frame stay. Does
    /// nothing if that is further back than the history.
    pub(super) fn rewind(&mut self, frame: u64) {
        if let Some(snapshot) = self.history.rewind(frame / LATENT_FRAMES) {
            self.kept = self.networks.composer.rewind(frame);
            self.restore(snapshot);
        }
    }

    /// Continues with new networks, which start from scratch slightly before the hop from which they are played.
    pub(super) fn replace(&mut self, networks: Networks, heard: u64) {
        let latent = (heard / FRAMES_PER_LATENT as u64).saturating_sub(RUN_IN);
        let before = std::mem::replace(&mut self.networks, networks);
        self.networks.composer.continue_from(before.composer, latent);
        self.state = State::start(latent, self.networks.start());
        self.kept = None;
        self.history.forget();
        *self.istft.overlap() = [0.0; OVERLAP];
    }

    /// Skips to the latent that makes `frame` final. Returns whether any latents were skipped.
    pub(super) fn skip_to(&mut self, frame: u64) -> bool {
        let latent = (frame.div_ceil(HOP as u64) + LATE_HOPS).div_ceil(FRAMES_PER_LATENT as u64);
        let skips = latent > self.state.latent;
        if skips {
            self.state.latent = latent;
        }
        skips
    }

    /// Returns its state, from which it can be rewound to a hop and later ones.
    pub(super) fn save(&mut self, first: u64) -> FutureState {
        FutureState {
            now: self.snapshot(),
            composer: self.networks.composer.recollection(),
            history: self.history.since(first / FRAMES_PER_LATENT as u64),
            tape: self.tape.since(first),
            kept: self.kept.clone(),
        }
    }

    /// Continues from a state with the same networks; returns `false`, and changes nothing, if it had others.
    pub(super) fn resume(&mut self, state: FutureState) -> bool {
        let FutureState { now, composer, history, tape, kept } = state;
        let own = self.snapshot();
        let fits = now.fits(&own) && history.fits(&own) && self.networks.composer.recollect(composer);
        if fits {
            self.restore(now);
            (self.history, self.tape, self.kept) = (history, HopRing::of(&tape), kept);
        }
        fits
    }

    fn step_back(&mut self) {
        if let Some(snapshot) = self.history.pop() {
            self.restore(snapshot);
        }
    }

    fn decide(&mut self, plan: &Plan) -> Result<Heard, GeneratorError> {
        let State { latent, composer, pianist, .. } = &mut self.state;
        let (latent, kept) = (*latent, self.kept.take());
        let written = self.networks.composer.write(composer, latent, plan, kept.as_ref())?;
        let mel = self.networks.pianist.play(pianist, latent, plan, &written)?;
        let chroma = self.sound(&mel)?;
        let from = latent * LATENT_FRAMES;
        self.state.latent += 1;
        let restarted = self.state.stall.is_stuck(&mel, &plan.conditions(from));
        if restarted {
            self.state.composer.start_afresh();
        }
        Ok(Heard { from, chroma, onsets: onsets(&written), written, mel: Box::new(mel), restarted })
    }

    /// Runs the vocoder: turns mel frames into eight hops in the ring. Returns their chroma.
    fn sound(&mut self, mel: &MelBlock) -> Result<[f32; 12], GeneratorError> {
        let first_hop = (self.state.latent * FRAMES_PER_LATENT as u64).checked_sub(LATE_HOPS);
        let mut chroma = Chroma::default();
        let mut hop = [0.0; HOP];
        let mut finite = true;
        for (i, (real, imag)) in self.networks.vocoder.step(mel)?.frames().enumerate() {
            // Frames before the first mel frame are not part of the music.
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
                self.tape.put(index, &hop);
            }
        }
        if !finite {
            return Err(GeneratorError::NotFinite { network: "vocoder", frame: self.state.latent * LATENT_FRAMES });
        }
        Ok(chroma.shares())
    }

    fn snapshot(&mut self) -> Snapshot {
        Snapshot {
            state: self.state.clone(),
            pianist: self.networks.pianist.states().map(|state| state.to_vec()),
            vocoder: self.networks.vocoder.state().to_vec(),
            overlap: *self.istft.overlap(),
        }
    }

    fn restore(&mut self, snapshot: Snapshot) {
        self.state = snapshot.state;
        for (state, saved) in self.networks.pianist.states().into_iter().zip(&snapshot.pianist) {
            state.copy_from_slice(saved);
        }
        self.networks.vocoder.state().copy_from_slice(&snapshot.vocoder);
        *self.istft.overlap() = snapshot.overlap;
    }

    /// Resets all state to that of the start, but continues at this latent.
    fn start_afresh(&mut self) {
        self.state.composer.start_afresh();
        self.state.pianist = PianistState::default();
        self.networks.forget();
        *self.istft.overlap() = [0.0; OVERLAP];
    }
}

/// The strength of the onset in each hop of a latent: the highest velocity, relative to the maximum.
fn onsets(written: &WrittenFrame) -> [f32; FRAMES_PER_LATENT] {
    let mut onsets = [0.0f32; FRAMES_PER_LATENT];
    for note in &written.notes {
        let onset = &mut onsets[usize::from(note.offset)];
        *onset = onset.max(f32::from(note.midi_velocity()) / 127.0);
    }
    onsets
}

/// Returns the hop after the last final one after a number of latents.
pub(super) fn final_hop(latents: u64) -> u64 {
    (latents * FRAMES_PER_LATENT as u64).saturating_sub(LATE_HOPS)
}
