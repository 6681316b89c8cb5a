//! The keys that the performer plays on the network's piano.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::mel::HOP;
use crate::music::plan::PlayedNote;
use crate::units::SAMPLE_RATE;

/// Frames between a splice and the notes that it introduces: one hop, so that the crossfade does not soften their attacks.
const ATTACK_DELAY: u64 = HOP as u64;
/// Minimum number of frames for which a key is held: 43 ms.
const MIN_HOLD: u64 = 4 * HOP as u64;

/// Maximum number of frames for which a key is held: a minute, by which any piano string is silent. Otherwise, the key of a
/// client that has disappeared would be held forever.
const MAX_HOLD: u64 = 60 * SAMPLE_RATE as u64;

/// A key that has been struck.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Stroke {
    note: u8,
    velocity: u8,
    /// The frame at which the note begins; `None` until a splice introduces it.
    frame: Option<u64>,
    is_down: bool,
    /// The frame at which the key is up again, once it has been released and a splice has introduced the release.
    released: Option<u64>,
}

/// The performer's notes: those that no splice has introduced yet, those that are held, and the latest ones before them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct PlayedKeys(VecDeque<Stroke>);

impl PlayedKeys {
    /// Strikes a key, or releases it if the velocity is 0. Returns whether anything has changed; keys that a piano lacks are
    /// ignored.
    pub(super) fn play(&mut self, note: u8, velocity: u8) -> bool {
        if !PlayedNote::KEYS.contains(&note) {
            return false;
        }
        let was_down = self.release(|stroke| stroke.note == note);
        if velocity == 0 {
            return was_down;
        }
        // Of several strokes that the same splice would introduce, only the last can be heard.
        self.0.retain(|stroke| stroke.note != note || stroke.frame.is_some());
        self.0.push_back(Stroke { note, velocity, frame: None, is_down: true, released: None });
        true
    }

    /// Releases all keys, and drops the strokes that no splice has introduced yet.
    pub(super) fn release_all(&mut self) {
        self.0.retain(|stroke| stroke.frame.is_some());
        self.release(|_| true);
    }

    /// Releases the keys that have been held for too long at a frame. Returns whether there were any.
    pub(super) fn release_forgotten(&mut self, now: u64) -> bool {
        self.release(|stroke| stroke.frame.is_some_and(|frame| frame + MAX_HOLD <= now))
    }

    fn release(&mut self, is_released: impl Fn(&Stroke) -> bool) -> bool {
        let mut changed = false;
        for stroke in self.0.iter_mut().filter(|stroke| stroke.is_down && is_released(stroke)) {
            stroke.is_down = false;
            changed = true;
        }
        changed
    }

    /// Lets the strokes and releases since the last splice take effect with a splice.
    pub(super) fn introduce(&mut self, splice: u64) {
        let now = splice + ATTACK_DELAY;
        for stroke in &mut self.0 {
            let frame = *stroke.frame.get_or_insert(now);
            if !stroke.is_down {
                stroke.released.get_or_insert(now.max(frame + MIN_HOLD));
            }
        }
        // A key that is struck again is released by then at the latest.
        for index in 1..self.0.len() {
            let Stroke { note, frame, .. } = self.0[index];
            for earlier in self.0.range_mut(..index).filter(|earlier| earlier.note == note) {
                earlier.released = earlier.released.into_iter().chain(frame).min();
            }
        }
    }

    /// Discards the notes that ended before a frame.
    pub(super) fn discard_before(&mut self, frame: u64) {
        self.0.retain(|stroke| stroke.released.is_none_or(|released| released >= frame));
    }

    /// Returns the notes that splices have introduced, in order of frame.
    pub(super) fn notes(&self) -> Vec<PlayedNote> {
        let introduced = |stroke: &Stroke| {
            let Stroke { note, velocity, frame, released, .. } = *stroke;
            frame.map(|frame| PlayedNote { frame, note, velocity, released })
        };
        self.0.iter().filter_map(introduced).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOP: u64 = super::HOP as u64;

    fn summary(keys: &PlayedKeys) -> Vec<(u8, u64, Option<u64>)> {
        keys.notes()
            .into_iter()
            .map(|note| (note.note, note.frame / HOP, note.released.map(|frame| frame / HOP)))
            .collect()
    }

    #[test]
    fn notes_begin_a_hop_after_their_splice_and_last_until_released() {
        let mut keys = PlayedKeys::default();
        assert!(keys.play(60, 90) && keys.play(64, 80));
        assert_eq!(summary(&keys), [], "no splice has introduced the notes yet");
        keys.introduce(10 * HOP);
        assert_eq!(summary(&keys), [(60, 11, None), (64, 11, None)]);
        assert!(keys.play(60, 0));
        assert!(!keys.play(60, 0), "a key that is up cannot be released");
        keys.introduce(30 * HOP);
        assert_eq!(summary(&keys), [(60, 11, Some(31)), (64, 11, None)]);
        keys.discard_before(32 * HOP);
        assert_eq!(summary(&keys), [(64, 11, None)]);
        assert!(keys.play(67, 70));
        keys.release_all();
        keys.introduce(50 * HOP);
        assert_eq!(summary(&keys), [(64, 11, Some(51))], "a note that has not begun must not begin after a panic");
    }

    #[test]
    fn a_key_that_is_never_released_is_held_for_a_minute() {
        let mut keys = PlayedKeys::default();
        keys.play(60, 90);
        keys.introduce(0);
        assert!(!keys.release_forgotten(MAX_HOLD));
        assert!(keys.release_forgotten(MAX_HOLD + HOP));
        keys.introduce(MAX_HOLD + 9 * HOP);
        assert_eq!(keys.notes()[0].released, Some(MAX_HOLD + 10 * HOP));
    }

    #[test]
    fn short_notes_are_held_briefly() {
        let mut keys = PlayedKeys::default();
        keys.play(60, 90);
        keys.play(60, 0);
        keys.introduce(0);
        assert_eq!(summary(&keys), [(60, 1, Some(5))]);
    }

    #[test]
    fn a_key_struck_again_ends_its_previous_note() {
        let mut keys = PlayedKeys::default();
        keys.play(60, 90);
        keys.introduce(0);
        keys.play(60, 70);
        keys.play(60, 75);
        keys.introduce(2 * HOP);
        assert_eq!(summary(&keys), [(60, 1, Some(3)), (60, 3, None)]);
        assert_eq!(keys.notes()[1].velocity, 75, "of two strokes before a splice, the last should be heard");
    }

    #[test]
    fn ignores_keys_that_a_piano_lacks() {
        let mut keys = PlayedKeys::default();
        assert!(!keys.play(20, 90) && !keys.play(109, 90) && !keys.play(20, 0));
        assert!(keys.play(21, 90) && keys.play(108, 90));
    }
}
