//! The music from here on: decided latent by latent, made to sound, and taken back when the plan changes.

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

/// Hops of a latent's mel frames that are not final before the next: the vocoder looks ahead, and a hop lies under the
/// windows of two more frames.
const LATE_HOPS: u64 = LOOK_AHEAD as u64 + 2;

/// Latents that other networks generate before they are heard, so that they enter in mid-phrase: 0.7 s. A change of plan
/// may rewind into them, so it is heard as soon as ever.
pub(super) const RUN_IN: u64 = 8;

/// The networks, their state, and the sound they made last.
#[derive(Debug)]
pub(super) struct Future {
    networks: Networks,
    istft: Istft,
    state: State,
    history: History,
    tape: HopRing,
}

impl Future {
    /// At frame 0.
    pub(super) fn new(networks: Networks) -> Self {
        Self {
            networks,
            istft: Istft::new(),
            state: State::start(0),
            history: History::default(),
            tape: HopRing::new(),
        }
    }

    /// Latents decided so far.
    pub(super) fn latent(&self) -> u64 {
        self.state.latent
    }

    /// The hops generated last.
    pub(super) fn tape(&self) -> &HopRing {
        &self.tape
    }

    /// The hop after the last final one.
    pub(super) fn final_hop(&self) -> u64 {
        final_hop(self.state.latent)
    }

    /// Decides the next latent and makes it sound. After an error everything is as it was before, but that the music starts
    /// afresh after numbers that are not finite.
    ///
    /// # Errors
    /// When a network fails or gives numbers that are not finite.
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

    /// Makes good for a step that panicked: goes back to before it and starts the music afresh there.
    pub(super) fn recover(&mut self) {
        self.step_back();
        self.start_afresh();
    }

    /// Goes back to before a latent. What lies further back than what is kept stays as it is.
    pub(super) fn rewind(&mut self, latent: u64) {
        if let Some(snapshot) = self.history.rewind(latent) {
            self.restore(&snapshot);
        }
    }

    /// Goes on with other networks, which begin anew a little before the hop from which they are heard.
    pub(super) fn replace(&mut self, networks: Networks, heard: u64) {
        self.networks = networks;
        self.state = State::start((heard / FRAMES_PER_LATENT as u64).saturating_sub(RUN_IN));
        self.history.forget();
        *self.istft.overlap() = [0.0; OVERLAP];
    }

    /// Leaves out the latents before the one by which `frame` is final. Returns whether there were any.
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

    /// Decoder and vocoder: turns the latent just decided into eight hops on the tape.
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

    /// Forgets everything that was played, as at the start, but stays at this latent.
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

/// The hop after the last final one when so many latents are decided.
pub(super) fn final_hop(latents: u64) -> u64 {
    (latents * FRAMES_PER_LATENT as u64).saturating_sub(LATE_HOPS)
}
