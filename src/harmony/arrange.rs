//! Setting the chords of a bar for bass, pad and upper voice.

use crate::theory::{Chord, Key, Voice};

use super::dice::{Dice, Purpose};
use super::phrase::Phrase;
use super::{BarRequest, Note, Profile, Segment, bass, pad, upper, voicing};

/// Largest difference of touch between equal notes.
const TOUCH: f32 = 0.03;

/// What is to be set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Score<'a> {
    /// Seed of the small differences.
    pub seed: u64,
    /// What was asked for.
    pub request: &'a BarRequest,
    /// The phrase.
    pub phrase: &'a Phrase,
    /// The key.
    pub key: Key,
    /// The chords and where they begin.
    pub chords: &'a [(f64, Chord)],
}

/// What the voices held at the end of a bar.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Hands {
    /// The chord.
    pub chord: Option<Chord>,
    /// Whether it was led.
    pub led: bool,
    /// The pad's notes, ascending; empty at the start.
    pub pad: Vec<u8>,
    /// The bass note that chord began with.
    pub bass: Option<u8>,
    /// The last bass note.
    pub last_bass: Option<u8>,
    /// The last note of the upper voice.
    pub upper: Option<u8>,
}

/// A bar as it is set.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Arrangement {
    /// Chords with their bass and voicing.
    pub segments: Vec<Segment>,
    /// The notes of all voices, by onset.
    pub notes: Vec<Note>,
    /// Whether the last chord was led.
    led: bool,
}

impl Arrangement {
    /// What the voices hold at its end, given what they held before it.
    pub(super) fn hands_after(&self, before: &Hands) -> Hands {
        self.hands_at(before, f64::INFINITY)
    }

    /// What the voices have played before a beat.
    fn hands_at(&self, before: &Hands, beat: f64) -> Hands {
        let segment = self.segments.iter().rfind(|segment| segment.start < beat);
        let last = |voice| self.notes.iter().rfind(|n| n.voice == voice && n.at_beat < beat).map(|n| n.note);
        Hands {
            chord: segment.map_or(before.chord, |segment| Some(segment.chord)),
            led: segment.map_or(before.led, |_| self.led),
            pad: segment.map_or_else(|| before.pad.clone(), |segment| segment.pad.clone()),
            bass: segment.map_or(before.bass, |segment| Some(segment.bass)),
            last_bass: last(Voice::Bass).or(before.last_bass),
            upper: last(Voice::Upper).or(before.upper),
        }
    }
}

/// Sets a bar from a beat on; what `again` (the bar as it was) has before that stays. `next` is the chord to come.
pub(super) fn arrange(
    score: &Score<'_>,
    from: f64,
    next: Option<Chord>,
    before: &Hands,
    again: Option<&Arrangement>,
) -> Arrangement {
    let profile = Profile::blend(&score.request.mood);
    let emotion = score.phrase.emotion;
    let bar_end = f64::from(score.request.beats);
    let mut hands = again.map_or_else(|| before.clone(), |again| again.hands_at(before, from));
    let mut segments: Vec<Segment> = Vec::with_capacity(score.chords.len());
    let mut tracks = Tracks::new(score, from, &profile);
    for (index, (start, chord)) in score.chords.iter().enumerate() {
        let end = score.chords.get(index + 1).map_or(bar_end, |(next, _)| *next);
        let kept = again.and_then(|again| again.segments.iter().find(|old| old.start == *start && old.start < from));
        let segment = match kept {
            Some(old) => Segment { end, ..old.clone() },
            None => begin(*start, end, chord, &hands, &profile, pad::voices(emotion)),
        };
        let next = score.chords.get(index + 1).map(|(_, chord)| *chord).or(next).unwrap_or(*chord);
        let next_bass = bass::anchor(&next, Some(segment.bass), profile.bass_centre());
        for (at, beats, note, accent) in bass::line(&segment, next_bass, score.key, emotion) {
            tracks.hit(Voice::Bass, at);
            tracks.play(Voice::Bass, note, accent, at, beats);
            if kept.is_none() || at >= from {
                hands.last_bass = Some(note);
            }
        }
        for (at, beats, accent) in pad::strikes(&segment, emotion) {
            tracks.hit(Voice::Pad, at);
            for note in &segment.pad {
                tracks.play(Voice::Pad, *note, accent, at, beats);
            }
        }
        hands.bass = Some(segment.bass);
        hands.pad.clone_from(&segment.pad);
        segments.push(segment);
    }
    let setting = upper::Setting {
        emotion,
        key: score.key,
        phrase: score.phrase.number,
        position: score.phrase.position(score.request.bar),
        activity: profile.upper,
        before: before.upper,
        centre: profile.upper_centre(),
        floor: segments.iter().filter_map(|segment| segment.pad.last().copied()).max().unwrap_or_default(),
    };
    let mut dice = Dice::new(score.seed, Purpose::Upper, score.request.bar);
    for (at, beats, note) in upper::line(&setting, &segments, &mut dice) {
        tracks.hit(Voice::Upper, at);
        tracks.play(Voice::Upper, note, 0.95, at, beats);
    }
    let old = again.map_or(&[][..], |again| &again.notes);
    let notes = tracks.after(old, &segments);
    Arrangement { segments, notes, led: score.request.lead.is_some() }
}

/// A new chord: its bass note, then the voicing that follows best.
fn begin(start: f64, end: f64, chord: &Chord, hands: &Hands, profile: &Profile, voices: usize) -> Segment {
    let bass = bass::anchor(chord, hands.bass, profile.bass_centre());
    let basses: Vec<u8> = hands.bass.into_iter().chain(hands.last_bass).collect();
    let setting = voicing::Setting {
        chord,
        voices,
        bass,
        before: &hands.pad,
        basses_before: &basses,
        centre: profile.pad_centre(),
    };
    Segment { start, end, chord: *chord, bass, pad: voicing::voice(&setting) }
}

/// The notes of a bar from a beat on, as they are written down.
struct Tracks {
    from: f64,
    /// Loudest touch without accent.
    touch: f32,
    dice: Dice,
    notes: Vec<Note>,
    /// First hit of each voice from `from` on.
    hits: [f64; 3],
}

impl Tracks {
    fn new(score: &Score<'_>, from: f64, profile: &Profile) -> Self {
        let swell = score.phrase.position(score.request.bar).swell();
        let dynamics = 0.25 * profile.swell * score.request.dynamics.clamp(0.0, 1.0);
        Self {
            from,
            touch: profile.loudness / 127.0 * (1.0 + dynamics * (2.0 * swell - 1.0)),
            dice: Dice::new(score.seed, Purpose::Touch, score.request.bar),
            notes: Vec::new(),
            hits: [f64::INFINITY; 3],
        }
    }

    fn hit(&mut self, voice: Voice, at: f64) {
        if at >= self.from {
            self.hits[voice as usize] = self.hits[voice as usize].min(at);
        }
    }

    fn play(&mut self, voice: Voice, note: u8, accent: f32, at_beat: f64, beats: f64) {
        let chance = TOUCH * (2.0 * self.dice.unit() - 1.0);
        if at_beat >= self.from {
            let velocity = (self.touch * accent + chance).clamp(0.05, 1.0);
            self.notes.push(Note { voice, note, velocity, at_beat, beats });
        }
    }

    /// The bar with the notes of before: each ends no later than its voice's next hit, and at the break when the chord
    /// that begins there does not hold it.
    fn after(mut self, old: &[Note], segments: &[Segment]) -> Vec<Note> {
        let breaking = segments.iter().find(|segment| segment.start == self.from);
        for note in old.iter().filter(|note| note.at_beat < self.from) {
            let held = breaking.is_none_or(|segment| segment.chord.contains(note.note));
            let limit = if held { self.hits[note.voice as usize] } else { self.from };
            self.notes.push(Note { beats: note.beats.min(limit - note.at_beat), ..*note });
        }
        self.notes.sort_by(|a, b| a.at_beat.total_cmp(&b.at_beat).then(a.note.cmp(&b.note)));
        self.notes
    }
}
