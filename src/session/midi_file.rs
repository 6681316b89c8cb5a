//! Standard MIDI Files of a performance: the network's piano, the harmony voices, chords as markers, and the tempo of every
//! beat.

mod tempo_map;

use std::io::{self, Write};
use std::ops::Range;

use midly::num::{u4, u7, u15, u28};
use midly::{Format, Header, MetaMessage, MidiMessage, Smf, Timing, Track, TrackEvent, TrackEventKind};

use super::notes::{Notes, PianoEvent};
use crate::music::theory::Voice;
use tempo_map::{TICKS_PER_QUARTER, TempoMap};

/// The piano's channel; the harmony voices use the first three channels.
const PIANO_CHANNEL: u4 = u4::new(3);
/// Controller number of the sustain pedal.
const SUSTAIN: u7 = u7::new(64);
/// The velocity of note-offs, which has no meaning here.
const RELEASE_VELOCITY: u7 = u7::new(64);

/// The notes in a range of frames.
#[derive(Debug)]
pub struct MidiFile {
    frames: Range<u64>,
    notes: Notes,
}

impl MidiFile {
    /// Creates a file of the notes in the given frames; frame `frames.start` is tick 0.
    #[must_use]
    pub const fn new(frames: Range<u64>, notes: Notes) -> Self {
        Self { frames, notes }
    }

    /// Writes the file in format 1: a track for tempo and chords, one per voice of the harmony, and one for the piano.
    ///
    /// # Errors
    /// When `to` cannot be written.
    pub fn write(&self, to: impl Write) -> io::Result<()> {
        let tempo_map = TempoMap::new(&self.frames, &self.notes.beats(&self.frames));
        let end = tempo_map.tick(self.frames.end);
        let mut smf = Smf::new(Header::new(Format::Parallel, Timing::Metrical(u15::new(TICKS_PER_QUARTER))));
        let chords: Vec<_> = self.notes.chords(&self.frames).map(|(frame, chord)| (frame, chord.to_string())).collect();
        smf.tracks.push(track("Melos", tempo_events(&tempo_map, &chords), end));
        for (channel, voice) in (0..).zip(Voice::ALL) {
            smf.tracks.push(track(name(voice), self.harmony_events(&tempo_map, u4::new(channel), voice), end));
        }
        smf.tracks.push(track("Piano", self.piano_events(&tempo_map), end));
        smf.write_std(to)
    }

    fn harmony_events(&self, tempo_map: &TempoMap, channel: u4, voice: Voice) -> Vec<(u32, TrackEventKind<'static>)> {
        let mut events = Vec::new();
        for note in self.notes.harmony(voice, &self.frames) {
            let (start, end, key) = (tempo_map.tick(note.start), tempo_map.tick(note.end), u7::new(note.key));
            // A note within a single tick could only be written as one that never ends.
            if end > start {
                let on = MidiMessage::NoteOn { key, vel: u7::new(note.velocity) };
                let off = MidiMessage::NoteOff { key, vel: RELEASE_VELOCITY };
                events.extend(
                    [(start, on), (end, off)].map(|(tick, message)| (tick, TrackEventKind::Midi { channel, message })),
                );
            }
        }
        events
    }

    fn piano_events(&self, tempo_map: &TempoMap) -> Vec<(u32, TrackEventKind<'static>)> {
        let end = tempo_map.tick(self.frames.end);
        let mut events = Vec::new();
        for (frame, event) in self.notes.piano(&self.frames) {
            let tick = tempo_map.tick(frame);
            let message = match event {
                // Too late to be heard.
                PianoEvent::NoteOn { .. } if tick == end => continue,
                PianoEvent::NoteOn { key, velocity } => {
                    MidiMessage::NoteOn { key: u7::new(key), vel: u7::new(velocity) }
                }
                PianoEvent::NoteOff { key } => MidiMessage::NoteOff { key: u7::new(key), vel: RELEASE_VELOCITY },
                PianoEvent::Pedal(down) => {
                    MidiMessage::Controller { controller: SUSTAIN, value: u7::new(if down { 127 } else { 0 }) }
                }
            };
            events.push((tick, TrackEventKind::Midi { channel: PIANO_CHANNEL, message }));
        }
        events
    }
}

fn tempo_events<'a>(tempo_map: &TempoMap, chords: &'a [(u64, String)]) -> Vec<(u32, TrackEventKind<'a>)> {
    let meta = |message| TrackEventKind::Meta(message);
    let mut events: Vec<_> = tempo_map.tempi().map(|(tick, tempo)| (tick, meta(MetaMessage::Tempo(tempo)))).collect();
    events.push((0, meta(MetaMessage::TimeSignature(4, 2, 24, 8))));
    events.extend(
        chords.iter().map(|(frame, symbol)| (tempo_map.tick(*frame), meta(MetaMessage::Marker(symbol.as_bytes())))),
    );
    events
}

const fn name(voice: Voice) -> &'static str {
    match voice {
        Voice::Bass => "Bass",
        Voice::Pad => "Pad",
        Voice::Upper => "Upper voice",
    }
}

/// Builds a track of events in tick order; at the same tick, note-offs come first.
fn track<'a>(name: &'a str, mut events: Vec<(u32, TrackEventKind<'a>)>, end: u32) -> Track<'a> {
    let is_note_off =
        |kind: &TrackEventKind| matches!(kind, TrackEventKind::Midi { message: MidiMessage::NoteOff { .. }, .. });
    events.sort_by_key(|(tick, kind)| (*tick, !is_note_off(kind)));
    let mut last_tick = 0;
    let mut track =
        vec![TrackEvent { delta: u28::new(0), kind: TrackEventKind::Meta(MetaMessage::TrackName(name.as_bytes())) }];
    for (tick, kind) in events.into_iter().chain([(end, TrackEventKind::Meta(MetaMessage::EndOfTrack))]) {
        track.push(TrackEvent { delta: u28::new(tick - last_tick), kind });
        last_tick = tick;
    }
    track
}

#[cfg(test)]
mod tests;
