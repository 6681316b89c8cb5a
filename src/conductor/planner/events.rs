//! The harmony's upcoming events, in order.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::Sounding;
use crate::music::theory::{Chord, Key, Voice};

/// An event to play.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) enum What {
    /// Starts a chord.
    Chord { chord: Chord, key: Key },
    /// Ends a note.
    Off { id: u64 },
    /// Starts a note.
    On { id: u64, voice: Voice, note: u8, velocity: f32 },
}

impl What {
    /// Order within a beat: notes end before others begin, so that a repeated note is struck again.
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
    pub(super) what: What,
}

/// Events by beat and rank, equal ones in order of insertion.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Events {
    queue: VecDeque<Event>,
}

impl Events {
    pub(super) fn insert(&mut self, beat: f64, what: What) {
        let rank = what.rank();
        let place = self.queue.partition_point(|other| (other.beat, other.what.rank()) <= (beat, rank));
        self.queue.insert(place, Event { beat, what });
    }

    pub(super) fn first(&self) -> Option<&Event> {
        self.queue.front()
    }

    pub(super) fn pop(&mut self) -> Option<Event> {
        self.queue.pop_front()
    }

    /// Discards everything from a beat on; returns which of the currently sounding notes would then never end.
    pub(super) fn cut(&mut self, from: f64, sounding: &[Sounding]) -> Vec<Sounding> {
        self.queue.truncate(self.queue.partition_point(|event| event.beat < from));
        let mut held = sounding.to_vec();
        for event in &self.queue {
            match event.what {
                What::Chord { .. } => {}
                What::Off { id } => held.retain(|note| note.id != id),
                What::On { id, voice, note, velocity } => {
                    held.retain(|other| (other.voice, other.note) != (voice, note));
                    held.push(Sounding { id, voice, note, velocity });
                }
            }
        }
        held
    }
}
