//! The generated future: latents and their audio, rolled back when the plan changes.

use super::GeneratorError;
use super::chroma::Chroma;
use super::context::StepInput;
use super::history::{History, Snapshot, State};
use super::hop_ring::HopRing;
use super::networks::Networks;
use super::noise::noise;
use super::{Heard, LATENT_FRAMES};
use crate::generator::model::{LATENT_DIMS, LOOK_AHEAD, stateful};
use crate::generator::vocoder::{Istft, MelBlock, OVERLAP};
use crate::mel::{FRAMES_PER_LATENT, HOP};
use crate::music::plan::Plan;
use crate::music::temperature::heeded_guidance;

/// Hops of a latent that become final only with the next one: the vocoder looks ahead, and the windows of two later frames
/// overlap a hop.
const LATE_HOPS: u64 = LOOK_AHEAD as u64 + 2;

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
}

impl Future {
    /// Creates a future at frame 0.
    pub(super) fn new(networks: Networks) -> Self {
        Self {
            networks,
            istft: Istft::new(),
            state: State::start(0),
            history: History::default(),
            tape: HopRing::new(),
        }
    }

    /// Returns the number of latents generated.
    pub(super) fn latent(&self) -> u64 {
        self.state.latent
    }

    /// Returns the latest hops.
    pub(super) fn tape(&self) -> &HopRing {
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

    /// Rolls back to before a latent. Does nothing if that is further back than the history.
    pub(super) fn rewind(&mut self, latent: u64) {
        if let Some(snapshot) = self.history.rewind(latent) {
            self.restore(&snapshot);
        }
    }

    /// Continues with new networks, which start from scratch slightly before the hop from which they are played.
    pub(super) fn replace(&mut self, networks: Networks, heard: u64) {
        self.networks = networks;
        self.state = State::start((heard / FRAMES_PER_LATENT as u64).saturating_sub(RUN_IN));
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

    fn step_back(&mut self) {
        if let Some(snapshot) = self.history.pop() {
            self.restore(&snapshot);
        }
    }

    fn decide(&mut self, plan: &Plan) -> Result<Heard, GeneratorError> {
        let from = self.state.latent * LATENT_FRAMES;
        let conditions = plan.conditions(from);
        let temperature = plan.temperature(from);
        let noise = noise(plan.seed, self.state.latent, temperature, plan.earlier(from));
        let input = StepInput {
            conditions: &conditions.to_vector(),
            reference: &conditions.reference().to_vector(),
            noise: &noise,
            guidance: heeded_guidance(plan.guidance(from), temperature),
        };
        self.state.z = self.networks.context.step(self.state.cursor, &self.state.z, &input)?;
        self.finite("transformer", &self.state.z)?;
        let (mel, chroma) = self.sound()?;
        self.state.cursor.position += 1;
        self.state.latent += 1;
        let restarted = self.state.stall.is_stuck(&mel, &conditions);
        if restarted {
            self.state.cursor.begin = self.state.cursor.position;
        }
        Ok(Heard { from, chroma, onsets: self.state.stall.onsets(), latent: self.state.z, restarted })
    }

    /// Runs decoder and vocoder: turns the current latent into eight hops in the ring.
    fn sound(&mut self) -> Result<(MelBlock, [f32; 12]), GeneratorError> {
        let decoder = &mut self.networks.decoder;
        decoder.input(stateful::INPUT).copy_from_slice(&self.state.z);
        decoder.step()?;
        let mel: MelBlock = decoder.output(0).try_into().expect("the shape was checked at load");
        self.finite("decoder", &mel)?;
        let first_frame = (self.state.latent * FRAMES_PER_LATENT as u64).checked_sub(LOOK_AHEAD as u64);
        let first_hop = (self.state.latent * FRAMES_PER_LATENT as u64).checked_sub(LATE_HOPS);
        let mut chroma = Chroma::default();
        let mut hop = [0.0; HOP];
        let mut finite = true;
        for (i, (real, imag)) in self.networks.vocoder.step(&mel)?.frames().enumerate() {
            // Frames before the first mel frame are not part of the music.
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
                self.tape.put(index, &hop);
            }
        }
        if !finite {
            return Err(self.not_finite("vocoder"));
        }
        Ok((mel, chroma.shares()))
    }

    fn snapshot(&mut self) -> Snapshot {
        Snapshot {
            state: self.state,
            decoder: self.networks.decoder.input(stateful::STATE).to_vec(),
            vocoder: self.networks.vocoder.state().to_vec(),
            overlap: *self.istft.overlap(),
        }
    }

    fn restore(&mut self, snapshot: &Snapshot) {
        self.state = snapshot.state;
        self.networks.decoder.input(stateful::STATE).copy_from_slice(&snapshot.decoder);
        self.networks.vocoder.state().copy_from_slice(&snapshot.vocoder);
        *self.istft.overlap() = snapshot.overlap;
    }

    /// Forgets the past, as at the start, but stays at this latent.
    fn start_afresh(&mut self) {
        self.state.cursor.begin = self.state.cursor.position;
        self.state.z = [0.0; LATENT_DIMS];
        self.networks.forget();
        *self.istft.overlap() = [0.0; OVERLAP];
    }

    fn finite(&self, network: &'static str, values: &[f32]) -> Result<(), GeneratorError> {
        if values.iter().all(|value| value.is_finite()) { Ok(()) } else { Err(self.not_finite(network)) }
    }

    fn not_finite(&self, network: &'static str) -> GeneratorError {
        GeneratorError::NotFinite { network, frame: self.state.latent * LATENT_FRAMES }
    }
}

/// Returns the hop after the last final one after a number of latents.
pub(super) fn final_hop(latents: u64) -> u64 {
    (latents * FRAMES_PER_LATENT as u64).saturating_sub(LATE_HOPS)
}
