//! The upcoming notes of the network's piano, reported when they are played.

use std::collections::BTreeMap;

use crate::event::Notice;
use crate::generator::GeneratedLatent;
use crate::mel::{FRAMES_PER_LATENT, HOP};

/// The notices of notes that have not been played.
#[derive(Debug, Default)]
pub(super) struct UpcomingNotes {
    /// By the hop at which their notes start.
    notices: BTreeMap<u64, Vec<Notice>>,
    /// The first hop that has not been played.
    next: u64,
}

impl UpcomingNotes {
    /// Adds the notes of a latent, replacing everything from its first frame onwards, except for what has been reported.
    pub(super) fn add(&mut self, latent: &GeneratedLatent) {
        let first = latent.from / HOP as u64;
        if first + FRAMES_PER_LATENT as u64 <= self.next {
            return;
        }
        self.notices.split_off(&first);
        for note in &latent.written.notes {
            let notices = self.notices.entry(first + u64::from(note.offset)).or_default();
            notices.push(Notice::Note {
                note: note.midi_note(),
                velocity: note.midi_velocity(),
                seconds: note.seconds() as f32,
                melody: note.is_melody(),
            });
        }
        for (hop, strength) in (first..).zip(latent.onsets).filter(|(_, strength)| *strength > 0.0) {
            self.notices.entry(hop).or_default().push(Notice::Onset { strength });
        }
        // A rollback repeats notes that have been played.
        self.notices = self.notices.split_off(&self.next);
    }

    /// Removes and returns the notices due before a frame, in order.
    pub(super) fn due_before(&mut self, frame: u64) -> impl Iterator<Item = Notice> + use<> {
        self.next = self.next.max(frame.div_ceil(HOP as u64));
        let later = self.notices.split_off(&self.next);
        std::mem::replace(&mut self.notices, later).into_values().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::notes::{StepNotes, WrittenNote};

    fn latent(from: u64, notes: &[(u8, u8)]) -> GeneratedLatent {
        let mut onsets = [0.0; 8];
        let note = |(offset, key): &(u8, u8)| {
            onsets[usize::from(*offset)] = 0.5;
            WrittenNote { offset: *offset, key: *key, velocity: 16, ..WrittenNote::default() }
        };
        let written = StepNotes { notes: notes.iter().map(note).collect(), ..StepNotes::default() };
        GeneratedLatent { from, chroma: [0.0; 12], onsets, written, mel: Box::new([0.0; 1024]), restarted: false }
    }

    fn keys(notices: impl Iterator<Item = Notice>) -> Vec<u8> {
        let key = |notice| if let Notice::Note { note, .. } = notice { Some(note) } else { None };
        notices.filter_map(key).collect()
    }

    #[test]
    fn notes_are_reported_once_at_their_frames() {
        let mut upcoming = UpcomingNotes::default();
        upcoming.add(&latent(0, &[(2, 39), (2, 43), (7, 46)]));
        upcoming.add(&latent(4096, &[(3, 51)]));
        assert_eq!(upcoming.due_before(2 * 512).count(), 0);
        let chord: Vec<_> = upcoming.due_before(2 * 512 + 1).collect();
        assert_eq!(chord.last(), Some(&Notice::Onset { strength: 0.5 }), "the notes of a chord should share one onset");
        assert_eq!(keys(chord.into_iter()), [60, 64]);
        assert_eq!(keys(upcoming.due_before(16 * 512)), [67, 72]);
    }

    #[test]
    fn a_new_future_replaces_upcoming_notes() {
        let mut upcoming = UpcomingNotes::default();
        upcoming.add(&latent(0, &[(7, 39)]));
        upcoming.add(&latent(4096, &[(1, 41)]));
        upcoming.add(&latent(4096, &[(5, 43)]));
        assert_eq!(keys(upcoming.due_before(4608)), [60]);
        upcoming.add(&latent(0, &[(7, 39)]));
        upcoming.add(&latent(4096, &[(5, 43)]));
        assert_eq!(keys(upcoming.due_before(8192)), [64], "a note that was reported should not be reported again");
    }
}
