//! The upcoming notes of the network's piano, reported when they are played.

use std::collections::BTreeMap;

use crate::event::Notice;
use crate::generator::GeneratedLatent;
use crate::mel::HOP;

/// Notices, by the hop at which their notes start.
#[derive(Debug, Default)]
pub(super) struct UpcomingNotes(BTreeMap<u64, Vec<Notice>>);

impl UpcomingNotes {
    /// Adds the notes of a latent, replacing everything from its first frame onwards.
    pub(super) fn add(&mut self, latent: &GeneratedLatent) {
        let first = latent.from / HOP as u64;
        self.0.split_off(&first);
        for note in &latent.written.notes {
            let notices = self.0.entry(first + u64::from(note.offset)).or_default();
            notices.push(Notice::Note {
                note: note.midi_note(),
                velocity: note.midi_velocity(),
                seconds: note.seconds() as f32,
                melody: note.is_melody(),
            });
        }
        for (hop, strength) in (first..).zip(latent.onsets).filter(|(_, strength)| *strength > 0.0) {
            self.0.entry(hop).or_default().push(Notice::Onset { strength });
        }
    }

    /// Removes and returns the notices due before a frame, in order.
    pub(super) fn due_before(&mut self, frame: u64) -> impl Iterator<Item = Notice> + use<> {
        let later = self.0.split_off(&frame.div_ceil(HOP as u64));
        std::mem::replace(&mut self.0, later).into_values().flatten()
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
        assert_eq!(keys(upcoming.due_before(8192)), [60, 64]);
    }
}
