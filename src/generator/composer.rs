//! The composer: decides the notes and pedal of one latent (85 ms) at a time, before the latent's sound is generated.
//!
//! A causal transformer sees what was played and what is requested; a feed-forward decoder then writes the latent's
//! notes one at a time, choosing five properties of each. `models/training/COMPOSER.md` describes the network.

mod conditions;
mod keyboard;
mod kv_cache;
mod memory;
mod played;
mod random;
mod sampling;
mod servo;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use conditions::StepConditions;
use keyboard::Keyboard;
use kv_cache::{Cursor, KvCache};
use memory::Memory;
use random::random_numbers;
use sampling::{EXCLUDED, Sampling, sample, sample_top_p};
use servo::{Bias, Servo};

use crate::bytes;
use crate::generator::GeneratorError;
use crate::generator::model::{ComposerGraphs, Graph, ModelError, TransformerLayout, transformer as port};
use crate::generator::notes::{
    DURATIONS, FINE_WIDTH, KEYS, OFFSETS, PEDALS, Pedal, Release, STEP_WIDTH, StepNotes, VELOCITIES, VOICES,
    WrittenNote,
};
use crate::generator::warm_up::warm_up;
use crate::mel::{HOP, LATENT_FRAMES};
use crate::music::conditions::Conditions;
use crate::music::plan::Plan;

/// Maximum number of notes that begin in a latent.
const MAX_NOTES: usize = 16;
/// The offset class that ends a latent.
const END: usize = OFFSETS;
/// Number of random numbers drawn per note.
const DRAWS_PER_NOTE: usize = 5;

/// State carried from latent to latent that a rollback must restore; the rest, [`ComposerHistory`], is rewound separately.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ComposerState {
    cursor: Cursor,
    keyboard: Keyboard,
    /// Summed embeddings of the last latent's notes, which the transformer reads for the next latent.
    #[serde(with = "bytes")]
    notes_embedding: Vec<f32>,
}

impl ComposerState {
    /// Returns the width of the transformer.
    pub(super) fn width(&self) -> usize {
        self.notes_embedding.len()
    }

    /// Hides all earlier latents from the transformer's attention.
    pub(super) fn forget_context(&mut self) {
        self.cursor.start = self.cursor.position;
    }
}

/// The part of a latent that is kept when the rest is written again: its pedal, and the notes that begin before an offset.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct KeptNotes {
    written: StepNotes,
    /// The first offset that is written again.
    until: u8,
}

/// The composer's KV cache, memory and servo: all its state except [`ComposerState`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ComposerHistory<'a> {
    /// The cached keys and values of all layers.
    #[serde(with = "bytes")]
    cache: Vec<f32>,
    memory: Cow<'a, Memory>,
    servo: Cow<'a, Servo>,
}

/// The inputs of one step.
struct Step<'a, R> {
    latent: u64,
    conditions: &'a StepConditions,
    requested: &'a Conditions,
    sampling: Sampling,
    economy: bool,
    random: R,
}

/// The composer's networks and history.
#[derive(Debug)]
pub(super) struct Composer {
    graphs: ComposerGraphs,
    cache: KvCache,
    memory: Memory,
    servo: Servo,
    width: usize,
}

impl Composer {
    pub(super) fn new(graphs: ComposerGraphs, layout: TransformerLayout) -> Self {
        let (memory, servo) = (Memory::default(), Servo::default());
        Self { graphs, cache: KvCache::new(layout), memory, servo, width: layout.width }
    }

    /// Runs every network once and checks its outputs.
    pub(super) fn warm_up(&mut self) -> Result<(), GeneratorError> {
        let ComposerGraphs { transformer, pedal, offset, voice, key, velocity, duration, note } = &mut self.graphs;
        let graphs = [transformer, pedal, offset, voice, key, velocity, duration, note];
        graphs.into_iter().try_for_each(|graph| warm_up("composer", graph))
    }

    /// Returns the state at the start of a performance.
    pub(super) fn initial_state(&self) -> ComposerState {
        ComposerState {
            cursor: Cursor::default(),
            keyboard: Keyboard::default(),
            notes_embedding: vec![0.0; self.width],
        }
    }

    /// Adopts the notes that another composer wrote before a latent.
    pub(super) fn adopt_memory(&mut self, other: Self, latent: u64) {
        self.memory = other.memory;
        self.memory.rewind(latent);
    }

    /// Returns the history, for a checkpoint.
    pub(super) fn save_history(&mut self) -> ComposerHistory<'_> {
        let mut cache = Vec::with_capacity(self.cache_length());
        for tensor in self.cache.tensors() {
            cache.extend_from_slice(self.graphs.transformer.input(tensor));
        }
        ComposerHistory { cache, memory: Cow::Borrowed(&self.memory), servo: Cow::Borrowed(&self.servo) }
    }

    /// Restores a history. If the size of the cache differs, changes nothing and returns `false`.
    pub(super) fn restore_history(&mut self, history: ComposerHistory<'_>) -> bool {
        let ComposerHistory { cache, memory, servo } = history;
        if cache.len() != self.cache_length() {
            return false;
        }
        let mut rest = &cache[..];
        for tensor in self.cache.tensors() {
            let input = self.graphs.transformer.input(tensor);
            let (values, tail) = rest.split_at(input.len());
            input.copy_from_slice(values);
            rest = tail;
        }
        (self.memory, self.servo) = (memory.into_owned(), servo.into_owned());
        true
    }

    /// Returns the number of floats in all cached keys and values.
    fn cache_length(&mut self) -> usize {
        self.cache.tensors().map(|tensor| self.graphs.transformer.input(tensor).len()).sum()
    }

    /// Removes the latent that contains frame `planned` and all later ones from the memory. Returns the part of that latent
    /// before `planned`, if any.
    pub(super) fn rewind(&mut self, planned: u64) -> Option<KeptNotes> {
        let latent = planned / LATENT_FRAMES;
        let mut written = self.memory.rewind(latent)?;
        let end = ((planned - latent * LATENT_FRAMES) / HOP as u64) as u8;
        written.notes.retain(|note| note.offset < end);
        (end > 0).then_some(KeptNotes { written, until: end })
    }

    /// Writes the notes and pedal of a latent, starting with those in `kept`.
    ///
    /// # Errors
    /// If a network fails or returns NaN or infinity; the state is then unspecified.
    pub(super) fn write(
        &mut self,
        state: &mut ComposerState,
        latent: u64,
        plan: &Plan,
        kept: Option<&KeptNotes>,
    ) -> Result<StepNotes, GeneratorError> {
        let from = latent * LATENT_FRAMES;
        let step = Step {
            latent,
            conditions: &StepConditions::new(plan, from),
            requested: &plan.conditions(from),
            sampling: Sampling::new(plan.temperature(from), plan.guidance(from)),
            economy: plan.steering.economy,
            random: random_numbers(plan.seed, latent, plan.earlier_phrase(from)),
        };
        self.write_step(state, plan, step, kept)
    }

    fn write_step(
        &mut self,
        state: &mut ComposerState,
        plan: &Plan,
        mut step: Step<'_, impl FnMut() -> f64>,
        kept: Option<&KeptNotes>,
    ) -> Result<StepNotes, GeneratorError> {
        let Cursor { position, start } = state.cursor;
        self.memory.rewind(step.latent);
        let bias = self.servo.start_step(position, start, step.requested);
        self.memory.write_input(step.latent, plan, self.graphs.transformer.input(port::MEMORY));
        self.run_transformer(state, &step)?;
        if self.graphs.transformer.output(port::BASE).iter().any(|value| !value.is_finite()) {
            return Err(GeneratorError::NotFinite { network: "composer", frame: step.latent * LATENT_FRAMES });
        }
        let mut written = self.choose_pedal(state, &mut step, kept)?;
        state.keyboard.apply_pedal(step.latent, written.pedal);
        state.notes_embedding.fill(0.0);
        self.graphs.offset.input(OFFSET_SO_FAR).fill(0.0);
        self.graphs.offset.input(OFFSET_LAST).fill(0.0);
        self.graphs.offset.input(OFFSET_FIRST)[0] = 1.0;
        for note in kept.iter().flat_map(|kept| &kept.written.notes) {
            // Skip the random numbers drawn for this note, so that the following notes draw the same numbers as before.
            (0..DRAWS_PER_NOTE).for_each(|_| _ = (step.random)());
            self.feed_back(state, step.latent, *note)?;
            written.notes.push(*note);
        }
        let earliest = kept.map_or(0, |kept| kept.until);
        let from = step.latent * LATENT_FRAMES;
        let mut strokes = VecDeque::from(played::strokes(plan, from, earliest));
        loop {
            let next = if written.notes.len() < MAX_NOTES {
                self.next_note(state, &mut step, bias, earliest, written.notes.last())?
            } else {
                None
            };
            // Where the performer's note comes first, the composer chooses again, knowing it.
            let is_played = strokes
                .front()
                .is_some_and(|stroke| next.is_none_or(|next| (stroke.offset, stroke.key) <= (next.offset, next.key)));
            let Some(note) = (if is_played { strokes.pop_front() } else { next }) else { break };
            self.feed_back(state, step.latent, note)?;
            written.notes.push(note);
        }
        written.releases = played::releases(plan, from);
        for Release { offset, key } in &written.releases {
            let struck_again = |note: &WrittenNote| note.is_held() && note.key == *key && note.offset >= *offset;
            if !written.notes.iter().any(struck_again) {
                state.keyboard.release(step.latent, *key);
            }
        }
        self.memory.push(step.latent, &plan.clock, written.clone());
        state.cursor.position += 1;
        Ok(written)
    }

    /// Runs the transformer for one latent, and caches the new keys and values.
    fn run_transformer<R>(&mut self, state: &ComposerState, step: &Step<'_, R>) -> Result<(), ModelError> {
        let graph = &mut self.graphs.transformer;
        graph.input(port::NOTES).copy_from_slice(&state.notes_embedding);
        graph.input(port::STEP)[..STEP_WIDTH].copy_from_slice(&step.conditions.step);
        let fine = step.conditions.fine.as_flattened();
        graph.input(port::FINE)[..fine.len()].copy_from_slice(fine);
        state.keyboard.write_levels(step.latent, graph.input(port::SOUNDING));
        graph.input(port::MELODY)[0] = f32::from(state.keyboard.melody);
        graph.input(port::PEDAL)[0] = state.keyboard.pedal as u8 as f32;
        self.cache.prepare(graph, state.cursor);
        // Guidance after economy mode compares with a reference that remembers these latents under the requested conditions.
        if step.economy { graph.run_first_row() } else { graph.run() }?;
        self.cache.store(graph, state.cursor.position);
        Ok(())
    }

    /// Chooses the pedal action and prepares the offset graph for the notes.
    fn choose_pedal(
        &mut self,
        state: &ComposerState,
        step: &mut Step<'_, impl FnMut() -> f64>,
        kept: Option<&KeptNotes>,
    ) -> Result<StepNotes, ModelError> {
        let ComposerGraphs { transformer: graph, pedal: pedal_graph, offset, .. } = &mut self.graphs;
        let drawn = sample(&conditional_logits(graph, port::LOGITS, PEDALS), step.sampling.expression, (step.random)());
        // A raised pedal cannot be changed, only pressed.
        let pedal = match (Pedal::from_class(drawn), state.keyboard.pedal) {
            _ if kept.is_some() => kept.map_or(Pedal::Up, |kept| kept.written.pedal),
            (Pedal::Changed, Pedal::Up) => Pedal::Down,
            (pedal, _) => pedal,
        };
        copy_output(graph, port::BASE, pedal_graph, 0);
        pedal_graph.input(1)[0] = f32::from(pedal as u8);
        pedal_graph.run()?;
        let drawn =
            sample(&conditional_logits(pedal_graph, 0, OFFSETS), step.sampling.expression, (step.random)()) as u8;
        // After a pedal change, the pedal must be down again within the latent.
        let drawn = if pedal == Pedal::Changed { drawn.min(OFFSETS as u8 - 2) } else { drawn };
        copy_output(pedal_graph, 1, offset, OFFSET_BASE);
        let pedal_offset = kept.map_or(drawn, |kept| kept.written.pedal_offset);
        Ok(StepNotes { pedal, pedal_offset, ..StepNotes::default() })
    }

    /// Chooses the next note; `None` ends the latent.
    fn next_note(
        &mut self,
        state: &ComposerState,
        step: &mut Step<'_, impl FnMut() -> f64>,
        bias: Bias,
        earliest: u8,
        last: Option<&WrittenNote>,
    ) -> Result<Option<WrittenNote>, ModelError> {
        let ComposerGraphs { offset, voice, key, velocity, duration, .. } = &mut self.graphs;
        let sampling = step.sampling;
        offset.run()?;
        let mut logits = conditional_logits(offset, 1, OFFSETS + 1);
        logits[END] += bias.end + if last.is_some() { sampling.sparseness } else { 0.0 };
        logits[..last.map_or(0, |last| usize::from(last.offset))].fill(EXCLUDED);
        let drawn = (step.random)();
        let mut offset_class = sample(&logits, sampling.timing, drawn);
        if offset_class < usize::from(earliest) {
            // Exclude offsets that are too early only on the second attempt. Under an unchanged plan, the first attempt then
            // repeats the earlier choice.
            logits[..usize::from(earliest)].fill(EXCLUDED);
            offset_class = sample(&logits, sampling.timing, drawn);
        }
        if offset_class == END {
            return Ok(None);
        }
        copy_output(offset, 0, voice, 0);
        voice.input(1)[0] = offset_class as f32;
        voice.input(2)[..FINE_WIDTH].copy_from_slice(&step.conditions.fine[offset_class]);
        voice.run()?;
        let voice_class = sample(&conditional_logits(voice, 1, VOICES), sampling.expression, (step.random)());

        copy_output(voice, 0, key, 0);
        key.input(1)[0] = voice_class as f32;
        key.input(2)[0] = f32::from(state.keyboard.melody);
        key.run()?;
        let (requested, reference) = key.output(1).split_at(KEYS);
        let mut logits = sampling.guided(requested, reference);
        for (key, logit) in logits.iter_mut().enumerate() {
            // The keys that the performer holds are theirs.
            *logit = if state.keyboard.is_held(key) { EXCLUDED } else { *logit + bias.for_key(key) };
        }
        // Keys ascend within an offset, except after the top key, which would leave none to choose.
        if let Some(previous) =
            last.filter(|last| usize::from(last.offset) == offset_class && usize::from(last.key) < KEYS - 1)
        {
            logits[..=usize::from(previous.key)].fill(EXCLUDED);
        }
        let key_class = sample_top_p(&logits, sampling.keys, (step.random)());

        copy_output(key, 0, velocity, 0);
        velocity.input(1)[0] = key_class as f32;
        velocity.run()?;
        let mut logits = conditional_logits(velocity, 1, VELOCITIES);
        logits.iter_mut().enumerate().for_each(|(class, logit)| *logit += bias.for_velocity(class));
        let velocity_class = sample(&logits, sampling.expression, (step.random)());

        copy_output(velocity, 0, duration, 0);
        duration.input(1)[0] = velocity_class as f32;
        duration.run()?;
        let duration_class = sample(&conditional_logits(duration, 0, DURATIONS), sampling.expression, (step.random)());
        let classes = [offset_class, voice_class, key_class, velocity_class, duration_class];
        let [offset, voice, key, velocity, duration] = classes.map(|class| class as u8);
        Ok(Some(WrittenNote { offset, voice, key, velocity, duration }))
    }

    /// Feeds a note back to the networks, the keyboard and the servo.
    fn feed_back(&mut self, state: &mut ComposerState, latent: u64, note: WrittenNote) -> Result<(), ModelError> {
        let ComposerGraphs { offset, note: graph, .. } = &mut self.graphs;
        graph.input(0).copy_from_slice(&note.classes());
        graph.run()?;
        add(&mut state.notes_embedding, graph.output(0));
        add(offset.input(OFFSET_SO_FAR), graph.output(1));
        offset.input(OFFSET_LAST).copy_from_slice(graph.output(2));
        offset.input(OFFSET_FIRST)[0] = 0.0;
        state.keyboard.strike(latent, note);
        self.servo.count(state.cursor.position, note);
        Ok(())
    }
}

/// Indices of the offset graph's inputs.
const OFFSET_BASE: usize = 0;
const OFFSET_SO_FAR: usize = 1;
const OFFSET_LAST: usize = 2;
const OFFSET_FIRST: usize = 3;

/// Returns the logits under the requested conditions: the first of two rows.
fn conditional_logits(graph: &Graph, output: usize, classes: usize) -> Vec<f64> {
    graph.output(output)[..classes].iter().map(|logit| f64::from(*logit)).collect()
}

/// Copies an output of one graph to an input of another.
fn copy_output(from: &Graph, output: usize, to: &mut Graph, input: usize) {
    to.input(input).copy_from_slice(from.output(output));
}

fn add(sum: &mut [f32], values: &[f32]) {
    sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}
