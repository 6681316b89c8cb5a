//! The composer: decides notes and pedal, one latent (85 ms) at a time, before there is any sound.
//!
//! A causal transformer sees what was played and what is requested; a feed-forward decoder then writes the latent's
//! notes one at a time, choosing five properties of each. `models/training/COMPOSER.md` describes the network.

mod choice;
mod conditions;
mod dice;
mod keyboard;
mod past;
mod ring;
mod servo;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use choice::{HIDDEN, Sampling, choose, choose_likely};
use conditions::FrameConditions;
use dice::dice;
use keyboard::Keyboard;
use past::Memory;
use ring::{Cursor, Ring};
use servo::{Bias, Servo};

use crate::bytes;
use crate::generator::model::{ComposerGraphs, Context, Graph, ModelError, frame as port};
use crate::generator::notes::{
    DURATIONS, FINE_WIDTH, FRAME_WIDTH, KEYS, OFFSETS, PEDALS, Pedal, VELOCITIES, VOICES, WrittenFrame, WrittenNote,
};
use crate::generator::warm_up::warm_up;
use crate::generator::{GeneratorError, LATENT_FRAMES};
use crate::mel::HOP;
use crate::music::conditions::Conditions;
use crate::music::plan::Plan;

/// Maximum number of notes that begin in a latent.
const MAX_NOTES: usize = 16;
/// The offset class that ends a latent.
const END: usize = OFFSETS;
/// Random numbers drawn per note.
const DRAWS: usize = 5;

/// State carried from latent to latent that a rollback must restore; the memory is rewound separately.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ComposerState {
    cursor: Cursor,
    keyboard: Keyboard,
    /// Summed embeddings of the last latent's notes, an input of the next latent.
    #[serde(with = "bytes")]
    read: Vec<f32>,
}

impl ComposerState {
    /// The width of the transformer.
    pub(super) fn width(&self) -> usize {
        self.read.len()
    }

    /// Makes the transformer forget everything written so far.
    pub(super) fn start_afresh(&mut self) {
        self.cursor.begin = self.cursor.position;
    }
}

/// The part of a latent that was decided earlier and is kept: its pedal, and the notes that begin before an offset.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Kept {
    written: WrittenFrame,
    until: u8,
}

/// What the composer remembers besides its state.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Recollection {
    /// The keys and values of all layers.
    #[serde(with = "bytes")]
    ring: Vec<f32>,
    memory: Memory,
    servo: Servo,
}

/// The inputs for writing a latent.
struct Frame<'a, D> {
    latent: u64,
    conditions: &'a FrameConditions,
    requested: &'a Conditions,
    sampling: Sampling,
    dice: D,
}

/// The composer's networks and its history.
#[derive(Debug)]
pub(super) struct Composer {
    graphs: ComposerGraphs,
    ring: Ring,
    memory: Memory,
    servo: Servo,
    width: usize,
}

impl Composer {
    pub(super) fn new(graphs: ComposerGraphs, context: Context) -> Self {
        let (memory, servo) = (Memory::default(), Servo::default());
        Self { graphs, ring: Ring::new(context), memory, servo, width: context.width }
    }

    /// Runs every network once, and checks its outputs.
    pub(super) fn warm_up(&mut self) -> Result<(), GeneratorError> {
        let ComposerGraphs { frame, pedal, offset, voice, key, velocity, duration, note } = &mut self.graphs;
        let graphs = [frame, pedal, offset, voice, key, velocity, duration, note];
        graphs.into_iter().try_for_each(|graph| warm_up("composer", graph))
    }

    /// The state at the start of a performance.
    pub(super) fn start(&self) -> ComposerState {
        ComposerState { cursor: Cursor::default(), keyboard: Keyboard::default(), read: vec![0.0; self.width] }
    }

    /// Continues from what another composer wrote up to a latent.
    pub(super) fn continue_from(&mut self, other: Self, latent: u64) {
        self.memory = other.memory;
        self.memory.rewind(latent);
    }

    /// Returns what it remembers.
    pub(super) fn recollection(&mut self) -> Recollection {
        let ring = self.ring.tensors().flat_map(|tensor| self.graphs.frame.input(tensor).to_vec()).collect();
        Recollection { ring, memory: self.memory.clone(), servo: self.servo.clone() }
    }

    /// Restores what a composer with the same networks remembered; returns `false`, and changes nothing, if it had others.
    pub(super) fn recollect(&mut self, recollection: Recollection) -> bool {
        let Recollection { ring, memory, servo } = recollection;
        let lengths: usize = self.ring.tensors().map(|tensor| self.graphs.frame.input(tensor).len()).sum();
        if lengths != ring.len() {
            return false;
        }
        let mut rest = &ring[..];
        for tensor in self.ring.tensors() {
            let input = self.graphs.frame.input(tensor);
            let (values, later) = rest.split_at(input.len());
            input.copy_from_slice(values);
            rest = later;
        }
        (self.memory, self.servo) = (memory, servo);
        true
    }

    /// Forgets the latent that contains audio frame `planned` and all later ones. Returns what that latent played before
    /// `planned`.
    pub(super) fn rewind(&mut self, planned: u64) -> Option<Kept> {
        let latent = planned / LATENT_FRAMES;
        let mut written = self.memory.rewind(latent)?;
        let until = ((planned - latent * LATENT_FRAMES) / HOP as u64) as u8;
        written.notes.retain(|note| note.offset < until);
        (until > 0).then_some(Kept { written, until })
    }

    /// Writes a latent.
    ///
    /// # Errors
    /// If a network fails or returns NaN or infinity; the state is then undefined.
    pub(super) fn write(
        &mut self,
        state: &mut ComposerState,
        latent: u64,
        plan: &Plan,
        kept: Option<&Kept>,
    ) -> Result<WrittenFrame, GeneratorError> {
        let from = latent * LATENT_FRAMES;
        let frame = Frame {
            latent,
            conditions: &FrameConditions::of(plan, from),
            requested: &plan.conditions(from),
            sampling: Sampling::of(plan.temperature(from), plan.guidance(from)),
            dice: dice(plan.seed, latent, plan.earlier(from)),
        };
        self.write_frame(state, plan, frame, kept)
    }

    fn write_frame(
        &mut self,
        state: &mut ComposerState,
        plan: &Plan,
        mut frame: Frame<'_, impl FnMut() -> f64>,
        kept: Option<&Kept>,
    ) -> Result<WrittenFrame, GeneratorError> {
        let Cursor { position, begin } = state.cursor;
        self.memory.rewind(frame.latent);
        let bias = self.servo.begin(position, begin, frame.requested);
        self.memory.fill(frame.latent, plan, self.graphs.frame.input(port::MEMORY));
        self.attend(state, &frame)?;
        if self.graphs.frame.output(port::BASE).iter().any(|value| !value.is_finite()) {
            return Err(GeneratorError::NotFinite { network: "composer", frame: frame.latent * LATENT_FRAMES });
        }
        let mut written = self.decide_pedal(state, &mut frame, kept)?;
        state.keyboard.move_pedal(frame.latent, written.pedal);
        state.read.fill(0.0);
        self.graphs.offset.input(OFFSET_SO_FAR).fill(0.0);
        self.graphs.offset.input(OFFSET_LAST).fill(0.0);
        self.graphs.offset.input(OFFSET_FIRST)[0] = 1.0;
        for note in kept.iter().flat_map(|kept| &kept.written.notes) {
            // Consume the random numbers with which the note was written, so that those that follow are the same.
            (0..DRAWS).for_each(|_| _ = (frame.dice)());
            self.finish(state, frame.latent, *note)?;
            written.notes.push(*note);
        }
        let earliest = kept.map_or(0, |kept| kept.until);
        while written.notes.len() < MAX_NOTES {
            let Some(note) = self.next_note(state, &mut frame, bias, earliest, written.notes.last())? else { break };
            self.finish(state, frame.latent, note)?;
            written.notes.push(note);
        }
        self.memory.push(frame.latent, &plan.clock, written.clone());
        state.cursor.position += 1;
        Ok(written)
    }

    /// One step of the transformer.
    fn attend<D>(&mut self, state: &ComposerState, frame: &Frame<'_, D>) -> Result<(), ModelError> {
        let graph = &mut self.graphs.frame;
        graph.input(port::NOTES).copy_from_slice(&state.read);
        graph.input(port::FRAME)[..FRAME_WIDTH].copy_from_slice(&frame.conditions.frame);
        let fine = frame.conditions.fine.as_flattened();
        graph.input(port::FINE)[..fine.len()].copy_from_slice(fine);
        state.keyboard.sounding(frame.latent, graph.input(port::SOUNDING));
        graph.input(port::MELODY)[0] = f32::from(state.keyboard.melody);
        graph.input(port::PEDAL)[0] = state.keyboard.pedal as u8 as f32;
        self.ring.prepare(graph, state.cursor);
        graph.run()?;
        self.ring.store(graph, state.cursor.position);
        Ok(())
    }

    /// Decides the pedal's movement and prepares the notes.
    fn decide_pedal(
        &mut self,
        state: &ComposerState,
        frame: &mut Frame<'_, impl FnMut() -> f64>,
        kept: Option<&Kept>,
    ) -> Result<WrittenFrame, ModelError> {
        let ComposerGraphs { frame: graph, pedal: opening, offset, .. } = &mut self.graphs;
        let drawn = choose(&wanted(graph, port::LOGITS, PEDALS), frame.sampling.touch, (frame.dice)());
        // A pedal that is up cannot be changed, only pressed.
        let pedal = match (Pedal::of(drawn), state.keyboard.pedal) {
            _ if kept.is_some() => kept.map_or(Pedal::Up, |kept| kept.written.pedal),
            (Pedal::Changed, Pedal::Up) => Pedal::Down,
            (pedal, _) => pedal,
        };
        pass(graph, port::BASE, opening, 0);
        opening.input(1)[0] = f32::from(pedal as u8);
        opening.run()?;
        let moves = choose(&wanted(opening, 0, OFFSETS), frame.sampling.touch, (frame.dice)()) as u8;
        // A pedal that is changed is down again within the latent.
        let moves = if pedal == Pedal::Changed { moves.min(OFFSETS as u8 - 2) } else { moves };
        pass(opening, 1, offset, OFFSET_OPENED);
        let pedal_offset = kept.map_or(moves, |kept| kept.written.pedal_offset);
        Ok(WrittenFrame { pedal, pedal_offset, notes: Vec::new() })
    }

    /// Writes the next note; `None` ends the latent.
    fn next_note(
        &mut self,
        state: &ComposerState,
        frame: &mut Frame<'_, impl FnMut() -> f64>,
        bias: Bias,
        earliest: u8,
        last: Option<&WrittenNote>,
    ) -> Result<Option<WrittenNote>, ModelError> {
        let ComposerGraphs { offset, voice, key, velocity, duration, .. } = &mut self.graphs;
        let sampling = frame.sampling;
        offset.run()?;
        let mut logits = wanted(offset, 1, OFFSETS + 1);
        logits[END] += bias.end;
        logits[..last.map_or(0, |last| usize::from(last.offset))].fill(HIDDEN);
        let drawn = (frame.dice)();
        let mut at = choose(&logits, sampling.time, drawn);
        if at < usize::from(earliest) {
            // Classes that are too early are excluded only on a second attempt, so that under the same plan, the first
            // attempt repeats the earlier choice.
            logits[..usize::from(earliest)].fill(HIDDEN);
            at = choose(&logits, sampling.time, drawn);
        }
        if at == END {
            return Ok(None);
        }
        pass(offset, 0, voice, 0);
        voice.input(1)[0] = at as f32;
        voice.input(2)[..FINE_WIDTH].copy_from_slice(&frame.conditions.fine[at]);
        voice.run()?;
        let melody = choose(&wanted(voice, 1, VOICES), sampling.touch, (frame.dice)());

        pass(voice, 0, key, 0);
        key.input(1)[0] = melody as f32;
        key.input(2)[0] = f32::from(state.keyboard.melody);
        key.run()?;
        let (requested, reference) = key.output(1).split_at(KEYS);
        let mut logits = sampling.guided(requested, reference);
        logits.iter_mut().enumerate().for_each(|(key, logit)| *logit += bias.of_key(key));
        // Above the top key there would be nothing left to choose.
        if let Some(below) = last.filter(|last| usize::from(last.offset) == at && usize::from(last.key) < KEYS - 1) {
            logits[..=usize::from(below.key)].fill(HIDDEN);
        }
        let struck = choose_likely(&logits, sampling.harmony, (frame.dice)());

        pass(key, 0, velocity, 0);
        velocity.input(1)[0] = struck as f32;
        velocity.run()?;
        let mut logits = wanted(velocity, 1, VELOCITIES);
        logits.iter_mut().enumerate().for_each(|(class, logit)| *logit += bias.of_velocity(class));
        let force = choose(&logits, sampling.touch, (frame.dice)());

        pass(velocity, 0, duration, 0);
        duration.input(1)[0] = force as f32;
        duration.run()?;
        let held = choose(&wanted(duration, 0, DURATIONS), sampling.touch, (frame.dice)());
        let [offset, voice, key, velocity, duration] = [at, melody, struck, force, held].map(|class| class as u8);
        Ok(Some(WrittenNote { offset, voice, key, velocity, duration }))
    }

    /// Feeds a note back to the networks, the keyboard and the servo.
    fn finish(&mut self, state: &mut ComposerState, latent: u64, note: WrittenNote) -> Result<(), ModelError> {
        let ComposerGraphs { offset, note: graph, .. } = &mut self.graphs;
        graph.input(0).copy_from_slice(&note.parts());
        graph.run()?;
        add(&mut state.read, graph.output(0));
        add(offset.input(OFFSET_SO_FAR), graph.output(1));
        offset.input(OFFSET_LAST).copy_from_slice(graph.output(2));
        offset.input(OFFSET_FIRST)[0] = 0.0;
        state.keyboard.strike(latent, note);
        self.servo.count(state.cursor.position, note);
        Ok(())
    }
}

/// Inputs of the offset graph.
const OFFSET_OPENED: usize = 0;
const OFFSET_SO_FAR: usize = 1;
const OFFSET_LAST: usize = 2;
const OFFSET_FIRST: usize = 3;

/// The logits under the requested conditions: the first of two rows.
fn wanted(graph: &Graph, output: usize, classes: usize) -> Vec<f64> {
    graph.output(output)[..classes].iter().map(|logit| f64::from(*logit)).collect()
}

fn pass(from: &Graph, output: usize, to: &mut Graph, input: usize) {
    to.input(input).copy_from_slice(from.output(output));
}

fn add(sum: &mut [f32], values: &[f32]) {
    sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}
