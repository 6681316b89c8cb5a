//! The composer's memory: the notes at the same position in earlier bars, and those of the phrase being recalled.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::generator::notes::{
    DURATIONS, KEYS, LAGS, MEMORY_WIDTH, OFFSETS, SLOT_WIDTH, SLOTS, StepNotes, VELOCITIES, VOICES, WrittenNote,
};
use crate::mel::{HOP, LATENT_FRAMES};
use crate::music::clock::MusicClock;
use crate::music::plan::Plan;

/// Maximum number of latents stored: almost six minutes. Older phrases cannot be recalled.
const CAPACITY: usize = 4096;
/// First columns of the groups in a slot, after the keys of each voice.
const OFFSET_COLUMN: usize = VOICES * KEYS;
const VELOCITY_COLUMN: usize = OFFSET_COLUMN + OFFSETS;
const DURATION_COLUMN: usize = VELOCITY_COLUMN + VELOCITIES + 1;
const _: () = assert!(DURATION_COLUMN + DURATIONS == SLOT_WIDTH);
/// Weight of a note's key in the latent before or after its own, whichever is closer to the note.
const NEIGHBOUR: f32 = 0.5;
/// Amount added to positions, in latents, so that rounding errors never move a note to the previous latent.
const EPSILON: f64 = 1e-6;
/// The slot of the phrase being recalled.
const RECALL: usize = SLOTS - 1;

/// The notes of one latent.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    latent: u64,
    /// Positions of the offsets in beats.
    beats: [f64; OFFSETS],
    written: StepNotes,
}

/// The notes of the latest latents, oldest first.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Memory(VecDeque<Entry>);

impl Memory {
    /// Stores the notes of a latent.
    pub(super) fn push(&mut self, latent: u64, clock: &MusicClock, written: StepNotes) {
        if self.0.len() == CAPACITY {
            self.0.pop_front();
        }
        let beats = std::array::from_fn(|offset| clock.beat_at(latent * LATENT_FRAMES + (offset * HOP) as u64));
        self.0.push_back(Entry { latent, beats, written });
    }

    /// Removes the latents from `latent` on, and returns the notes of `latent` if it was stored.
    pub(super) fn rewind(&mut self, latent: u64) -> Option<StepNotes> {
        let index = self.0.partition_point(|entry| entry.latent < latent);
        let first = self.0.get(index).filter(|entry| entry.latent == latent).map(|entry| entry.written.clone());
        self.0.truncate(index);
        first
    }

    /// Writes the network's memory input for a latent: the counts of notes in every slot.
    pub(super) fn write_input(&self, latent: u64, plan: &Plan, out: &mut [f32]) {
        out[..MEMORY_WIDTH].fill(0.0);
        let (slots, recall) = out[..MEMORY_WIDTH].split_at_mut(RECALL * SLOT_WIDTH);
        for (lag, slot) in LAGS.into_iter().zip(slots.chunks_exact_mut(SLOT_WIDTH)) {
            self.add_lag(latent, f64::from(lag * plan.clock.beats_per_bar()), &plan.clock, slot);
        }
        if let Some(earlier) = plan.earlier_phrase(latent * LATENT_FRAMES)
            && let Some(source) = latent.checked_sub(earlier.latents)
        {
            self.add_recall(source, recall);
        }
    }

    /// Adds the notes that, moved `lag` beats later, fall in or next to the latent.
    fn add_lag(&self, latent: u64, lag: f64, clock: &MusicClock, slot: &mut [f32]) {
        let start = latent * LATENT_FRAMES;
        let first_beat = clock.beat_at(start.saturating_sub(LATENT_FRAMES)) - lag;
        let last_beat = clock.beat_at(start + 2 * LATENT_FRAMES) - lag;
        let first = self.0.partition_point(|entry| entry.beats[OFFSETS - 1] < first_beat);
        for entry in self.0.range(first..).take_while(|entry| entry.beats[0] <= last_beat) {
            for note in &entry.written.notes {
                let moved = clock.frame_at(entry.beats[usize::from(note.offset)] + lag);
                add_note(slot, *note, moved as f64 / LATENT_FRAMES as f64 + EPSILON, latent);
            }
        }
    }

    /// Adds the notes of an earlier latent and of its neighbours.
    fn add_recall(&self, source: u64, slot: &mut [f32]) {
        let first = self.0.partition_point(|entry| entry.latent + 1 < source);
        for entry in self.0.range(first..).take_while(|entry| entry.latent <= source + 1) {
            for note in &entry.written.notes {
                let position = entry.latent as f64 + f64::from(note.offset) / OFFSETS as f64;
                add_note(slot, *note, position + EPSILON, source);
            }
        }
    }
}

/// Counts a note in a slot if its position, in latents, is in `latent` or in the adjacent half of a neighbouring latent.
fn add_note(slot: &mut [f32], note: WrittenNote, position: f64, latent: u64) {
    let whole = position.floor();
    let fraction = position - whole;
    let key = usize::from(note.voice) * KEYS + usize::from(note.key);
    if whole == latent as f64 {
        let offset = ((fraction * OFFSETS as f64) as usize).min(OFFSETS - 1);
        let columns = [
            key,
            OFFSET_COLUMN + offset,
            VELOCITY_COLUMN + usize::from(note.velocity),
            DURATION_COLUMN + usize::from(note.duration_class()),
        ];
        columns.into_iter().for_each(|column| slot[column] += 1.0);
    } else if whole + if fraction < 0.5 { -1.0 } else { 1.0 } == latent as f64 {
        slot[key] += NEIGHBOUR;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::music::emotion::{Emotion, Mood};
    use crate::music::plan::{EarlierPhrase, PlannedRecall};
    use crate::music::theory::Chord;

    /// Returns a plan in which a bar lasts 23.4375 latents (four beats at 120 BPM).
    fn plan() -> Plan {
        Plan::steady(1, Mood::pure(Emotion::Calm), Chord::parse("C").unwrap(), 120.0)
    }

    fn note(offset: u8, key: u8) -> StepNotes {
        let note = WrittenNote { offset, key, velocity: 20, duration: 7, voice: 0 };
        StepNotes { notes: vec![note], ..StepNotes::default() }
    }

    fn input(memory: &Memory, latent: u64, plan: &Plan) -> Vec<f32> {
        let mut out = vec![1.0; MEMORY_WIDTH];
        memory.write_input(latent, plan, &mut out);
        out
    }

    #[test]
    fn a_note_appears_a_bar_later() {
        let (plan, mut memory) = (plan(), Memory::default());
        memory.push(0, &plan.clock, note(2, 30));
        // Position 0.25 + 23.4375 is in latent 23, at offset 5.
        let memory_input = input(&memory, 23, &plan);
        let slot = &memory_input[..SLOT_WIDTH];
        for column in [30, OFFSET_COLUMN + 5, VELOCITY_COLUMN + 20, DURATION_COLUMN + 7] {
            assert_eq!(slot[column], 1.0, "{column}");
        }
        assert_eq!(memory_input.iter().sum::<f32>(), 4.0);
        assert_eq!(
            input(&memory, 24, &plan).iter().sum::<f32>(),
            NEIGHBOUR,
            "the note should count as a neighbour of latent 24, which is closer than 22"
        );
        assert_eq!(input(&memory, 22, &plan).iter().sum::<f32>(), 0.0);
        assert_eq!(input(&memory, 47, &plan)[SLOT_WIDTH + 30], 1.0, "the note should reappear two bars later");
    }

    #[test]
    fn recall_ignores_the_beat() {
        let (mut plan, mut memory) = (plan(), Memory::default());
        plan.recalls = vec![PlannedRecall { frame: 0, earlier: Some(EarlierPhrase { latents: 100, share: 0.6 }) }];
        memory.push(0, &plan.clock, note(6, 30));
        let recall = RECALL * SLOT_WIDTH;
        assert_eq!(input(&memory, 100, &plan)[recall + 30], 1.0);
        assert_eq!(input(&memory, 101, &plan)[recall + 30], NEIGHBOUR);
        assert_eq!(input(&memory, 99, &plan)[recall + 30], 0.0);
    }

    #[test]
    fn rewinding_returns_the_first_removed_latent() {
        let (plan, mut memory) = (plan(), Memory::default());
        (0..10).for_each(|latent| memory.push(latent, &plan.clock, note(0, latent as u8)));
        assert_eq!(memory.rewind(4), Some(note(0, 4)));
        assert_eq!((memory.0.len(), memory.rewind(4)), (4, None));
    }
}
