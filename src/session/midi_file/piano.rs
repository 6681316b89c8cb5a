//! The notes of the network's piano, and its sustain pedal as controller 64.

use std::ops::Range;

use midly::MidiMessage;
use midly::num::u7;

use crate::generator::GeneratedLatent;
use crate::generator::notes::{OFFSETS, PEDAL_LIFT_HOPS, Pedal};
use crate::mel::HOP;
use crate::units::seconds_to_frames;

/// Controller number of the sustain pedal.
const SUSTAIN: u7 = u7::new(64);

/// The notes and pedal movements of the network's piano, by frame.
#[derive(Debug, Default)]
pub(super) struct Piano {
    /// Start, end, key and velocity, in order of start; a note that the performer plays ends with a release of its key.
    notes: Vec<(u64, Option<u64>, u7, u7)>,
    /// Frames at which the performer releases keys.
    releases: Vec<(u64, u7)>,
    /// Frames at which the pedal moves, and whether it is down afterwards.
    pedal: Vec<(u64, bool)>,
    /// Frames at which the piano is muted (true) or unmuted.
    mutes: Vec<(u64, bool)>,
}

impl Piano {
    /// Adds a latent, replacing everything from its first frame onwards.
    pub(super) fn add_latent(&mut self, latent: &GeneratedLatent) {
        self.notes.retain(|(start, ..)| *start < latent.from);
        self.releases.retain(|(frame, _)| *frame < latent.from);
        self.pedal.retain(|(frame, _)| *frame < latent.from);
        let frame = |offset: u8| latent.from + (usize::from(offset) * HOP) as u64;
        let written = &latent.written;
        for note in &written.notes {
            let (start, length) = (frame(note.offset), seconds_to_frames(note.seconds()));
            let (key, velocity) = (u7::new(note.midi_note()), u7::new(note.midi_velocity()));
            self.notes.push((start, (!note.is_held()).then_some(start + length), key, velocity));
        }
        for release in &written.releases {
            self.releases.push((frame(release.offset), u7::new(release.midi_note())));
        }
        let offset = written.pedal_offset;
        match written.pedal {
            Pedal::Up => self.pedal.push((frame(offset), false)),
            Pedal::Down => self.pedal.push((frame(offset), true)),
            Pedal::Changed => {
                let pressed = (offset + PEDAL_LIFT_HOPS).min(OFFSETS as u8 - 1);
                self.pedal.extend([(frame(offset), false), (frame(pressed), true)]);
            }
        }
    }

    pub(super) fn mute(&mut self, frame: u64, on: bool) {
        self.mutes.push((frame, on));
    }

    /// Returns the piano's messages within a range of frames. Striking a key again ends its previous note.
    pub(super) fn messages(&self, frames: &Range<u64>) -> Vec<(u64, MidiMessage)> {
        let mut messages = Vec::new();
        let mut down = false;
        for (frame, pedal) in self.pedal.iter().filter(|(frame, _)| frames.contains(frame)) {
            if *pedal != down {
                down = *pedal;
                let value = u7::new(if down { 127 } else { 0 });
                messages.push((*frame, MidiMessage::Controller { controller: SUSTAIN, value }));
            }
        }
        let is_audible = |start: u64| {
            let muted = self.mutes.iter().rev().find(|(frame, _)| *frame <= start).is_some_and(|(_, on)| *on);
            frames.contains(&start) && !muted
        };
        let release = |start: u64, key: u7| {
            let released = self.releases.iter().find(|(frame, released)| *frame > start && *released == key);
            released.map_or(frames.end, |(frame, _)| *frame)
        };
        for (index, (start, end, key, vel)) in self.notes.iter().enumerate().filter(|(_, note)| is_audible(note.0)) {
            let end = end.unwrap_or_else(|| release(*start, *key));
            let repetition = self.notes[index + 1..].iter().take_while(|next| next.0 < end).find(|next| next.2 == *key);
            let end = repetition.map_or(end, |next| next.0).min(frames.end);
            messages.push((*start, MidiMessage::NoteOn { key: *key, vel: *vel }));
            messages.push((end, MidiMessage::NoteOff { key: *key, vel: u7::new(64) }));
        }
        messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::notes::{HELD, Release, StepNotes, WrittenNote};

    fn latent(from: u64, pedal: Pedal, notes: &[(u8, u8)]) -> GeneratedLatent {
        let note =
            |(offset, key): &(u8, u8)| WrittenNote { offset: *offset, key: *key, velocity: 16, duration: 8, voice: 0 };
        let written =
            StepNotes { pedal, pedal_offset: 2, notes: notes.iter().map(note).collect(), ..StepNotes::default() };
        GeneratedLatent {
            from,
            chroma: [0.0; 12],
            onsets: [0.0; 8],
            written,
            mel: Box::new([0.0; 1024]),
            restarted: false,
        }
    }

    #[test]
    fn a_latent_replaces_later_notes_and_a_repeated_key_ends_its_previous_note() {
        let mut piano = Piano::default();
        piano.add_latent(&latent(0, Pedal::Down, &[(0, 39), (4, 39)]));
        piano.add_latent(&latent(4096, Pedal::Down, &[(0, 50)]));
        piano.add_latent(&latent(4096, Pedal::Changed, &[(0, 51)]));
        let messages = piano.messages(&(0..48_000));
        let pedal: Vec<_> =
            messages.iter().filter(|(_, message)| matches!(message, MidiMessage::Controller { .. })).collect();
        assert_eq!(pedal.iter().map(|(frame, _)| *frame).collect::<Vec<_>>(), [1024, 5120, 7168]);
        let ends: Vec<_> = messages
            .iter()
            .filter_map(|(frame, message)| match message {
                MidiMessage::NoteOff { key, .. } => Some((*frame, key.as_int())),
                _ => None,
            })
            .collect();
        assert_eq!(ends[0], (2048, 60));
        assert_eq!(ends.iter().map(|(_, key)| *key).collect::<Vec<_>>(), [60, 60, 72]);
        piano.mute(0, true);
        assert!(
            piano.messages(&(0..48_000)).iter().all(|(_, message)| matches!(message, MidiMessage::Controller { .. }))
        );
    }

    #[test]
    fn a_held_note_ends_with_its_release() {
        let note = |offset, key| WrittenNote { offset, key, velocity: 16, duration: HELD, voice: 1 };
        let step = |from, notes: Vec<WrittenNote>, releases: Vec<Release>| {
            let mut latent = latent(from, Pedal::Up, &[]);
            (latent.written.notes, latent.written.releases) = (notes, releases);
            latent
        };
        let mut piano = Piano::default();
        piano.add_latent(&step(0, vec![note(2, 39), note(2, 43)], vec![]));
        piano.add_latent(&step(4096, vec![note(4, 43)], vec![Release { offset: 4, key: 43 }]));
        piano.add_latent(&step(8192, vec![], vec![Release { offset: 1, key: 39 }]));
        piano.add_latent(&step(8192, vec![], vec![Release { offset: 3, key: 39 }]));
        let ends: Vec<_> = piano
            .messages(&(0..48_000))
            .into_iter()
            .filter_map(|(frame, message)| match message {
                MidiMessage::NoteOff { key, .. } => Some((key.as_int(), frame)),
                _ => None,
            })
            .collect();
        assert_eq!(ends, [(60, 8192 + 3 * 512), (64, 4096 + 4 * 512), (64, 48_000)]);
    }
}
