//! The harmony's pending events.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::Sounding;
use crate::music::theory::{Chord, Key, Voice};

/// The kind of an event.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) enum EventKind {
    /// Starts a chord.
    Chord { chord: Chord, key: Key },
    /// Ends a note.
    Off { id: u64 },
    /// Starts a note.
    On { id: u64, voice: Voice, note: u8, velocity: f32 },
}

impl EventKind {
    /// Returns the rank within a beat: notes end before others begin, so that repeated notes are struck again.
    const fn rank(&self) -> u8 {
        match self {
            Self::Chord { .. } => 0,
            Self::Off { .. } => 1,
            Self::On { .. } => 2,
        }
    }
}

/// An event and its beat.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Event {
    pub(super) beat: f64,
    pub(super) kind: EventKind,
}

/// Events in order of beat, then of rank, then of insertion.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Events {
    queue: VecDeque<Event>,
}

impl Events {
    pub(super) fn insert(&mut self, beat: f64, kind: EventKind) {
        let rank = kind.rank();
        let index = self.queue.partition_point(|other| (other.beat, other.kind.rank()) <= (beat, rank));
        self.queue.insert(index, Event { beat, kind });
    }

    pub(super) fn first(&self) -> Option<&Event> {
        self.queue.front()
    }

    pub(super) fn pop(&mut self) -> Option<Event> {
        self.queue.pop_front()
    }

    /// Discards all events from a beat on. Returns the notes held across that beat, whose ends have been discarded.
    pub(super) fn truncate(&mut self, from: f64, sounding: &[Sounding]) -> Vec<Sounding> {
        self.queue.truncate(self.queue.partition_point(|event| event.beat < from));
        let mut held = sounding.to_vec();
        for event in &self.queue {
            match event.kind {
                EventKind::Chord { .. } => {}
                EventKind::Off { id } => held.retain(|note| note.id != id),
                EventKind::On { id, voice, note, velocity } => {
                    held.retain(|other| (other.voice, other.note) != (voice, note));
                    held.push(Sounding { id, voice, note, velocity });
                }
            }
        }
        held
    }
}
