//! Phrases: their emotion, mode, length, cadences and dynamics.

use serde::{Deserialize, Serialize};

use crate::music::emotion::{Emotion, Mood};
use crate::music::theory::{Key, Mode};

use super::form::{Form, Theme};
use super::rng::{Purpose, ReusedBars, RngStreams, pick_at};
use super::{BarRequest, Cadence, PhrasePosition};

/// Bars from one cadence to the next.
pub(super) const SECTION_BARS: u32 = 4;
/// A phrase ends early when its emotion's weight falls below this fraction of the largest weight.
const MIN_RELATIVE_WEIGHT: f32 = 0.4;
/// Probability that a phrase keeps the mode of the previous one if both have the same emotion.
const KEEP_MODE_PROBABILITY: f32 = 0.6;
/// Position of the dynamic peak, as a fraction of the phrase's length.
const PEAK: f32 = 0.62;

/// Returns the modes of an emotion, with their odds.
const fn modes(emotion: Emotion) -> &'static [(Mode, f32)] {
    match emotion {
        Emotion::Happy => &[(Mode::Major, 7.0), (Mode::Lydian, 1.5), (Mode::Mixolydian, 1.0)],
        Emotion::Sad => &[(Mode::Minor, 7.0), (Mode::HarmonicMinor, 3.0)],
        Emotion::Energetic => &[(Mode::Mixolydian, 5.0), (Mode::Major, 4.0)],
        Emotion::Calm => &[(Mode::Major, 6.0), (Mode::Lydian, 3.0)],
        Emotion::Romantic => &[(Mode::Major, 1.0)],
        Emotion::Angry => &[(Mode::Phrygian, 4.0), (Mode::Minor, 3.0), (Mode::HarmonicMinor, 3.0)],
        Emotion::Nostalgic => &[(Mode::Dorian, 4.0), (Mode::Major, 3.0), (Mode::Mixolydian, 2.0), (Mode::Minor, 1.0)],
        Emotion::Mysterious => &[(Mode::Phrygian, 6.0), (Mode::HarmonicMinor, 2.0), (Mode::Lydian, 1.5)],
    }
}

/// Returns the probability of eight bars instead of four, and the odds of the final cadence, in the order of [`CADENCES`].
const fn shape(emotion: Emotion) -> (f32, [f32; 4]) {
    match emotion {
        Emotion::Happy => (0.7, [6.0, 2.0, 1.5, 0.5]),
        Emotion::Sad => (0.6, [5.0, 2.0, 2.0, 2.0]),
        Emotion::Energetic => (0.5, [3.0, 6.0, 2.0, 0.0]),
        Emotion::Calm => (0.6, [2.0, 6.0, 1.0, 0.0]),
        Emotion::Romantic => (0.8, [5.0, 1.0, 2.0, 2.0]),
        Emotion::Angry => (0.4, [5.0, 0.5, 4.0, 1.0]),
        Emotion::Nostalgic => (0.7, [3.0, 5.0, 1.0, 1.0]),
        Emotion::Mysterious => (0.5, [3.0, 1.0, 4.0, 2.0]),
    }
}

/// The cadences, in the order of their odds.
const CADENCES: [Cadence; 4] = [Cadence::Authentic, Cadence::Plagal, Cadence::Half, Cadence::Deceptive];
/// Odds of the cadence in the middle of an eight-bar phrase, in the order of [`CADENCES`]; mostly half cadences.
const INNER_ODDS: [f32; 4] = [1.0, 1.5, 6.0, 1.5];

/// A phrase of four or eight bars.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Phrase {
    /// Number of phrases before it.
    pub number: u64,
    /// First bar.
    pub start: u64,
    /// Length in bars.
    pub bars: u32,
    /// The emotion.
    pub emotion: Emotion,
    /// The key.
    pub key: Key,
    /// The cadences of the sections.
    cadences: [Cadence; 2],
    /// The earlier phrase that this one recalls, if any.
    pub recalled: Option<RecalledPhrase>,
}

/// The earlier phrase that a phrase recalls, and how exactly it is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct RecalledPhrase {
    /// Number of the earlier phrase.
    pub number: u64,
    /// First bar of the earlier phrase.
    pub start: u64,
    /// How exactly the earlier phrase is repeated: above 0, at most 1.
    pub strictness: f32,
}

impl Phrase {
    /// Returns the phrase of a bar, in the requested key: `before` if it contains the bar and its emotion has not faded,
    /// otherwise a new phrase that starts with the bar.
    pub(super) fn at(before: Option<&Self>, form: &Form, request: &BarRequest, streams: RngStreams) -> Self {
        let continued = before.filter(|phrase| phrase.contains(request.bar) && !phrase.has_faded(&request.mood));
        match continued {
            Some(phrase) => {
                let mode = request.mode.unwrap_or(phrase.key.mode);
                Self { key: Key { tonic: request.tonic % 12, mode }, ..*phrase }
            }
            None => Self::new(before, form, request, streams),
        }
    }

    fn new(before: Option<&Self>, form: &Form, request: &BarRequest, streams: RngStreams) -> Self {
        let number = before.map_or(0, |phrase| phrase.number + 1);
        let mut rng = streams.rng(Purpose::Phrase, number);
        let emotion = draw_emotion(&request.mood, number, streams);
        let (long, cadences) = shape(emotion);
        let bars = if rng.unit() < long { 2 * SECTION_BARS } else { SECTION_BARS };
        let mut cadence = |odds: &[f32]| rng.pick(odds).map_or(Cadence::Authentic, |index| CADENCES[index]);
        let (inner, last) = (cadence(&INNER_ODDS), cadence(&cadences));
        let odds: Vec<f32> = modes(emotion).iter().map(|(_, odds)| *odds).collect();
        let drawn = rng.pick(&odds).map_or(Mode::Major, |index| modes(emotion)[index].0);
        let keep = rng.unit() < KEEP_MODE_PROBABILITY;
        let kept = before.filter(|phrase| keep && phrase.emotion == emotion).map(|phrase| phrase.key.mode);
        let theme = match request.form.phrases_since_original(number) {
            None => form.recall(number, before.map(Self::motif), emotion, request.recall, streams),
            Some(0) => None,
            Some(phrases) => form.theme(number - phrases).filter(|_| request.recall > 0.0),
        };
        // A recalled phrase keeps its mode if the emotion uses that mode.
        let kept = theme.map(|theme| theme.mode).or(kept);
        let mode = request.mode.or(kept.filter(|kept| modes(emotion).iter().any(|(mode, _)| mode == kept)));
        let recalled = theme.map(|theme| RecalledPhrase {
            number: theme.number,
            start: theme.start,
            strictness: strictness(request.recall),
        });
        let bars = theme.map_or(bars, |theme| theme.bars);
        let inner = theme.map_or(inner, |theme| theme.cadences[0]);
        // Only an exact repetition keeps the final cadence.
        let last = theme.filter(|_| request.recall >= 1.0).map_or(last, |theme| theme.cadences[1]);
        Self {
            number,
            start: request.bar,
            bars,
            emotion,
            key: Key { tonic: request.tonic % 12, mode: mode.unwrap_or(drawn) },
            cadences: if bars == SECTION_BARS { [last, last] } else { [inner, last] },
            recalled,
        }
    }

    /// Returns the theme by which the phrase can be recalled; `None` if the phrase is itself a recall.
    pub(super) fn theme(&self) -> Option<Theme> {
        let Self { number, start, bars, emotion, cadences, .. } = *self;
        self.recalled.is_none().then_some(Theme { number, start, bars, emotion, mode: self.key.mode, cadences })
    }

    /// Returns the bars that reuse the random streams of an earlier phrase, if any.
    pub(super) fn reused_bars(&self) -> Option<ReusedBars> {
        self.recalled.map(|recalled| ReusedBars {
            start: self.start,
            last: self.start + u64::from(self.bars) - 1,
            source: recalled.start,
            exact: recalled.strictness >= 1.0,
        })
    }

    /// Returns the number of the phrase whose motif the upper voice plays.
    pub(super) fn motif(&self) -> u64 {
        self.recalled.map_or(self.number, |recalled| recalled.number)
    }

    /// Returns whether the phrase contains a bar.
    fn contains(&self, bar: u64) -> bool {
        (self.start..self.start + u64::from(self.bars)).contains(&bar)
    }

    fn has_faded(&self, mood: &Mood) -> bool {
        let largest = mood.weights()[mood.dominant() as usize];
        mood.weights()[self.emotion as usize] < MIN_RELATIVE_WEIGHT * largest
    }

    /// Returns the position of a bar in the phrase.
    pub(super) fn position(&self, bar: u64) -> PhrasePosition {
        let bar = bar.saturating_sub(self.start).min(u64::from(self.bars - 1)) as u32;
        let cadence = (bar % SECTION_BARS == SECTION_BARS - 1).then(|| self.cadence_after(bar));
        PhrasePosition { bar, bars: self.bars, cadence }
    }

    /// Returns the cadence of the section that contains a bar, given the bar's number within the phrase.
    pub(super) fn cadence_after(&self, bar: u32) -> Cadence {
        self.cadences[usize::from(bar >= SECTION_BARS)]
    }
}

impl PhrasePosition {
    /// Returns the dynamics in the middle of a bar, from 0 at both ends of the phrase to 1 at its peak.
    pub(super) fn swell(&self) -> f32 {
        let position = (self.bar as f32 + 0.5) / self.bars as f32;
        let rise = if position < PEAK { position / PEAK } else { (1.0 - position) / (1.0 - PEAK) };
        rise * rise * (3.0 - 2.0 * rise)
    }
}

/// Returns how exactly a phrase is repeated, 0..=1, for a value of the parameter `recall`. A single different note soon makes
/// later ones differ too, so halfway through the parameter's range, most of the choices must still be the same.
fn strictness(recall: f32) -> f32 {
    1.0 - (1.0 - recall).powi(2)
}

/// Draws a phrase's emotion according to the mood's weights. Successive draws are spaced by the golden ratio, so that a blend
/// reaches its proportions within a few phrases. A small change of the mood seldom changes the result.
fn draw_emotion(mood: &Mood, number: u64, streams: RngStreams) -> Emotion {
    const GOLDEN: f64 = 0.618_033_988_749_895;
    let offset = f64::from(streams.rng(Purpose::Phrase, u64::MAX).unit());
    let draw = (offset + (number % (1 << 32)) as f64 * GOLDEN).fract();
    pick_at(draw as f32, mood.weights()).map_or_else(|| mood.dominant(), |index| Emotion::ALL[index])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::music::form::MusicalForm;

    fn request(bar: u64, mood: Mood) -> BarRequest {
        BarRequest { tonic: 2, ..BarRequest::plain(bar, mood) }
    }

    fn calm_sad(calm: f32) -> Mood {
        let mut weights = [0.0; 8];
        weights[Emotion::Calm as usize] = calm;
        weights[Emotion::Sad as usize] = 1.0 - calm;
        Mood::blend(weights)
    }

    #[test]
    fn phrases_alternate_between_blended_emotions_in_proportion() {
        let (mut calm_bars, mut changes, mut phrase) = (0, 0, None::<Phrase>);
        for bar in 0..400 {
            let next =
                Phrase::at(phrase.as_ref(), &Form::default(), &request(bar, calm_sad(0.6)), RngStreams::new(11, 1.0));
            if let Some(before) = phrase
                && before.emotion != next.emotion
            {
                changes += 1;
                assert_eq!(
                    bar,
                    before.start + u64::from(before.bars),
                    "the emotion should change only between phrases"
                );
            }
            calm_bars += u32::from(next.emotion == Emotion::Calm);
            phrase = Some(next);
        }
        assert!((190..=290).contains(&calm_bars), "{calm_bars} of 400 bars are calm");
        assert!(changes <= 60, "{changes} changes");
    }

    #[test]
    fn a_phrase_ends_early_when_the_mood_changes() {
        let streams = RngStreams::new(1, 1.0);
        let calm = Phrase::at(None, &Form::default(), &request(0, Mood::pure(Emotion::Calm)), streams);
        assert_eq!(calm.emotion, Emotion::Calm);
        assert_eq!(
            Phrase::at(Some(&calm), &Form::default(), &request(1, calm_sad(0.35)), streams).emotion,
            Emotion::Calm
        );
        let next = Phrase::at(Some(&calm), &Form::default(), &request(1, calm_sad(0.1)), streams);
        assert_eq!((next.start, next.number), (1, 1));
    }

    #[test]
    fn phrases_return_in_the_order_of_the_form() {
        let recalled = |musical_form: MusicalForm, recall: f32| {
            let (mut form, mut phrase, mut recalled) = (Form::default(), None::<Phrase>, Vec::new());
            for bar in 0..100 {
                let request = BarRequest { form: musical_form, recall, ..request(bar, Mood::pure(Emotion::Romantic)) };
                let next = Phrase::at(phrase.as_ref(), &form, &request, RngStreams::new(7, 1.0));
                form.store(next.number, next.theme());
                if next.start == bar {
                    recalled.push(next.recalled.map(|recalled| recalled.number));
                }
                phrase = Some(next);
            }
            recalled.truncate(10);
            recalled
        };
        let (new, of) = (None, Some);
        assert_eq!(recalled(MusicalForm::Aaba, 0.9), [new, of(0), new, of(0), new, of(4), new, of(4), new, of(8)]);
        assert_eq!(recalled(MusicalForm::Abaca, 0.5), [new, new, of(0), new, of(0), new, new, of(5), new, of(5)]);
        assert_eq!(recalled(MusicalForm::Aaba, 0.0), [None; 10]);
    }

    #[test]
    fn dynamics_rise_to_the_peak_and_fall() {
        let swell = |bar| PhrasePosition { bar, bars: 8, cadence: None }.swell();
        assert!((0..4).all(|bar| swell(bar) < swell(bar + 1)));
        assert!((5..7).all(|bar| swell(bar) > swell(bar + 1)));
        assert!(swell(4) > 0.9 && swell(7) < 0.2);
    }

    #[test]
    fn eight_bar_phrases_have_two_cadences() {
        let long = (0..20).map(|seed| {
            Phrase::at(None, &Form::default(), &request(5, Mood::pure(Emotion::Romantic)), RngStreams::new(seed, 1.0))
        });
        let phrase = long.into_iter().find(|phrase| phrase.bars == 8).expect("most romantic phrases should be long");
        let bars = (5..13).filter(|bar| phrase.position(*bar).cadence.is_some());
        assert!(bars.eq([8, 12]));
    }
}
