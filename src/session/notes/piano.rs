//! The network's piano in a recording: its part, and when it is muted.

use std::collections::VecDeque;
use std::ops::Range;

use super::drop_while;
use super::piano_part::{Movement, PianoPart};
use super::piano_player::{PianoEvent, PianoPlayer};
use crate::generator::GeneratedLatent;

/// The part collected so far, and its mutes.
#[derive(Debug, Clone, Default)]
pub(super) struct Piano {
    part: PianoPart,
    /// Frames at which the piano is muted (true) or unmuted.
    mutes: VecDeque<(u64, bool)>,
    /// Whether it is muted before the first of these.
    muted_before: bool,
}

impl Piano {
    pub(super) fn add_latent(&mut self, latent: &GeneratedLatent) {
        self.part.add_latent(latent);
    }

    pub(super) fn mute(&mut self, frame: u64, on: bool) {
        self.mutes.push_back((frame, on));
    }

    pub(super) fn forget_before(&mut self, frame: u64) {
        self.part.forget_before(frame);
        if let Some((_, on)) = drop_while(&mut self.mutes, |(at, _)| *at < frame) {
            self.muted_before = on;
        }
    }

    /// Returns the events in a range of frames. Notes struck while the piano is muted are left out.
    pub(super) fn events(&self, frames: &Range<u64>) -> Vec<(u64, PianoEvent)> {
        let (mut part, mut player, mut events) = (self.part.clone(), PianoPlayer::default(), Vec::new());
        part.forget_before(frames.start);
        player.perform(frames.start, Movement::Pedal(part.pedal_before()), &mut events);
        while let Some((frame, movement)) = part.next_before(frames.end) {
            if matches!(movement, Movement::Pedal(_)) || !self.is_muted(frame) {
                player.perform(frame, movement, &mut events);
            }
        }
        player.stop(frames.end, &mut events);
        events
    }

    fn is_muted(&self, frame: u64) -> bool {
        let index = self.mutes.partition_point(|(at, _)| *at <= frame);
        index.checked_sub(1).map_or(self.muted_before, |last| self.mutes[last].1)
    }
}
