//! The notes of a performance, collected from the output of its conductor and generator: the network's piano, the harmony
//! voices, chords and beats.

mod harmony;
mod piano;
mod piano_part;
mod piano_player;

use std::collections::VecDeque;
use std::ops::Range;

use crate::conductor::Score;
use crate::event::parameter::Param;
use crate::event::{EngineCommand, Notice};
use crate::generator::GeneratedLatent;
use crate::music::theory::{Chord, Voice};

use harmony::Harmony;
use piano::Piano;

pub(super) use harmony::HarmonyNote;
pub(super) use piano_part::{Movement, PianoPart};
pub(super) use piano_player::{PianoEvent, PianoPlayer};

/// The notes collected so far.
#[derive(Debug, Clone, Default)]
pub struct Notes {
    /// Everything before this frame may have been forgotten.
    start: u64,
    beats: VecDeque<u64>,
    chords: VecDeque<(u64, Chord)>,
    harmony: Harmony,
    piano: Piano,
}

impl Notes {
    /// Adds the notes of a latent, replacing all earlier ones from its first frame onwards. Latents must be added in the
    /// order in which they were generated.
    pub(super) fn add_latent(&mut self, latent: &GeneratedLatent) {
        self.piano.add_latent(latent);
    }

    /// Adds a part of the conductor's output. Parts must be added in order of frame.
    pub(super) fn add_score(&mut self, score: &Score) {
        for (frame, notice) in &score.notices {
            match notice {
                Notice::Beat { .. } => self.beats.push_back(*frame),
                Notice::Chord(chord, _) => self.chords.push_back((*frame, *chord)),
                _ => {}
            }
        }
        for timed in &score.commands {
            match timed.command {
                EngineCommand::Toggle(Param::MuteNetwork, on) => self.piano.mute(timed.frame, on),
                _ => self.harmony.add(*timed),
            }
        }
    }

    /// Forgets what begins before a frame, except for what is needed to know which voices are muted and whether the pedal is
    /// down from then on.
    pub(super) fn forget_before(&mut self, frame: u64) {
        self.start = self.start.max(frame);
        drop_while(&mut self.beats, |beat| *beat < frame);
        drop_while(&mut self.chords, |(start, _)| *start < frame);
        self.harmony.forget_before(frame);
        self.piano.forget_before(frame);
    }

    /// Returns the first frame from which everything is known.
    pub(super) const fn start(&self) -> u64 {
        self.start
    }

    /// Returns the beats in a range of frames.
    pub(super) fn beats(&self, frames: &Range<u64>) -> Vec<u64> {
        self.beats.iter().copied().filter(|beat| frames.contains(beat)).collect()
    }

    /// Returns the chords that begin in a range of frames, each with its first frame.
    pub(super) fn chords(&self, frames: &Range<u64>) -> impl Iterator<Item = (u64, Chord)> {
        self.chords.iter().copied().filter(|(frame, _)| frames.contains(frame))
    }

    /// Returns the notes of a harmony voice that begin in a range of frames, in order; those that last longer end with it.
    pub(super) fn harmony(&self, voice: Voice, frames: &Range<u64>) -> Vec<HarmonyNote> {
        self.harmony.notes(voice, frames)
    }

    /// Returns what the network's piano does in a range of frames, at the end of which its keys and pedal come up.
    pub(super) fn piano(&self, frames: &Range<u64>) -> Vec<(u64, PianoEvent)> {
        self.piano.events(frames)
    }
}

/// Removes items from the front while a condition holds; returns the last one removed.
fn drop_while<T>(items: &mut VecDeque<T>, mut condition: impl FnMut(&T) -> bool) -> Option<T> {
    let mut last = None;
    while items.front().is_some_and(&mut condition) {
        last = items.pop_front();
    }
    last
}

#[cfg(test)]
mod tests;
