//! Reads notes, pedal movements and beats from Standard MIDI Files.

use std::collections::BTreeMap;

use midly::{MetaMessage, MidiMessage, Smf, Timing, TrackEventKind};

/// A note, with times in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Note {
    /// Onset.
    pub start: f64,
    /// When the key is released.
    pub key_up: f64,
    /// When the sound is damped: key up, or pedal up if that is later.
    pub end: f64,
    /// MIDI note number.
    pub pitch: u8,
    /// MIDI velocity, 1..=127; fractional after normalisation.
    pub velocity: f32,
}

/// A movement of the sustain pedal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pedal {
    /// Time in seconds.
    pub time: f64,
    /// Whether it goes down.
    pub down: bool,
}

/// The contents of a MIDI file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MidiScore {
    /// Notes in order of onset, then pitch; at most one note of each pitch sounds at a time.
    pub notes: Vec<Note>,
    /// Movements of the sustain pedal in order of time, alternately down and up. The pedal counts as down if it is down
    /// on any channel.
    pub pedal: Vec<Pedal>,
    /// Beats according to the time signatures and the tempo map: time in seconds, and whether the beat starts a bar.
    pub beats: Vec<(f64, bool)>,
}

/// Why a MIDI file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MidiError {
    /// The file cannot be parsed.
    #[error("not a MIDI file: {0}")]
    Malformed(#[from] midly::Error),
    /// The file contains no notes.
    #[error("no notes")]
    Empty,
}

/// Maximum time, in seconds, for which the pedal sustains a note after its key is released: some files have a stuck
/// pedal, and strings decay anyway.
const MAX_SUSTAIN: f64 = 4.0;
/// Onsets of the same key less than this many seconds apart count as one note, doubled on another channel.
const DOUBLING_WINDOW: f64 = 0.012;
/// The drum channel (10 when counted from 1).
const DRUMS: u8 = 9;
const SUSTAIN_PEDAL: u8 = 64;

/// Reads the notes of all channels except the drum channel as a piano part. Ignores program changes; the sustain pedal
/// prolongs notes.
///
/// # Errors
/// [`MidiError`] if the file cannot be parsed or contains no notes.
pub fn parse(bytes: &[u8]) -> Result<MidiScore, MidiError> {
    let smf = Smf::parse(bytes)?;
    let mut events: Vec<(u64, TrackEventKind<'_>)> = Vec::new();
    for track in &smf.tracks {
        let mut tick = 0;
        for event in track {
            tick += u64::from(event.delta.as_int());
            events.push((tick, event.kind));
        }
    }
    events.sort_by_key(|(tick, _)| *tick);
    let clock = Clock::new(smf.header.timing, &events);
    let (notes, pedal) = collect_notes(&events, &clock);
    if notes.is_empty() {
        return Err(MidiError::Empty);
    }
    let beats = collect_beats(&events, &clock);
    Ok(MidiScore { notes, pedal, beats })
}

/// The tempo map, which converts ticks to seconds.
struct Clock {
    /// Tempo changes: (tick, its time in seconds, seconds per tick from then on).
    segments: Vec<(u64, f64, f64)>,
    ticks_per_quarter: Option<u64>,
}

impl Clock {
    fn new(timing: Timing, events: &[(u64, TrackEventKind<'_>)]) -> Self {
        let ticks = match timing {
            Timing::Metrical(ticks) => u64::from(ticks.as_int().max(1)),
            Timing::Timecode(fps, sub) => {
                let step = 1.0 / f64::from(fps.as_f32()) / f64::from(sub.max(1));
                return Self { segments: vec![(0, 0.0, step)], ticks_per_quarter: None };
            }
        };
        let mut segments = vec![(0, 0.0, 0.5 / ticks as f64)];
        for (tick, kind) in events {
            if let TrackEventKind::Meta(MetaMessage::Tempo(microseconds)) = kind {
                let (from, seconds, step) = segments[segments.len() - 1];
                let now = seconds + (tick - from) as f64 * step;
                segments.push((*tick, now, f64::from(microseconds.as_int().max(1)) * 1e-6 / ticks as f64));
            }
        }
        Self { segments, ticks_per_quarter: Some(ticks) }
    }

    fn seconds(&self, tick: u64) -> f64 {
        let index = self.segments.partition_point(|(from, ..)| *from <= tick).max(1) - 1;
        let (from, seconds, step) = self.segments[index];
        seconds + (tick - from) as f64 * step
    }
}

/// A note sustained by its key or by the pedal.
struct Sounding {
    start: f64,
    velocity: u8,
    released: Option<f64>,
}

fn collect_notes(events: &[(u64, TrackEventKind<'_>)], clock: &Clock) -> (Vec<Note>, Vec<Pedal>) {
    let mut sounding: BTreeMap<(u8, u8), Sounding> = BTreeMap::new();
    let mut pedal = [false; 16];
    let mut movements: Vec<Pedal> = Vec::new();
    let mut notes = Vec::new();
    let mut finish = |pitch: u8, note: &Sounding, time: f64| {
        let end = note.released.map_or(time, |released| time.min(released + MAX_SUSTAIN));
        if end > note.start {
            let key_up = note.released.unwrap_or(time);
            notes.push(Note { start: note.start, key_up, end, pitch, velocity: f32::from(note.velocity) });
        }
    };
    let mut last = 0.0;
    for (tick, kind) in events {
        let now = clock.seconds(*tick);
        last = now;
        let TrackEventKind::Midi { channel, message } = kind else { continue };
        let channel = channel.as_int();
        if channel == DRUMS {
            continue;
        }
        match *message {
            MidiMessage::NoteOn { key, vel } if vel > 0 => {
                let key = key.as_int();
                let new = Sounding { start: now, velocity: vel.as_int(), released: None };
                if let Some(old) = sounding.insert((channel, key), new) {
                    finish(key, &old, now);
                }
            }
            MidiMessage::NoteOn { key, .. } | MidiMessage::NoteOff { key, .. } => {
                let key = key.as_int();
                if pedal[usize::from(channel)] {
                    if let Some(note) = sounding.get_mut(&(channel, key)) {
                        note.released.get_or_insert(now);
                    }
                } else if let Some(note) = sounding.remove(&(channel, key)) {
                    finish(key, &note, now);
                }
            }
            MidiMessage::Controller { controller, value } if controller == SUSTAIN_PEDAL => {
                pedal[usize::from(channel)] = value >= 64;
                let down = pedal.contains(&true);
                if movements.last().map_or(down, |before| before.down != down) {
                    movements.push(Pedal { time: now, down });
                }
                if value < 64 {
                    sounding.retain(|(note_channel, pitch), note| {
                        let ends = *note_channel == channel && note.released.is_some();
                        if ends {
                            finish(*pitch, note, now);
                        }
                        !ends
                    });
                }
            }
            _ => {}
        }
    }
    for ((_, pitch), note) in &sounding {
        finish(*pitch, note, last);
    }
    (one_per_pitch(notes), movements)
}

/// Merges doubled notes and shortens overlapping notes on the same key, because each key of a piano can sound only one
/// note at a time.
fn one_per_pitch(mut notes: Vec<Note>) -> Vec<Note> {
    notes.sort_by(|a, b| a.pitch.cmp(&b.pitch).then(a.start.total_cmp(&b.start)));
    let mut single: Vec<Note> = Vec::with_capacity(notes.len());
    for note in notes {
        if let Some(before) = single.last_mut().filter(|before| before.pitch == note.pitch && before.end > note.start) {
            if note.start - before.start < DOUBLING_WINDOW {
                before.key_up = before.key_up.max(note.key_up);
                before.end = before.end.max(note.end);
                before.velocity = before.velocity.max(note.velocity);
                continue;
            }
            before.key_up = before.key_up.min(note.start);
            before.end = note.start;
        }
        single.push(note);
    }
    sort(&mut single);
    single
}

/// Sorts notes by onset, then pitch.
pub(crate) fn sort(notes: &mut [Note]) {
    notes.sort_by(|a, b| a.start.total_cmp(&b.start).then(a.pitch.cmp(&b.pitch)));
}

/// Returns the beats that the time signatures define. In compound metres (6/8, 9/8, 12/8), a beat lasts three of the
/// denominator's note values; otherwise, it lasts one.
fn collect_beats(events: &[(u64, TrackEventKind<'_>)], clock: &Clock) -> Vec<(f64, bool)> {
    let Some(quarter) = clock.ticks_per_quarter else { return Vec::new() };
    let end = events.last().map_or(0, |(tick, _)| *tick);
    let mut metres: Vec<(u64, u64, u64)> = Vec::new();
    for (tick, kind) in events {
        if let TrackEventKind::Meta(MetaMessage::TimeSignature(numerator, power, ..)) = kind {
            let unit = ((4 * quarter) >> u32::from(*power).min(6)).max(1);
            let compound = *power >= 3 && *numerator > 3 && numerator % 3 == 0;
            let (beat, beats) = if compound { (3 * unit, numerator / 3) } else { (unit, *numerator) };
            metres.push((*tick, beat, u64::from(beats.max(1))));
        }
    }
    let mut beats = Vec::new();
    for (index, (from, beat, per_bar)) in metres.iter().enumerate() {
        let metre_end = metres.get(index + 1).map_or(end + 1, |(tick, ..)| *tick);
        for (count, tick) in (*from..metre_end).step_by(usize::try_from(*beat).unwrap_or(usize::MAX)).enumerate() {
            beats.push((clock.seconds(tick), (count as u64).is_multiple_of(*per_bar)));
        }
    }
    beats
}

#[cfg(test)]
mod tests {
    use midly::num::{u4, u7, u15, u24, u28};
    use midly::{Format, Header, Track, TrackEvent};

    use super::*;

    const TICKS: u16 = 100;

    fn on(tick: u32, channel: u8, key: u8, vel: u8) -> (u32, TrackEventKind<'static>) {
        let message = MidiMessage::NoteOn { key: u7::new(key), vel: u7::new(vel) };
        (tick, TrackEventKind::Midi { channel: u4::new(channel), message })
    }

    fn off(tick: u32, channel: u8, key: u8) -> (u32, TrackEventKind<'static>) {
        on(tick, channel, key, 0)
    }

    fn sustain(tick: u32, channel: u8, value: u8) -> (u32, TrackEventKind<'static>) {
        let message = MidiMessage::Controller { controller: u7::new(SUSTAIN_PEDAL), value: u7::new(value) };
        (tick, TrackEventKind::Midi { channel: u4::new(channel), message })
    }

    fn meta(tick: u32, message: MetaMessage<'static>) -> (u32, TrackEventKind<'static>) {
        (tick, TrackEventKind::Meta(message))
    }

    fn read(events: &[(u32, TrackEventKind<'static>)]) -> MidiScore {
        let mut now = 0;
        let mut track = Track::new();
        for (tick, kind) in events {
            track.push(TrackEvent { delta: u28::new(tick - now), kind: *kind });
            now = *tick;
        }
        let mut smf = Smf::new(Header::new(Format::SingleTrack, Timing::Metrical(u15::new(TICKS))));
        smf.tracks.push(track);
        let mut bytes = Vec::new();
        smf.write_std(&mut bytes).expect("writing to memory should succeed");
        parse(&bytes).expect("there should be notes")
    }

    #[test]
    fn ticks_are_converted_by_the_tempo_map() {
        let tempo = |tick, microseconds| meta(tick, MetaMessage::Tempo(u24::new(microseconds)));
        let score = read(&[
            tempo(0, 1_000_000),
            on(100, 0, 60, 80),
            tempo(200, 500_000),
            off(300, 0, 60),
            on(400, 0, 62, 40),
            off(500, 0, 62),
        ]);
        let times: Vec<(f64, f64)> = score.notes.iter().map(|note| (note.start, note.end)).collect();
        assert_eq!(times, [(1.0, 2.5), (3.0, 3.5)]);
        assert_eq!(score.notes[0].velocity, 80.0);
    }

    #[test]
    fn the_pedal_prolongs_notes_of_its_channel_up_to_a_limit() {
        let score = read(&[
            sustain(0, 0, 127),
            on(0, 0, 60, 80),
            on(0, 1, 64, 80),
            off(100, 0, 60),
            off(100, 1, 64),
            on(150, 0, 67, 80),
            off(160, 0, 67),
            sustain(300, 0, 0),
            sustain(400, 0, 127),
            on(400, 0, 72, 80),
            off(500, 0, 72),
            off(5000, 0, 1),
        ]);
        let end = |pitch: u8| score.notes.iter().find(|note| note.pitch == pitch).map(|note| note.end);
        assert_eq!(end(60), Some(1.5));
        assert_eq!(end(64), Some(0.5));
        assert_eq!(end(67), Some(1.5));
        assert_eq!(end(72), Some(2.5 + MAX_SUSTAIN));
        let key_up = |pitch: u8| score.notes.iter().find(|note| note.pitch == pitch).map(|note| note.key_up);
        assert_eq!([key_up(60), key_up(67), key_up(72)], [Some(0.5), Some(0.8), Some(2.5)]);
        let pedal: Vec<(f64, bool)> = score.pedal.iter().map(|pedal| (pedal.time, pedal.down)).collect();
        assert_eq!(pedal, [(0.0, true), (1.5, false), (2.0, true)]);
    }

    #[test]
    fn doubled_notes_are_merged_and_drums_are_ignored() {
        let score = read(&[
            on(0, 0, 60, 50),
            on(1, 1, 60, 70),
            on(2, DRUMS, 40, 100),
            on(100, 2, 60, 60),
            off(150, 0, 60),
            off(160, 1, 60),
            off(200, 2, 60),
        ]);
        let notes: Vec<(f64, f64, f32)> =
            score.notes.iter().map(|note| (note.start, note.end, note.velocity)).collect();
        assert_eq!(notes, [(0.0, 0.5, 70.0), (0.5, 1.0, 60.0)]);
    }

    #[test]
    fn beats_follow_simple_and_compound_metres() {
        let metre = |tick, numerator, power| meta(tick, MetaMessage::TimeSignature(numerator, power, 24, 8));
        let score = read(&[metre(0, 3, 2), on(0, 0, 60, 80), metre(300, 6, 3), off(599, 0, 60)]);
        let beats: Vec<(f64, bool)> = score.beats.clone();
        assert_eq!(beats, [(0.0, true), (0.5, false), (1.0, false), (1.5, true), (2.25, false)]);
    }

    #[test]
    fn files_without_notes_are_rejected() {
        assert!(matches!(parse(b"RIFF"), Err(MidiError::Malformed(_))));
        let mut bytes = Vec::new();
        Smf::new(Header::new(Format::SingleTrack, Timing::Metrical(u15::new(TICKS))))
            .write_std(&mut bytes)
            .expect("writing to memory should succeed");
        assert!(matches!(parse(&bytes), Err(MidiError::Empty)));
    }
}
