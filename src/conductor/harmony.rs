//! The rule-based harmony: keys, chords, phrases, and what bass, pad and upper voice play.
//!
//! Valence is carried by mode and choice of chords, arousal by activity, register, touch and harmonic rhythm. Pure and
//! seeded: the same seed and requests give the same music; `Clone` and go on to look ahead.

mod arrange;
mod bass;
mod dice;
mod form;
mod harmonise;
mod lead;
mod listening;
mod numeral;
mod pad;
mod palette;
mod phrase;
mod progression;
mod rhythm;
mod scale;
mod upper;
mod voicing;

use crate::music::emotion::Mood;
use crate::music::profile::Profile;
use crate::music::theory::{Chord, Key, Mode, Voice};

use arrange::{Hands, Played, Score};
use dice::Luck;
use form::Form;
use harmonise::{Standing, harmonise};
use listening::Listening;
use palette::Palette;
use phrase::Phrase;

pub use lead::chord_from_notes;

/// One note of a voice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Note {
    /// Who plays it.
    pub voice: Voice,
    /// MIDI note number.
    pub note: u8,
    /// Touch, 0..=1.
    pub velocity: f32,
    /// Onset in beats from the start of the bar.
    pub at_beat: f64,
    /// Length in beats; never past the end of the bar.
    pub beats: f64,
}

/// What is known before a bar is planned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BarRequest {
    /// Number of the bar since the start; a gap starts a new phrase.
    pub bar: u64,
    /// Beats in it, at least 1.
    pub beats: u32,
    /// The mood it is to have.
    pub mood: Mood,
    /// Pitch class of the tonic.
    pub tonic: u8,
    /// The mode, or `None` to let the mood choose.
    pub mode: Option<Mode>,
    /// A chord that leads: it sounds instead of the progression while it is there.
    pub lead: Option<Chord>,
    /// Chroma of the bar before as the network played it, on any linear scale; `None` when not known.
    pub heard: Option<[f32; 12]>,
    /// How far phrases swell and fade, 0..=1.
    pub dynamics: f32,
    /// How much is left to the seed's own chance, 0 or more; below 1 the rest is common to all seeds.
    pub temperature: f32,
    /// How often and how exactly phrases return, 0..=1.
    pub recall: f32,
}

/// How a section of a phrase ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cadence {
    /// Dominant, then the tonic chord.
    Authentic,
    /// Predominant, then the tonic chord.
    Plagal,
    /// On a dominant, left open.
    Half,
    /// Dominant, then a relative of the tonic.
    Deceptive,
}

/// Where a bar stands in its phrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhrasePosition {
    /// Position in the phrase, from 0.
    pub bar: u32,
    /// Bars in the phrase.
    pub bars: u32,
    /// The cadence whose last chord falls into this bar.
    pub cadence: Option<Cadence>,
}

/// One bar as it is to be played.
#[derive(Debug, Clone, PartialEq)]
pub struct BarPlan {
    /// The key.
    pub key: Key,
    /// Beats on which chords begin, the first at 0, and the chords.
    pub chords: Vec<(f64, Chord)>,
    /// Everything the three voices play, by onset.
    pub notes: Vec<Note>,
    /// Level of the harmony by the shape of the phrase, 0..=1.
    pub expression: f32,
    /// Where the bar stands in its phrase.
    pub phrase: PhrasePosition,
    /// The phrase that returns in this bar's, if one does.
    pub returns: Option<Return>,
}

/// A phrase that returns in another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Return {
    /// First bar of the phrase in which it returns.
    pub bar: u64,
    /// The bar that was its first when it was new.
    pub source: u64,
    /// How exactly it returns, above 0 to 1.
    pub strictness: f32,
}

/// A chord with what bass and pad play on it.
#[derive(Debug, Clone, PartialEq)]
struct Segment {
    /// First beat.
    start: f64,
    /// Beat at which the next begins, or the end of the bar.
    end: f64,
    /// The chord.
    chord: Chord,
    /// The bass note it begins with.
    bass: u8,
    /// The pad's notes, ascending.
    pad: Vec<u8>,
}

/// The bar planned last.
#[derive(Debug, Clone)]
struct Bar {
    request: BarRequest,
    /// The phrase before it.
    before: Option<Phrase>,
    /// The chord the network insisted on.
    bend: Option<Chord>,
    /// Whether its last chord was led.
    led: bool,
    segments: Vec<Segment>,
    plan: BarPlan,
}

/// The harmony: plans one bar after the other.
#[derive(Debug, Clone)]
pub struct Harmony {
    seed: u64,
    phrase: Option<Phrase>,
    form: Form,
    listening: Listening,
    /// What the voices held before the bar planned last.
    hands: Hands,
    last: Option<Bar>,
}

impl Harmony {
    /// A harmony that has not begun; the same seed and requests give the same bars.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            phrase: None,
            form: Form::default(),
            listening: Listening::default(),
            hands: Hands::default(),
            last: None,
        }
    }

    /// Plans a bar, following on the one planned before. A bar that was planned already is planned afresh.
    pub fn plan_bar(&mut self, request: &BarRequest) -> BarPlan {
        if self.last.as_ref().is_some_and(|last| last.request.bar == request.bar) {
            return self.replan_from(0.0, request);
        }
        let bend = self.listen(request);
        if let Some(last) = &self.last {
            self.hands = Hands { led: last.led, ..self.hands.after(&last.segments, &last.plan.notes) };
        }
        self.plan(0.0, &BarRequest { beats: request.beats.max(1), ..*request }, bend, None)
    }

    /// Plans the rest of the bar planned last after something changed: what begins before `beat` stays, cut short at
    /// `beat` where the new harmony does not hold it. The plan is again of the whole bar, whose number of beats stays as
    /// it was; `heard` is not used. A request for another bar plans that one from its start.
    pub fn replan_from(&mut self, beat: f64, request: &BarRequest) -> BarPlan {
        let Some(last) = self.last.take_if(|last| last.request.bar == request.bar) else {
            return self.plan_bar(request);
        };
        let request = BarRequest { beats: last.request.beats, ..*request };
        if beat >= f64::from(request.beats) {
            return self.last.insert(last).plan.clone();
        }
        if beat > 0.0 {
            return self.plan(beat, &request, last.bend, Some(last));
        }
        self.phrase = last.before;
        self.plan(0.0, &request, last.bend, None)
    }

    /// The chord the network insists on, if it does.
    fn listen(&mut self, request: &BarRequest) -> Option<Chord> {
        let (last, phrase) = (self.last.as_ref()?, self.phrase?);
        let heard = request.heard.as_ref().filter(|_| last.request.bar + 1 == request.bar);
        let palette = Palette::of(phrase.emotion, phrase.key.mode);
        self.listening.hear(heard, &last.plan.chords, f64::from(last.request.beats), palette.nearby(phrase.key))
    }

    /// Plans a bar from a beat on; `again` is the bar as it was planned before.
    fn plan(&mut self, beat: f64, request: &BarRequest, bend: Option<Chord>, again: Option<Bar>) -> BarPlan {
        let old = self.phrase;
        let luck = Luck::new(self.seed, request.temperature);
        let phrase = Phrase::at(old.as_ref(), &self.form, request, luck);
        let luck = luck.within(&phrase);
        let standing = Standing {
            from: beat,
            planned: again.as_ref().map_or(&[], |bar| &bar.plan.chords),
            before: self.hands.chord,
            led: again.as_ref().map_or(self.hands.led, |bar| bar.led),
            bass: self.hands.bass,
            bend: bend.filter(|_| beat == 0.0),
        };
        let chords = harmonise(luck, request, old.as_ref(), &phrase, &standing);
        let key = match (&request.lead, request.mode) {
            (Some(lead), None) => lead::key_of_lead(lead, phrase.key),
            _ => phrase.key,
        };
        let led = request.lead.is_some() || standing.led && chords.last().is_some_and(|(at, _)| *at < beat);
        let next = self.next_chord(request, &phrase, chords.last().map(|(_, chord)| *chord));
        let score = Score { luck, request, phrase: &phrase, key, chords: &chords, next };
        let played = again.as_ref().map(|bar| Played { until: beat, segments: &bar.segments, notes: &bar.plan.notes });
        let (segments, notes) = arrange::arrange(&score, &self.hands, played.as_ref());
        let position = phrase.position(request.bar);
        let swell = Profile::blend(&request.mood).swell * request.dynamics.clamp(0.0, 1.0);
        let expression = 1.0 - swell * (1.0 - position.swell());
        let returns = phrase.recalled.map(|recalled| Return {
            bar: phrase.start,
            source: recalled.start,
            strictness: recalled.strictness,
        });
        let plan = BarPlan { key, chords, notes, expression, phrase: position, returns };
        self.form.remember(&phrase);
        self.phrase = Some(phrase);
        let before = again.map_or(old, |bar| bar.before);
        self.last = Some(Bar { request: *request, before, bend, led, segments, plan: plan.clone() });
        plan
    }

    /// The first chord of the bar to come, as far as it can be foreseen: what the bass leads to.
    fn next_chord(&self, request: &BarRequest, phrase: &Phrase, sounding: Option<Chord>) -> Option<Chord> {
        if request.lead.is_some() {
            return sounding;
        }
        let request = BarRequest { bar: request.bar + 1, heard: None, ..*request };
        let luck = Luck::new(self.seed, request.temperature);
        let next = Phrase::at(Some(phrase), &self.form, &request, luck);
        let luck = luck.within(&next);
        let standing =
            Standing { from: 0.0, planned: &[], before: sounding, led: false, bass: self.hands.bass, bend: None };
        harmonise(luck, &request, Some(phrase), &next, &standing).first().map(|(_, chord)| *chord)
    }
}
