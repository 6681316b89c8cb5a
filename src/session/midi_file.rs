//! Writes the notes of a performance to a Standard MIDI File: the network's piano, the harmony voices, chords as
//! markers, and the tempo of every beat.

mod piano;

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;

use piano::Piano;

use midly::num::{u4, u7, u15, u24, u28};
use midly::{Format, Header, MetaMessage, MidiMessage, Smf, Timing, Track, TrackEvent, TrackEventKind};

use crate::conductor::Score;
use crate::event::parameter::Param;
use crate::event::{EngineCommand, Notice};
use crate::generator::GeneratedLatent;
use crate::music::theory::Voice;
use crate::units::SAMPLE_RATE;

/// The piano's channel; the harmony voices use the first three channels.
const PIANO_CHANNEL: u4 = u4::new(3);
/// Ticks per quarter note.
const TICKS_PER_QUARTER: u16 = 480;
/// Slowest tempo that a tempo event can hold in its 24 bits, in microseconds per quarter note.
const SLOWEST_TEMPO: u32 = 0x00FF_FFFF;

/// Collects the notes played in a range of frames.
#[derive(Debug)]
pub struct MidiFile {
    frames: Range<u64>,
    beats: Vec<u64>,
    /// Frames and chord symbols.
    chords: Vec<(u64, String)>,
    /// In order of onset.
    notes: Vec<Note>,
    muted: [bool; Voice::ALL.len()],
    all_muted: bool,
    piano: Piano,
}

/// A note; `end` is `None` while it sounds.
#[derive(Debug, Clone, Copy)]
struct Note {
    voice: Voice,
    key: u8,
    velocity: u8,
    start: u64,
    end: Option<u64>,
}

impl MidiFile {
    /// Creates an empty file for the given frames of a performance; frame `frames.start` is tick 0.
    #[must_use]
    pub fn new(frames: Range<u64>) -> Self {
        Self {
            frames,
            beats: Vec::new(),
            chords: Vec::new(),
            notes: Vec::new(),
            muted: [false; Voice::ALL.len()],
            all_muted: false,
            piano: Piano::default(),
        }
    }

    /// Adds the notes of a latent, replacing all earlier ones from its first frame onwards. Latents must be added in the
    /// order in which they were generated.
    pub(super) fn add_latent(&mut self, latent: &GeneratedLatent) {
        self.piano.add_latent(latent);
    }

    /// Adds a part of the conductor's output. Parts must be added in order of frame.
    pub(super) fn add_score(&mut self, score: &Score) {
        for (frame, notice) in score.notices.iter().filter(|(frame, _)| self.frames.contains(frame)) {
            match notice {
                Notice::Beat { .. } => self.beats.push(*frame),
                Notice::Chord(chord, _) => self.chords.push((*frame, chord.to_string())),
                _ => {}
            }
        }
        for timed in &score.commands {
            match timed.command {
                EngineCommand::Toggle(Param::MuteNetwork, on) => self.piano.mute(timed.frame, on),
                EngineCommand::Toggle(param, on) => self.mute(timed.frame, param, on),
                EngineCommand::NoteOn { voice, note, velocity }
                    if self.frames.contains(&timed.frame) && !self.all_muted && !self.muted[voice as usize] =>
                {
                    let velocity = (velocity * 127.0).round().clamp(1.0, 127.0) as u8;
                    self.notes.push(Note { voice, key: note, velocity, start: timed.frame, end: None });
                }
                EngineCommand::NoteOff { voice, note } => {
                    self.end_notes(timed.frame, |sounding| sounding.voice == voice && sounding.key == note);
                }
                EngineCommand::Panic => self.end_notes(timed.frame, |_| true),
                _ => {}
            }
        }
    }

    /// Mutes or unmutes voices from a frame onwards. Notes that start at that frame may already have been added.
    fn mute(&mut self, frame: u64, param: Param, on: bool) {
        let voices = match param {
            Param::MuteBass => &[Voice::Bass][..],
            Param::MutePad => &[Voice::Pad],
            Param::MuteUpper => &[Voice::Upper],
            Param::MuteHarmony => &Voice::ALL,
            _ => return,
        };
        match param {
            Param::MuteHarmony => self.all_muted = on,
            _ => voices.iter().for_each(|voice| self.muted[*voice as usize] = on),
        }
        if on {
            self.notes.retain(|note| note.start < frame || !voices.contains(&note.voice));
        }
    }

    fn end_notes(&mut self, frame: u64, matches: impl Fn(&Note) -> bool) {
        for note in self.notes.iter_mut().filter(|note| note.end.is_none() && matches(note)) {
            note.end = Some(frame);
        }
    }

    /// Writes the file in format 1: a track for tempo and chords, one per voice of the harmony, and one for the piano.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let tempo_map = TempoMap::new(&self.frames, &self.beats);
        let mut smf = Smf::new(Header::new(Format::Parallel, Timing::Metrical(u15::new(TICKS_PER_QUARTER))));
        let meta = |message| TrackEventKind::Meta(message);
        let mut tempo_events: Vec<_> =
            tempo_map.tempi().map(|(tick, tempo)| (tick, meta(MetaMessage::Tempo(tempo)))).collect();
        tempo_events.push((0, meta(MetaMessage::TimeSignature(4, 2, 24, 8))));
        let chords = self
            .chords
            .iter()
            .map(|(frame, symbol)| (tempo_map.tick(*frame), meta(MetaMessage::Marker(symbol.as_bytes()))));
        tempo_events.extend(chords);
        smf.tracks.push(track("Melos", tempo_events, tempo_map.tick(self.frames.end)));
        for (channel, voice) in (0..).zip(Voice::ALL) {
            let mut events = Vec::new();
            for note in self.notes.iter().filter(|note| note.voice == voice) {
                let mut add = |frame, message| {
                    let kind = TrackEventKind::Midi { channel: u4::new(channel), message };
                    events.push((tempo_map.tick(frame), kind));
                };
                let (key, vel) = (u7::new(note.key), u7::new(note.velocity));
                add(note.start, MidiMessage::NoteOn { key, vel });
                add(
                    note.end.unwrap_or(self.frames.end).min(self.frames.end),
                    MidiMessage::NoteOff { key, vel: u7::new(64) },
                );
            }
            smf.tracks.push(track(name(voice), events, tempo_map.tick(self.frames.end)));
        }
        let piano = self.piano.messages(&self.frames).into_iter();
        let piano = piano
            .map(|(frame, message)| (tempo_map.tick(frame), TrackEventKind::Midi { channel: PIANO_CHANNEL, message }));
        smf.tracks.push(track("Piano", piano.collect(), tempo_map.tick(self.frames.end)));
        let mut file = File::create(path)?;
        smf.write_std(&mut file)?;
        file.sync_all()
    }
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

/// Converts frames to ticks by linear interpolation between beats; the file's tempo is constant from beat to beat.
#[derive(Debug)]
struct TempoMap {
    /// At least two pairs of frame and tick, in increasing order.
    points: Vec<(u64, u32)>,
}

impl TempoMap {
    fn new(frames: &Range<u64>, beats: &[u64]) -> Self {
        let length = |index: usize| match beats {
            [] | [_] => f64::from(SAMPLE_RATE) / 2.0,
            _ => {
                let index = index.clamp(1, beats.len() - 1);
                (beats[index] - beats[index - 1]).max(1) as f64
            }
        };
        let ticks = |frames: u64, beat: f64| (f64::from(TICKS_PER_QUARTER) * frames as f64 / beat).round() as u32;
        let mut points = vec![(frames.start, 0)];
        for (index, beat) in beats.iter().enumerate() {
            let tick = match index {
                0 => ticks(beat - frames.start, length(0)),
                _ => points[points.len() - 1].1 + u32::from(TICKS_PER_QUARTER),
            };
            // A beat on the first frame is already included.
            if *beat > points[points.len() - 1].0 {
                points.push((*beat, tick));
            }
        }
        let (last, tick) = points[points.len() - 1];
        let end = frames.end.max(last + 1);
        points.push((end, tick + ticks(end - last, length(beats.len())).max(1)));
        Self { points }
    }

    fn tick(&self, frame: u64) -> u32 {
        let index = self.points.partition_point(|(start, _)| *start <= frame).clamp(1, self.points.len() - 1);
        let ((start, first), (end, last)) = (self.points[index - 1], self.points[index]);
        let fraction = (frame.clamp(start, end) - start) as f64 / (end - start) as f64;
        first + (fraction * f64::from(last - first)).round() as u32
    }

    /// Returns the ticks at which the tempo changes, with the new tempo in microseconds per quarter note.
    fn tempi(&self) -> impl Iterator<Item = (u32, u24)> {
        let mut previous = None;
        self.points.windows(2).filter_map(move |pair| {
            let ((start, first), (end, last)) = (pair[0], pair[1]);
            if last == first {
                return None;
            }
            let seconds = (end - start) as f64 / f64::from(SAMPLE_RATE);
            let quarter = (seconds * 1e6 * f64::from(TICKS_PER_QUARTER) / f64::from(last - first)).round() as u32;
            let tempo = u24::new(quarter.clamp(1, SLOWEST_TEMPO));
            (previous.replace(tempo) != Some(tempo)).then_some((first, tempo))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::TimedCommand;

    fn beat(frame: u64) -> (u64, Notice) {
        (frame, Notice::Beat { beat: 0, bar: 0, tempo: 120.0 })
    }

    fn on(frame: u64, voice: Voice, note: u8, velocity: f32) -> TimedCommand {
        TimedCommand { frame, command: EngineCommand::NoteOn { voice, note, velocity } }
    }

    fn off(frame: u64, voice: Voice, note: u8) -> TimedCommand {
        TimedCommand { frame, command: EngineCommand::NoteOff { voice, note } }
    }

    /// Returns the time in seconds, key and velocity (0 for note-offs) of a track's notes, using the file's tempo map.
    fn played(bytes: &[u8], track: usize) -> Vec<(f64, u8, u8)> {
        let smf = Smf::parse(bytes).unwrap();
        let mut tempi = Vec::new();
        let mut tick = 0;
        for event in &smf.tracks[0] {
            tick += event.delta.as_int();
            if let TrackEventKind::Meta(MetaMessage::Tempo(tempo)) = event.kind {
                tempi.push((tick, f64::from(tempo.as_int()) / 1e6));
            }
        }
        let seconds = |tick: u32| {
            let mut sum = 0.0;
            for (index, (start, quarter)) in tempi.iter().enumerate() {
                let end = tempi.get(index + 1).map_or(tick, |(next, _)| tick.min(*next));
                sum += f64::from(end.saturating_sub(*start)) / f64::from(TICKS_PER_QUARTER) * quarter;
            }
            sum
        };
        let mut notes = Vec::new();
        let mut tick = 0;
        for event in &smf.tracks[track] {
            tick += event.delta.as_int();
            match event.kind {
                TrackEventKind::Midi { message: MidiMessage::NoteOn { key, vel }, .. } => {
                    notes.push((seconds(tick), key.as_int(), vel.as_int()));
                }
                TrackEventKind::Midi { message: MidiMessage::NoteOff { key, .. }, .. } => {
                    notes.push((seconds(tick), key.as_int(), 0));
                }
                _ => {}
            }
        }
        notes
    }

    #[test]
    fn notes_keep_their_times_while_the_tempo_changes() {
        let mut file = MidiFile::new(12_000..180_000);
        let score = Score {
            // The first beat comes a quarter of a second after the start; then the tempo increases.
            notices: [24_000, 48_000, 66_000, 78_000].map(beat).into(),
            commands: vec![
                on(6_000, Voice::Bass, 30, 1.0),
                off(7_000, Voice::Bass, 30),
                on(30_000, Voice::Bass, 36, 0.5),
                off(60_000, Voice::Bass, 36),
                on(60_000, Voice::Bass, 43, 1.0),
                on(150_000, Voice::Upper, 72, 0.0),
            ],
            ..Score::default()
        };
        file.add_score(&score);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.mid");
        file.write(&path).unwrap();
        let bytes = std::fs::read(path).unwrap();
        let assert_notes = |actual: Vec<(f64, u8, u8)>, expected: &[(u64, u8, u8)]| {
            assert_eq!(actual.len(), expected.len(), "{actual:?}");
            for ((seconds, key, velocity), (frame, expected_key, expected_velocity)) in actual.into_iter().zip(expected)
            {
                let expected_seconds = (*frame - 12_000) as f64 / f64::from(SAMPLE_RATE);
                assert!((seconds - expected_seconds).abs() < 0.001, "{seconds} s instead of {expected_seconds} s");
                assert_eq!((key, velocity), (*expected_key, *expected_velocity));
            }
        };
        assert_notes(played(&bytes, 1), &[(30_000, 36, 64), (60_000, 36, 0), (60_000, 43, 127), (180_000, 43, 0)]);
        assert_notes(played(&bytes, 2), &[]);
        assert_notes(played(&bytes, 3), &[(150_000, 72, 1), (180_000, 72, 0)]);
    }

    #[test]
    fn muted_notes_are_not_written_and_panic_ends_all_notes() {
        let mut file = MidiFile::new(0..48_000);
        let command = |frame, command| TimedCommand { frame, command };
        file.add_score(&Score {
            notices: vec![beat(0), beat(24_000)],
            commands: vec![
                command(0, EngineCommand::Toggle(Param::MutePad, true)),
                on(0, Voice::Pad, 60, 0.5),
                on(0, Voice::Bass, 40, 0.5),
                command(12_000, EngineCommand::Panic),
                command(13_000, EngineCommand::Toggle(Param::MuteHarmony, true)),
                on(24_000, Voice::Bass, 41, 0.5),
            ],
            ..Score::default()
        });
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.mid");
        file.write(&path).unwrap();
        let bytes = std::fs::read(path).unwrap();
        assert_eq!(played(&bytes, 1), [(0.0, 40, 64), (0.25, 40, 0)]);
        assert_eq!(played(&bytes, 2), []);
    }
}
