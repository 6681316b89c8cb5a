//! Arranges the chords of a bar for bass, pad and upper voice.

use serde::{Deserialize, Serialize};

use crate::music::theory::{Chord, Key, Voice};

use super::phrase::Phrase;
use super::rng::{Purpose, Rng, RngStreams};
use super::{BarRequest, ChordSpan, Note, bass, pad, upper, voicing};
use crate::music::profile::Profile;

/// Maximum random change of a velocity (0..=1), up or down.
const VELOCITY_VARIATION: f32 = 0.03;

/// The bar to arrange.
#[derive(Debug, Clone, Copy)]
pub(super) struct BarContext<'a> {
    /// The source of random numbers.
    pub streams: RngStreams,
    /// The request.
    pub request: &'a BarRequest,
    /// The phrase.
    pub phrase: &'a Phrase,
    /// The key.
    pub key: Key,
    /// The chords and the beats on which they begin.
    pub chords: &'a [(f64, Chord)],
    /// The predicted first chord of the next bar, if any.
    pub next: Option<Chord>,
}

/// A previously planned bar, part of which has been played.
#[derive(Debug, Clone, Copy)]
pub(super) struct Played<'a> {
    /// The beat up to which the bar has been played.
    pub end: f64,
    /// The chord spans of the whole bar.
    pub spans: &'a [ChordSpan],
    /// The notes of the whole bar.
    pub notes: &'a [Note],
}

/// The state of the voices at the end of a bar.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct VoicingState {
    /// The chord.
    pub chord: Option<Chord>,
    /// Whether the chord is a lead chord.
    pub was_led: bool,
    /// The pad's notes, ascending; empty at the start.
    pub pad: Vec<u8>,
    /// The first bass note of the chord.
    pub bass: Option<u8>,
    /// The last bass note.
    pub last_bass: Option<u8>,
    /// The last note of the upper voice.
    pub upper: Option<u8>,
}

impl VoicingState {
    /// Returns the state after playing these chord spans and notes; `was_led` is unchanged.
    pub(super) fn after<'a>(&self, spans: &[ChordSpan], notes: impl IntoIterator<Item = &'a Note>) -> Self {
        let mut state = self.clone();
        if let Some(span) = spans.last() {
            state.chord = Some(span.chord);
            state.bass = Some(span.bass);
            state.pad.clone_from(&span.pad);
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

/// Arranges a bar, or the rest of one. Returns its chord spans, and the notes of all voices in order of onset.
pub(super) fn arrange(
    context: &BarContext<'_>,
    before: &VoicingState,
    played: Option<&Played<'_>>,
) -> (Vec<ChordSpan>, Vec<Note>) {
    let profile = Profile::blend(&context.request.mood);
    let emotion = context.phrase.emotion;
    let bar_end = f64::from(context.request.beats);
    let mut collector = NoteCollector::new(context, played, &profile);
    let mut state = before.after(&[], collector.past());
    let mut spans: Vec<ChordSpan> = Vec::with_capacity(context.chords.len());
    for (index, (start, chord)) in context.chords.iter().enumerate() {
        let following = context.chords.get(index + 1);
        let end = following.map_or(bar_end, |(next, _)| *next);
        let span = match played.and_then(|played| played.span_from(*start)) {
            Some(old) => ChordSpan { end, ..old.clone() },
            None => new_span(*start, end, chord, &state, &profile, pad::voices(emotion)),
        };
        let next = following.map(|(_, chord)| *chord).or(context.next).unwrap_or(*chord);
        let next_bass = bass::starting_note(&next, Some(span.bass), profile.bass_centre());
        for (at, beats, note, accent) in bass::line(&span, next_bass, context.key, emotion) {
            collector.add_onset(Voice::Bass, at);
            collector.play(Voice::Bass, note, accent, at, beats);
        }
        for (at, beats, accent) in pad::onsets(&span, emotion) {
            collector.add_onset(Voice::Pad, at);
            for note in &span.pad {
                collector.play(Voice::Pad, *note, accent, at, beats);
            }
        }
        state = state.after(std::slice::from_ref(&span), &collector.notes);
        spans.push(span);
    }
    let line_context = upper::LineContext {
        emotion,
        key: context.key,
        phrase: context.phrase.motif(),
        position: context.phrase.position(context.request.bar),
        activity: profile.upper,
        previous: before.upper,
        centre: profile.upper_centre(),
        floor: spans.iter().filter_map(|span| span.pad.last().copied()).max().unwrap_or_default(),
    };
    let mut rng = context.streams.rng(Purpose::Upper, context.request.bar);
    for (at, beats, note) in upper::line(&line_context, &spans, &mut rng) {
        collector.add_onset(Voice::Upper, at);
        collector.play(Voice::Upper, note, 0.95, at, beats);
    }
    let notes = collector.finish(&spans);
    (spans, notes)
}

impl<'a> Played<'a> {
    /// Returns the chord span that starts on beat `start`, if it has begun to play.
    fn span_from(&self, start: f64) -> Option<&'a ChordSpan> {
        self.spans.iter().find(|span| span.start == start && start < self.end)
    }
}

/// Creates the span of a chord: chooses its bass note, then the best voicing over it.
fn new_span(start: f64, end: f64, chord: &Chord, state: &VoicingState, profile: &Profile, voices: usize) -> ChordSpan {
    let bass = bass::starting_note(chord, state.bass, profile.bass_centre());
    let basses: Vec<u8> = state.bass.into_iter().chain(state.last_bass).collect();
    let voicing_context = voicing::VoicingContext {
        chord,
        voices,
        bass,
        previous: &state.pad,
        previous_basses: &basses,
        centre: profile.pad_centre(),
    };
    ChordSpan { start, end, chord: *chord, bass, pad: voicing::best_voicing(&voicing_context) }
}

/// Collects the notes of a bar.
struct NoteCollector<'a> {
    /// The notes of the bar as planned before.
    old: &'a [Note],
    /// The beat from which the old notes are replaced.
    from: f64,
    /// Velocity before accents and random variation.
    base_velocity: f32,
    rng: Rng,
    notes: Vec<Note>,
    /// First new onset of each voice, in beats; infinite if there is none.
    first_onsets: [f64; 3],
}

impl<'a> NoteCollector<'a> {
    fn new(context: &BarContext<'_>, played: Option<&Played<'a>>, profile: &Profile) -> Self {
        let swell = context.phrase.position(context.request.bar).swell();
        let dynamics = 0.25 * profile.swell * context.request.dynamics.clamp(0.0, 1.0);
        Self {
            old: played.map_or(&[], |played| played.notes),
            from: played.map_or(0.0, |played| played.end),
            base_velocity: profile.loudness / 127.0 * (1.0 + dynamics * (2.0 * swell - 1.0)),
            rng: context.streams.rng(Purpose::Velocity, context.request.bar),
            notes: Vec::new(),
            first_onsets: [f64::INFINITY; 3],
        }
    }

    /// Returns the notes that have already begun.
    fn past(&self) -> impl Iterator<Item = &'a Note> + use<'a> {
        let from = self.from;
        self.old.iter().filter(move |note| note.at_beat < from)
    }

    fn add_onset(&mut self, voice: Voice, at: f64) {
        if at >= self.from {
            self.first_onsets[voice as usize] = self.first_onsets[voice as usize].min(at);
        }
    }

    fn play(&mut self, voice: Voice, note: u8, accent: f32, at_beat: f64, beats: f64) {
        let variation = VELOCITY_VARIATION * (2.0 * self.rng.unit() - 1.0);
        if at_beat >= self.from {
            let velocity = (self.base_velocity * accent + variation).clamp(0.05, 1.0);
            self.notes.push(Note { voice, note, velocity, at_beat, beats });
        }
    }

    /// Returns all notes in order of onset. Notes that have already begun end at their voice's next onset at the latest, or on
    /// the beat from which the bar is replanned if the chord that begins there does not contain them.
    fn finish(mut self, spans: &[ChordSpan]) -> Vec<Note> {
        let new_span = spans.iter().find(|span| span.start == self.from);
        for note in self.past() {
            let is_held = new_span.is_none_or(|span| span.chord.contains(note.note));
            let limit = if is_held { self.first_onsets[note.voice as usize] } else { self.from };
            self.notes.push(Note { beats: note.beats.min(limit - note.at_beat), ..*note });
        }
        self.notes.sort_by(|a, b| a.at_beat.total_cmp(&b.at_beat).then(a.note.cmp(&b.note)));
        self.notes
    }
}
