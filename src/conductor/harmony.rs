//! The rule-based harmony: keys, chords, phrases, and the notes of the bass, pad and upper voice.
//!
//! Mode, chords and register convey valence; activity, velocity and harmonic rhythm convey arousal. The harmony is a pure
//! function of the seed and the requests, and its state can be cloned, so that bars can be replanned later.

mod arrange;
mod bass;
mod chord_detector;
mod form;
mod harmonize;
mod lead;
mod numeral;
mod pad;
mod palette;
mod phrase;
mod progression;
mod rhythm;
mod rng;
mod scale;
mod upper;
mod voicing;

use serde::{Deserialize, Serialize};

use crate::music::emotion::Mood;
use crate::music::form::MusicalForm;
use crate::music::profile::Profile;
use crate::music::theory::{Chord, Key, Mode, Voice};

use arrange::{BarContext, Played, VoicingState};
use chord_detector::ChordDetector;
use form::Form;
use harmonize::{HarmonyContext, harmonize};
use palette::Palette;
use phrase::Phrase;
use rng::RngStreams;

pub use chord_detector::PlayedBar;
pub use lead::chord_from_notes;

/// One note of a voice.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// The voice.
    pub voice: Voice,
    /// MIDI note number.
    pub note: u8,
    /// Velocity, 0..=1.
    pub velocity: f32,
    /// Onset in beats from the start of the bar.
    pub at_beat: f64,
    /// Length in beats, at most to the end of the bar.
    pub beats: f64,
}

/// A request to plan a bar.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BarRequest {
    /// Number of the bar, counted from 0 at the start of the performance.
    pub bar: u64,
    /// Number of beats, at least 1.
    pub beats: u32,
    /// The mood.
    pub mood: Mood,
    /// Pitch class of the tonic.
    pub tonic: u8,
    /// The mode, or `None` to let the mood choose.
    pub mode: Option<Mode>,
    /// The lead chord, if any, which replaces the progression.
    pub lead: Option<Chord>,
    /// What the network played most recently; `None` if unknown.
    pub played: Option<PlayedBar>,
    /// Depth of the phrases' crescendos and decrescendos, 0..=1.
    pub dynamics: f32,
    /// The temperature, at least 0; below 1, some choices are the same for all seeds.
    pub temperature: f32,
    /// How often and how exactly phrases are recalled, 0..=1.
    pub recall: f32,
    /// The order in which phrases are recalled.
    pub form: MusicalForm,
}

#[cfg(test)]
impl BarRequest {
    /// Returns a request for a bar of four beats, with default values.
    fn plain(bar: u64, mood: Mood) -> Self {
        Self {
            bar,
            beats: 4,
            mood,
            tonic: 0,
            mode: None,
            lead: None,
            played: None,
            dynamics: 0.5,
            temperature: 1.0,
            recall: 0.0,
            form: MusicalForm::Free,
        }
    }
}

/// How a section of a phrase ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cadence {
    /// Dominant, then the tonic chord.
    Authentic,
    /// Predominant, then the tonic chord.
    Plagal,
    /// Any chord but a dominant, then a dominant.
    Half,
    /// Dominant, then a substitute for the tonic.
    Deceptive,
}

/// The position of a bar in its phrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhrasePosition {
    /// Number of the bar within the phrase, from 0.
    pub bar: u32,
    /// Length of the phrase in bars.
    pub bars: u32,
    /// The cadence that ends in this bar, if any.
    pub cadence: Option<Cadence>,
}

/// A planned bar.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BarPlan {
    /// The key.
    pub key: Key,
    /// The chords and the beats on which they begin, the first at 0.
    pub chords: Vec<(f64, Chord)>,
    /// The notes of all three voices, in order of onset.
    pub notes: Vec<Note>,
    /// Level within the phrase, 0..=1.
    pub expression: f32,
    /// The bar's position in its phrase.
    pub phrase: PhrasePosition,
    /// The phrase that this bar's phrase recalls, if any.
    pub recall: Option<PhraseRecall>,
}

/// The recall of an earlier phrase.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PhraseRecall {
    /// First bar of the phrase that recalls the original.
    pub bar: u64,
    /// First bar of the original phrase.
    pub source: u64,
    /// How exactly the original is repeated: above 0, at most 1.
    pub strictness: f32,
}

/// A chord with its bass and pad notes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct ChordSpan {
    /// First beat.
    start: f64,
    /// Beat at which the next chord begins, or the end of the bar.
    end: f64,
    /// The chord.
    chord: Chord,
    /// The first bass note.
    bass: u8,
    /// The pad's notes, ascending.
    pad: Vec<u8>,
}

/// The last planned bar.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Bar {
    request: BarRequest,
    /// The phrase of the previous bar.
    before: Option<Phrase>,
    /// The unplanned chord that the network had been playing, if any.
    detected: Option<Chord>,
    /// Whether the bar's last chord was a lead chord.
    was_led: bool,
    spans: Vec<ChordSpan>,
    plan: BarPlan,
}

/// Plans the harmony, bar by bar.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Harmony {
    seed: u64,
    phrase: Option<Phrase>,
    form: Form,
    detector: ChordDetector,
    /// The state of the voices before the last planned bar.
    state: VoicingState,
    last: Option<Bar>,
}

impl Harmony {
    /// Creates a harmony from a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            phrase: None,
            form: Form::default(),
            detector: ChordDetector::default(),
            state: VoicingState::default(),
            last: None,
        }
    }

    /// Plans the next bar, or replans the last planned one if it is requested again.
    pub fn plan_bar(&mut self, request: &BarRequest) -> BarPlan {
        if self.last.as_ref().is_some_and(|last| last.request.bar == request.bar) {
            return self.replan_from(0.0, request);
        }
        let detected = self.detect_chord(request);
        if let Some(last) = &self.last {
            self.state = VoicingState { was_led: last.was_led, ..self.state.after(&last.spans, &last.plan.notes) };
        }
        self.plan(0.0, &BarRequest { beats: request.beats.max(1), ..*request }, detected, None)
    }

    /// Replans the rest of the last planned bar after a change. Earlier notes are kept, but end at `beat` if the new chord does
    /// not contain them. Returns the whole bar, whose number of beats stays the same; `played` is ignored. A request for
    /// another bar plans that bar from its start.
    pub fn replan_from(&mut self, beat: f64, request: &BarRequest) -> BarPlan {
        let Some(last) = self.last.take_if(|last| last.request.bar == request.bar) else {
            return self.plan_bar(request);
        };
        let request = BarRequest { beats: last.request.beats, ..*request };
        if beat >= f64::from(request.beats) {
            return self.last.insert(last).plan.clone();
        }
        if beat > 0.0 {
            return self.plan(beat, &request, last.detected, Some(last));
        }
        self.phrase = last.before;
        self.plan(0.0, &request, last.detected, None)
    }

    /// Returns the unplanned chord that the network has been playing, if any.
    fn detect_chord(&mut self, request: &BarRequest) -> Option<Chord> {
        let (last, phrase) = (self.last.as_ref()?, self.phrase?);
        let played = request.played.as_ref().filter(|_| last.request.bar + 1 == request.bar);
        let palette = Palette::of(phrase.emotion, phrase.key.mode);
        self.detector.observe(played, palette.nearby(phrase.key))
    }

    /// Plans a bar from a beat on; `replanned` is the bar as planned before, if it has already begun.
    fn plan(&mut self, beat: f64, request: &BarRequest, detected: Option<Chord>, replanned: Option<Bar>) -> BarPlan {
        let old = self.phrase;
        let streams = RngStreams::new(self.seed, request.temperature);
        let phrase = Phrase::at(old.as_ref(), &self.form, request, streams);
        let streams = streams.reusing(phrase.reused_bars());
        let context = HarmonyContext {
            from: beat,
            planned: replanned.as_ref().map_or(&[], |bar| &bar.plan.chords),
            before: self.state.chord,
            was_led: replanned.as_ref().map_or(self.state.was_led, |bar| bar.was_led),
            bass: self.state.bass,
            detected: detected.filter(|_| beat == 0.0),
        };
        let chords = harmonize(streams, request, old.as_ref(), &phrase, &context);
        let key = match (&request.lead, request.mode) {
            (Some(lead), None) => lead::key_of_lead(lead, phrase.key),
            _ => phrase.key,
        };
        let was_led = request.lead.is_some() || context.was_led && chords.last().is_some_and(|(at, _)| *at < beat);
        let next = self.next_chord(request, &phrase, chords.last().map(|(_, chord)| *chord));
        let bar_context = BarContext { streams, request, phrase: &phrase, key, chords: &chords, next };
        let played = replanned.as_ref().map(|bar| Played { end: beat, spans: &bar.spans, notes: &bar.plan.notes });
        let (spans, notes) = arrange::arrange(&bar_context, &self.state, played.as_ref());
        let position = phrase.position(request.bar);
        let swell = Profile::blend(&request.mood).swell * request.dynamics.clamp(0.0, 1.0);
        let expression = 1.0 - swell * (1.0 - position.swell());
        let recall = phrase.recalled.map(|recalled| PhraseRecall {
            bar: phrase.start,
            source: recalled.start,
            strictness: recalled.strictness,
        });
        let plan = BarPlan { key, chords, notes, expression, phrase: position, recall };
        self.form.store(phrase.number, phrase.theme());
        self.phrase = Some(phrase);
        let before = replanned.map_or(old, |bar| bar.before);
        self.last = Some(Bar { request: *request, before, detected, was_led, spans, plan: plan.clone() });
        plan
    }

    /// Predicts the first chord of the next bar, to which the bass leads.
    fn next_chord(&self, request: &BarRequest, phrase: &Phrase, sounding: Option<Chord>) -> Option<Chord> {
        if request.lead.is_some() {
            return sounding;
        }
        let request = BarRequest { bar: request.bar + 1, played: None, ..*request };
        let streams = RngStreams::new(self.seed, request.temperature);
        let next = Phrase::at(Some(phrase), &self.form, &request, streams);
        let streams = streams.reusing(next.reused_bars());
        let context = HarmonyContext {
            from: 0.0,
            planned: &[],
            before: sounding,
            was_led: false,
            bass: self.state.bass,
            detected: None,
        };
        harmonize(streams, &request, Some(phrase), &next, &context).first().map(|(_, chord)| *chord)
    }
}
