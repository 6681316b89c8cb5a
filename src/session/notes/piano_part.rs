//! What the network's piano plays: strokes and pedal movements in order of time.

use std::collections::VecDeque;

use super::drop_while;
use crate::generator::GeneratedLatent;
use crate::generator::notes::{OFFSETS, PEDAL_LIFT_HOPS, Pedal};
use crate::mel::HOP;
use crate::units::seconds_to_frames;

/// A stroke of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::session) struct Stroke {
    pub(in crate::session) frame: u64,
    /// Number of frames for which the key is held; `None` if it is held until a [`Movement::Release`].
    pub(in crate::session) length: Option<u32>,
    /// MIDI note number.
    pub(in crate::session) key: u8,
    /// MIDI velocity.
    pub(in crate::session) velocity: u8,
}

/// A movement of the pianist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::session) enum Movement {
    Strike(Stroke),
    /// Releases a key, given by its MIDI note number, that is held until then.
    Release(u8),
    /// Moves the pedal; true is down.
    Pedal(bool),
}

/// Strokes, releases of keys that the performer holds, and pedal movements.
#[derive(Debug, Clone, Default)]
pub(in crate::session) struct PianoPart {
    strokes: VecDeque<Stroke>,
    /// Frames at which the performer releases keys, and the keys' MIDI note numbers.
    releases: VecDeque<(u64, u8)>,
    /// Frames at which the pedal moves, and whether it is down afterwards.
    pedal: VecDeque<(u64, bool)>,
    /// Whether the pedal is down before the first of these movements.
    pedal_before: bool,
}

impl PianoPart {
    /// Adds a latent, replacing everything from its first frame onwards.
    pub(in crate::session) fn add_latent(&mut self, latent: &GeneratedLatent) {
        let kept = self.strokes.partition_point(|stroke| stroke.frame < latent.from);
        self.strokes.truncate(kept);
        let kept = self.releases.partition_point(|(frame, _)| *frame < latent.from);
        self.releases.truncate(kept);
        let kept = self.pedal.partition_point(|(frame, _)| *frame < latent.from);
        self.pedal.truncate(kept);
        let frame = |offset: u8| latent.from + (usize::from(offset) * HOP) as u64;
        let written = &latent.written;
        self.strokes.extend(written.notes.iter().map(|note| Stroke {
            frame: frame(note.offset),
            length: (!note.is_held()).then(|| seconds_to_frames(note.seconds()) as u32),
            key: note.midi_note(),
            velocity: note.midi_velocity(),
        }));
        self.releases.extend(written.releases.iter().map(|release| (frame(release.offset), release.midi_note())));
        let offset = written.pedal_offset;
        match written.pedal {
            Pedal::Up => self.move_pedal(frame(offset), false),
            Pedal::Down => self.move_pedal(frame(offset), true),
            Pedal::Changed => {
                let pressed = (offset + PEDAL_LIFT_HOPS).min(OFFSETS as u8 - 1);
                self.move_pedal(frame(offset), false);
                self.move_pedal(frame(pressed), true);
            }
        }
    }

    fn move_pedal(&mut self, frame: u64, down: bool) {
        let now = self.pedal.back().map_or(self.pedal_before, |(_, down)| *down);
        if down != now {
            self.pedal.push_back((frame, down));
        }
    }

    /// Returns whether the pedal is down before the first movement.
    pub(in crate::session) const fn pedal_before(&self) -> bool {
        self.pedal_before
    }

    /// Forgets everything before a frame except the position of the pedal.
    pub(in crate::session) fn forget_before(&mut self, frame: u64) {
        drop_while(&mut self.strokes, |stroke| stroke.frame < frame);
        drop_while(&mut self.releases, |(at, _)| *at < frame);
        if let Some((_, down)) = drop_while(&mut self.pedal, |(at, _)| *at < frame) {
            self.pedal_before = down;
        }
    }

    /// Removes and returns the first movement before frame `end`, with its frame. At the same frame, the pedal moves first, then
    /// keys are released.
    pub(in crate::session) fn next_before(&mut self, end: u64) -> Option<(u64, Movement)> {
        let stroke = self.strokes.front().map_or(u64::MAX, |stroke| stroke.frame);
        let release = self.releases.front().map_or(u64::MAX, |(frame, _)| *frame);
        let pedal = self.pedal.front().map_or(u64::MAX, |(frame, _)| *frame);
        if stroke.min(release).min(pedal) >= end {
            return None;
        }
        if release <= stroke && release < pedal {
            return self.releases.pop_front().map(|(frame, key)| (frame, Movement::Release(key)));
        }
        if pedal <= stroke {
            let (frame, down) = self.pedal.pop_front()?;
            self.pedal_before = down;
            return Some((frame, Movement::Pedal(down)));
        }
        self.strokes.pop_front().map(|stroke| (stroke.frame, Movement::Strike(stroke)))
    }
}
