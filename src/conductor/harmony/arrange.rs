//! Arranges the chords of a bar for bass, pad and upper voice.

use serde::{Deserialize, Serialize};

use crate::music::theory::{Chord, Key, Voice};

use super::phrase::Phrase;
use super::rng::{Purpose, Rng, RngStreams};
use super::{BarRequest, Note, Segment, bass, pad, upper, voicing};
use crate::music::profile::Profile;

/// Maximum velocity difference between equal notes.
const TOUCH: f32 = 0.03;

/// What to arrange.
#[derive(Debug, Clone, Copy)]
pub(super) struct Score<'a> {
    /// Source of small random differences.
    pub streams: RngStreams,
    /// The request.
    pub request: &'a BarRequest,
    /// The phrase.
    pub phrase: &'a Phrase,
    /// The key.
    pub key: Key,
    /// The chords and their beats.
    pub chords: &'a [(f64, Chord)],
    /// The chord that follows, if predictable.
    pub next: Option<Chord>,
}

/// The part of a bar already played.
#[derive(Debug, Clone, Copy)]
pub(super) struct Played<'a> {
    /// The beat up to which it was played.
    pub until: f64,
    /// The previous segments of the whole bar.
    pub segments: &'a [Segment],
    /// The previous notes of the whole bar.
    pub notes: &'a [Note],
}

/// State of the voices at the end of a bar.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct VoicingState {
    /// The chord.
    pub chord: Option<Chord>,
    /// Whether it is a lead chord.
    pub led: bool,
    /// The pad's notes, ascending; empty at the start.
    pub pad: Vec<u8>,
    /// The initial bass note of that chord.
    pub bass: Option<u8>,
    /// The last bass note.
    pub last_bass: Option<u8>,
    /// The last note of the upper voice.
    pub upper: Option<u8>,
}

impl VoicingState {
    /// The state after playing these segments and notes.
    pub(super) fn after<'a>(&self, segments: &[Segment], notes: impl IntoIterator<Item = &'a Note>) -> Self {
        let mut state = self.clone();
        if let Some(segment) = segments.last() {
            state.chord = Some(segment.chord);
            state.bass = Some(segment.bass);
            state.pad.clone_from(&segment.pad);
        }
        for note in notes {
            match note.voice {
                Voice::Bass => state.last_bass = Some(note.note),
                Voice::Pad => {}
                Voice::Upper => state.upper = Some(note.note),
            }
        }
        state
    }
}

/// Arranges a bar, or the rest of one: its segments, and the notes of all voices by onset.
pub(super) fn arrange(
    score: &Score<'_>,
    before: &VoicingState,
    played: Option<&Played<'_>>,
) -> (Vec<Segment>, Vec<Note>) {
    let profile = Profile::blend(&score.request.mood);
    let emotion = score.phrase.emotion;
    let bar_end = f64::from(score.request.beats);
    let mut tracks = Tracks::new(score, played, &profile);
    let mut state = before.after(&[], tracks.past());
    let mut segments: Vec<Segment> = Vec::with_capacity(score.chords.len());
    for (index, (start, chord)) in score.chords.iter().enumerate() {
        let following = score.chords.get(index + 1);
        let end = following.map_or(bar_end, |(next, _)| *next);
        let segment = match played.and_then(|played| played.segment_from(*start)) {
            Some(old) => Segment { end, ..old.clone() },
            None => begin(*start, end, chord, &state, &profile, pad::voices(emotion)),
        };
        let next = following.map(|(_, chord)| *chord).or(score.next).unwrap_or(*chord);
        let next_bass = bass::anchor(&next, Some(segment.bass), profile.bass_centre());
        for (at, beats, note, accent) in bass::line(&segment, next_bass, score.key, emotion) {
            tracks.hit(Voice::Bass, at);
            tracks.play(Voice::Bass, note, accent, at, beats);
        }
        for (at, beats, accent) in pad::strikes(&segment, emotion) {
            tracks.hit(Voice::Pad, at);
            for note in &segment.pad {
                tracks.play(Voice::Pad, *note, accent, at, beats);
            }
        }
        state = state.after(std::slice::from_ref(&segment), &tracks.notes);
        segments.push(segment);
    }
    let setting = upper::Setting {
        emotion,
        key: score.key,
        phrase: score.phrase.motif(),
        position: score.phrase.position(score.request.bar),
        activity: profile.upper,
        before: before.upper,
        centre: profile.upper_centre(),
        floor: segments.iter().filter_map(|segment| segment.pad.last().copied()).max().unwrap_or_default(),
    };
    let mut rng = score.streams.rng(Purpose::Upper, score.request.bar);
    for (at, beats, note) in upper::line(&setting, &segments, &mut rng) {
        tracks.hit(Voice::Upper, at);
        tracks.play(Voice::Upper, note, 0.95, at, beats);
    }
    let notes = tracks.finish(&segments);
    (segments, notes)
}

impl<'a> Played<'a> {
    /// The segment that began at a beat before the break.
    fn segment_from(&self, start: f64) -> Option<&'a Segment> {
        self.segments.iter().find(|segment| segment.start == start && start < self.until)
    }
}

/// A new chord: its bass note, then the best voicing.
fn begin(start: f64, end: f64, chord: &Chord, state: &VoicingState, profile: &Profile, voices: usize) -> Segment {
    let bass = bass::anchor(chord, state.bass, profile.bass_centre());
    let basses: Vec<u8> = state.bass.into_iter().chain(state.last_bass).collect();
    let setting = voicing::Setting {
        chord,
        voices,
        bass,
        before: &state.pad,
        basses_before: &basses,
        centre: profile.pad_centre(),
    };
    Segment { start, end, chord: *chord, bass, pad: voicing::voice(&setting) }
}

/// Collects the notes of a bar.
struct Tracks<'a> {
    /// The previous version of the bar, and the beat from which it is rewritten.
    old: &'a [Note],
    from: f64,
    /// Velocity of an unaccented note.
    touch: f32,
    rng: Rng,
    notes: Vec<Note>,
    /// First onset of each voice from `from` on.
    hits: [f64; 3],
}

impl<'a> Tracks<'a> {
    fn new(score: &Score<'_>, played: Option<&Played<'a>>, profile: &Profile) -> Self {
        let swell = score.phrase.position(score.request.bar).swell();
        let dynamics = 0.25 * profile.swell * score.request.dynamics.clamp(0.0, 1.0);
        Self {
            old: played.map_or(&[], |played| played.notes),
            from: played.map_or(0.0, |played| played.until),
            touch: profile.loudness / 127.0 * (1.0 + dynamics * (2.0 * swell - 1.0)),
            rng: score.streams.rng(Purpose::Touch, score.request.bar),
            notes: Vec::new(),
            hits: [f64::INFINITY; 3],
        }
    }

    /// The notes already played.
    fn past(&self) -> impl Iterator<Item = &'a Note> + use<'a> {
        let from = self.from;
        self.old.iter().filter(move |note| note.at_beat < from)
    }

    fn hit(&mut self, voice: Voice, at: f64) {
        if at >= self.from {
            self.hits[voice as usize] = self.hits[voice as usize].min(at);
        }
    }

    fn play(&mut self, voice: Voice, note: u8, accent: f32, at_beat: f64, beats: f64) {
        let chance = TOUCH * (2.0 * self.rng.unit() - 1.0);
        if at_beat >= self.from {
            let velocity = (self.touch * accent + chance).clamp(0.05, 1.0);
            self.notes.push(Note { voice, note, velocity, at_beat, beats });
        }
    }

    /// All notes. Previous ones end at their voice's next onset at the latest, and at the break if the chord that
    /// begins there does not contain them.
    fn finish(mut self, segments: &[Segment]) -> Vec<Note> {
        let breaking = segments.iter().find(|segment| segment.start == self.from);
        for note in self.past() {
            let held = breaking.is_none_or(|segment| segment.chord.contains(note.note));
            let limit = if held { self.hits[note.voice as usize] } else { self.from };
            self.notes.push(Note { beats: note.beats.min(limit - note.at_beat), ..*note });
        }
        self.notes.sort_by(|a, b| a.at_beat.total_cmp(&b.at_beat).then(a.note.cmp(&b.note)));
        self.notes
    }
}
