//! The history of notes, and the composer's memory of it: the notes at the same position in earlier bars, and those of
//! the phrase being recalled.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::generator::LATENT_FRAMES;
use crate::generator::notes::{
    DURATIONS, KEYS, LAGS, MEMORY_WIDTH, OFFSETS, SLOT_WIDTH, SLOTS, VELOCITIES, VOICES, WrittenFrame, WrittenNote,
};
use crate::mel::HOP;
use crate::music::clock::MusicClock;
use crate::music::plan::Plan;

/// Maximum latents remembered: almost six minutes. Phrases older than that cannot be recalled.
const CAPACITY: usize = 4096;
/// Columns of a slot, after the struck keys of each voice.
const OFFSET_COLUMN: usize = VOICES * KEYS;
const VELOCITY_COLUMN: usize = OFFSET_COLUMN + OFFSETS;
const DURATION_COLUMN: usize = VELOCITY_COLUMN + VELOCITIES + 1;
const _: () = assert!(DURATION_COLUMN + DURATIONS == SLOT_WIDTH);
/// Weight of a struck key in the neighbouring latent closer to its position.
const NEIGHBOUR: f32 = 0.5;
/// Offset added to positions, in latents, so that rounding errors move none of them to the previous latent.
const EPSILON: f64 = 1e-6;
/// The slot of the phrase being recalled.
const RECALL: usize = SLOTS - 1;

/// A latent that was written.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Past {
    latent: u64,
    /// The positions of its offsets in beats.
    beats: [f64; OFFSETS],
    written: WrittenFrame,
}

/// The latents written so far, oldest first.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Memory(VecDeque<Past>);

impl Memory {
    /// Remembers a latent.
    pub(super) fn push(&mut self, latent: u64, clock: &MusicClock, written: WrittenFrame) {
        if self.0.len() == CAPACITY {
            self.0.pop_front();
        }
        let beats = std::array::from_fn(|offset| clock.beat_at(latent * LATENT_FRAMES + (offset * HOP) as u64));
        self.0.push_back(Past { latent, beats, written });
    }

    /// Forgets the latents from `latent` on, and returns that latent if there is one.
    pub(super) fn rewind(&mut self, latent: u64) -> Option<WrittenFrame> {
        let at = self.0.partition_point(|past| past.latent < latent);
        let first = self.0.get(at).filter(|past| past.latent == latent).map(|past| past.written.clone());
        self.0.truncate(at);
        first
    }

    /// Writes the memory for a latent: for every slot, counts of the notes struck.
    pub(super) fn fill(&self, latent: u64, plan: &Plan, out: &mut [f32]) {
        out[..MEMORY_WIDTH].fill(0.0);
        let (slots, recall) = out[..MEMORY_WIDTH].split_at_mut(RECALL * SLOT_WIDTH);
        for (lag, slot) in LAGS.into_iter().zip(slots.chunks_exact_mut(SLOT_WIDTH)) {
            self.fill_lag(latent, f64::from(lag * plan.clock.beats_per_bar()), &plan.clock, slot);
        }
        if let Some(earlier) = plan.earlier(latent * LATENT_FRAMES)
            && let Some(source) = latent.checked_sub(earlier.latents)
        {
            self.fill_recall(source, recall);
        }
    }

    /// Adds notes whose position `lag` beats later is in the latent or next to it.
    fn fill_lag(&self, latent: u64, lag: f64, clock: &MusicClock, slot: &mut [f32]) {
        let start = latent * LATENT_FRAMES;
        let from = clock.beat_at(start.saturating_sub(LATENT_FRAMES)) - lag;
        let until = clock.beat_at(start + 2 * LATENT_FRAMES) - lag;
        let first = self.0.partition_point(|past| past.beats[OFFSETS - 1] < from);
        for past in self.0.range(first..).take_while(|past| past.beats[0] <= until) {
            for note in &past.written.notes {
                let again = clock.frame_at(past.beats[usize::from(note.offset)] + lag);
                put(slot, *note, again as f64 / LATENT_FRAMES as f64 + EPSILON, latent);
            }
        }
    }

    /// Adds the notes of an earlier latent and of its neighbours.
    fn fill_recall(&self, source: u64, slot: &mut [f32]) {
        let first = self.0.partition_point(|past| past.latent + 1 < source);
        for past in self.0.range(first..).take_while(|past| past.latent <= source + 1) {
            for note in &past.written.notes {
                let place = past.latent as f64 + f64::from(note.offset) / OFFSETS as f64;
                put(slot, *note, place + EPSILON, source);
            }
        }
    }
}

/// Counts a note in a slot of latent `latent`, if its position is in that latent or in the nearer half of a neighbour.
fn put(slot: &mut [f32], note: WrittenNote, place: f64, latent: u64) {
    let frame = place.floor();
    let within = place - frame;
    let key = usize::from(note.voice) * KEYS + usize::from(note.key);
    if frame == latent as f64 {
        let offset = ((within * OFFSETS as f64) as usize).min(OFFSETS - 1);
        let columns = [
            key,
            OFFSET_COLUMN + offset,
            VELOCITY_COLUMN + usize::from(note.velocity),
            DURATION_COLUMN + usize::from(note.duration),
        ];
        columns.into_iter().for_each(|column| slot[column] += 1.0);
    } else if frame + if within < 0.5 { -1.0 } else { 1.0 } == latent as f64 {
        slot[key] += NEIGHBOUR;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::music::emotion::{Emotion, Mood};
    use crate::music::plan::{Earlier, Returning};
    use crate::music::theory::Chord;

    /// A bar is 23.4375 latents at 120 BPM.
    fn plan() -> Plan {
        Plan::steady(1, Mood::pure(Emotion::Calm), Chord::parse("C").unwrap(), 120.0)
    }

    fn note(offset: u8, key: u8) -> WrittenFrame {
        let note = WrittenNote { offset, key, velocity: 20, duration: 7, voice: 0 };
        WrittenFrame { notes: vec![note], ..WrittenFrame::default() }
    }

    fn filled(memory: &Memory, latent: u64, plan: &Plan) -> Vec<f32> {
        let mut out = vec![1.0; MEMORY_WIDTH];
        memory.fill(latent, plan, &mut out);
        out
    }

    #[test]
    fn a_note_is_remembered_a_bar_later() {
        let (plan, mut memory) = (plan(), Memory::default());
        memory.push(0, &plan.clock, note(2, 30));
        // 0.25 + 23.4375 = latent 23, offset 5.
        let at = filled(&memory, 23, &plan);
        let slot = &at[..SLOT_WIDTH];
        for column in [30, OFFSET_COLUMN + 5, VELOCITY_COLUMN + 20, DURATION_COLUMN + 7] {
            assert_eq!(slot[column], 1.0, "{column}");
        }
        assert_eq!(at.iter().sum::<f32>(), 4.0);
        assert_eq!(
            filled(&memory, 24, &plan).iter().sum::<f32>(),
            NEIGHBOUR,
            "its position is closer to the next latent"
        );
        assert_eq!(filled(&memory, 22, &plan).iter().sum::<f32>(), 0.0);
        assert_eq!(filled(&memory, 47, &plan)[SLOT_WIDTH + 30], 1.0, "two bars later");
    }

    #[test]
    fn a_phrase_that_returns_is_remembered_whatever_the_beat() {
        let (mut plan, mut memory) = (plan(), Memory::default());
        plan.returns = vec![Returning { frame: 0, earlier: Some(Earlier { latents: 100, share: 0.6 }) }];
        memory.push(0, &plan.clock, note(6, 30));
        let recall = RECALL * SLOT_WIDTH;
        assert_eq!(filled(&memory, 100, &plan)[recall + 30], 1.0);
        assert_eq!(filled(&memory, 101, &plan)[recall + 30], NEIGHBOUR);
        assert_eq!(filled(&memory, 99, &plan)[recall + 30], 0.0);
    }

    #[test]
    fn rewinding_forgets_and_returns_the_first_frame() {
        let (plan, mut memory) = (plan(), Memory::default());
        (0..10).for_each(|latent| memory.push(latent, &plan.clock, note(0, latent as u8)));
        assert_eq!(memory.rewind(4), Some(note(0, 4)));
        assert_eq!((memory.0.len(), memory.rewind(4)), (4, None));
    }
}
