//! Notes, tempo and metre of a Standard MIDI File.

use std::collections::BTreeMap;

use midly::{MetaMessage, MidiMessage, Smf, Timing, TrackEventKind};

/// A sounding note; times in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Note {
    /// Onset.
    pub start: f64,
    /// When the sound is damped: key up, or pedal up if that is later.
    pub end: f64,
    /// MIDI note number.
    pub pitch: u8,
    /// MIDI velocity, 1..=127; fractions appear once a corpus is normalised.
    pub velocity: f32,
}

/// What a MIDI file holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MidiScore {
    /// Notes in order of onset, then pitch; at most one of a pitch sounds at a time.
    pub notes: Vec<Note>,
    /// Times in seconds of the beats that metre and tempo map imply, and whether each opens a bar.
    pub beats: Vec<(f64, bool)>,
}

/// Why a MIDI file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MidiError {
    /// It does not parse.
    #[error("not a MIDI file: {0}")]
    Malformed(#[from] midly::Error),
    /// It parses, but plays nothing.
    #[error("no notes")]
    Empty,
}

/// The longest a held pedal prolongs a note, in seconds: files with a stuck pedal exist, and strings decay anyway.
const LONGEST_SUSTAIN: f64 = 4.0;
/// Onsets of one pitch closer than this, in seconds, are one note doubled in two tracks.
const DOUBLED: f64 = 0.012;
/// The drum channel (10 in MIDI's own counting).
const DRUMS: u8 = 9;
const SUSTAIN_PEDAL: u8 = 64;

/// Reads the notes of all channels but drums as one piano's; programs are ignored, the sustain pedal prolongs notes.
///
/// # Errors
/// [`MidiError`] when the file does not parse or holds no notes.
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
    let notes = collect_notes(&events, &clock);
    if notes.is_empty() {
        return Err(MidiError::Empty);
    }
    let beats = collect_beats(&events, &clock);
    Ok(MidiScore { notes, beats })
}

/// Turns ticks into seconds.
struct Clock {
    /// (tick, seconds there, seconds per tick from there).
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

/// A key that is down, or up but sustained.
struct Sounding {
    start: f64,
    velocity: u8,
    released: Option<f64>,
}

fn collect_notes(events: &[(u64, TrackEventKind<'_>)], clock: &Clock) -> Vec<Note> {
    let mut sounding: BTreeMap<(u8, u8), Sounding> = BTreeMap::new();
    let mut pedal = [false; 16];
    let mut notes = Vec::new();
    let mut finish = |pitch: u8, note: &Sounding, at: f64| {
        let end = note.released.map_or(at, |released| at.min(released + LONGEST_SUSTAIN));
        if end > note.start {
            notes.push(Note { start: note.start, end, pitch, velocity: f32::from(note.velocity) });
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
                if value < 64 {
                    sounding.retain(|(on, pitch), note| {
                        let ends = *on == channel && note.released.is_some();
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
    one_per_pitch(notes)
}

/// Several channels may strike one key: a piano has only one string for it.
fn one_per_pitch(mut notes: Vec<Note>) -> Vec<Note> {
    notes.sort_by(|a, b| a.pitch.cmp(&b.pitch).then(a.start.total_cmp(&b.start)));
    let mut single: Vec<Note> = Vec::with_capacity(notes.len());
    for note in notes {
        if let Some(before) = single.last_mut().filter(|before| before.pitch == note.pitch && before.end > note.start) {
            if note.start - before.start < DOUBLED {
                before.end = before.end.max(note.end);
                before.velocity = before.velocity.max(note.velocity);
                continue;
            }
            before.end = note.start;
        }
        single.push(note);
    }
    sort(&mut single);
    single
}

/// Puts notes into the order of onset, then pitch.
pub(crate) fn sort(notes: &mut [Note]) {
    notes.sort_by(|a, b| a.start.total_cmp(&b.start).then(a.pitch.cmp(&b.pitch)));
}

/// Beats of the metres in force: thirds of the denominator's notes in compound metres (6/8, 9/8, 12/8), else one each.
fn collect_beats(events: &[(u64, TrackEventKind<'_>)], clock: &Clock) -> Vec<(f64, bool)> {
    let Some(quarter) = clock.ticks_per_quarter else { return Vec::new() };
    let end = events.last().map_or(0, |(tick, _)| *tick);
    let mut metres: Vec<(u64, u64, u64)> = Vec::new();
    for (tick, kind) in events {
        if let TrackEventKind::Meta(MetaMessage::TimeSignature(numerator, power, ..)) = kind {
            let unit = (4 * quarter >> u32::from(*power).min(6)).max(1);
            let compound = *power >= 3 && *numerator > 3 && numerator % 3 == 0;
            let (beat, beats) = if compound { (3 * unit, numerator / 3) } else { (unit, *numerator) };
            metres.push((*tick, beat, u64::from(beats.max(1))));
        }
    }
    let mut beats = Vec::new();
    for (index, (from, beat, per_bar)) in metres.iter().enumerate() {
        let until = metres.get(index + 1).map_or(end + 1, |(tick, ..)| *tick);
        for (count, tick) in (*from..until).step_by(usize::try_from(*beat).unwrap_or(usize::MAX)).enumerate() {
            beats.push((clock.seconds(tick), (count as u64).is_multiple_of(*per_bar)));
        }
    }
    beats
}
