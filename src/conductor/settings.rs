//! Settings: a value for every parameter. The coordinates of the mood are kept consistent.

use serde::{Deserialize, Serialize};

use crate::event::parameter::{Param, Saved, TABLE, TempoSource, Value};
use crate::music::emotion::{Affect, Emotion, Mood};
use crate::music::theory::{Chord, Mode};

/// Sum of the eight weights at or below which all of them count as zero.
const MIN_WEIGHT_SUM: f32 = 1e-6;

/// The coordinates of the mood that were set last and are therefore exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum MoodCoordinates {
    Weights,
    Affect,
}

/// A value for every parameter.
///
/// The eight weights are faders: moving one leaves the others unchanged, and the mood is their blend. If all are zero, the mood
/// stays unchanged. Setting an emotion, valence or arousal moves the faders accordingly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Settings {
    /// Values in the order of [`TABLE`].
    values: Vec<Value>,
    mood: Mood,
    exact: MoodCoordinates,
}

impl Default for Settings {
    fn default() -> Self {
        let values = TABLE.iter().map(|spec| spec.param.default_value()).collect();
        Self { values, mood: Mood::default(), exact: MoodCoordinates::Weights }
    }
}

impl Settings {
    /// Sets a parameter to a valid value.
    pub(super) fn set(&mut self, param: Param, value: &Value) {
        debug_assert!(param.accepts(value), "invalid value for {param:?}: {value:?}");
        match (param, value) {
            (Param::Emotion, Value::Choice(choice)) => self.set_mood(Mood::pure(Emotion::ALL[usize::from(*choice)])),
            (Param::Valence, Value::Number(valence)) => {
                self.set_affect(Affect { valence: *valence, ..self.mood.affect() });
            }
            (Param::Arousal, Value::Number(arousal)) => {
                self.set_affect(Affect { arousal: *arousal, ..self.mood.affect() });
            }
            // An external source keeps control of the tempo.
            (Param::Tempo, _) if self.tempo_source().is_external() => {}
            (Param::Tempo, _) => {
                self.set_tempo_source(TempoSource::Pinned);
                self.values[param as usize] = value.clone();
            }
            (Param::TempoFollow, Value::Toggle(true)) => self.set_tempo_source(TempoSource::Mood),
            (Param::TempoFollow, _) if self.tempo_source() != TempoSource::Mood => {}
            (Param::TempoFollow, _) => self.set_tempo_source(TempoSource::Pinned),
            (_, Value::Trigger) => {}
            _ => {
                self.values[param as usize] = value.clone();
                if param.weighted_emotion().is_some() {
                    self.blend_faders();
                }
            }
        }
    }

    /// Returns the value of a parameter; [`Value::Trigger`] for triggers.
    #[must_use]
    pub(super) fn get(&self, param: Param) -> Value {
        match param {
            Param::Emotion => Value::Choice(self.mood.dominant() as u8),
            Param::Valence => Value::Number(self.mood.affect().valence),
            Param::Arousal => Value::Number(self.mood.affect().arousal),
            Param::TempoFollow => Value::Toggle(self.tempo_source() == TempoSource::Mood),
            _ => self.values[param as usize].clone(),
        }
    }

    /// Returns the tempo source.
    #[must_use]
    pub(super) fn tempo_source(&self) -> TempoSource {
        TempoSource::at(self.choice(Param::TempoSource))
    }

    fn set_tempo_source(&mut self, source: TempoSource) {
        self.values[Param::TempoSource as usize] = Value::Choice(source as u8);
    }

    /// Sets the tempo even if an external source controls it; a tempo that followed the mood becomes pinned.
    pub(super) fn set_external_tempo(&mut self, bpm: f32) {
        if self.tempo_source() == TempoSource::Mood {
            self.set_tempo_source(TempoSource::Pinned);
        }
        self.values[Param::Tempo as usize] = Value::Number(bpm);
    }

    /// Returns the requested mood.
    #[must_use]
    pub(super) const fn mood(&self) -> Mood {
        self.mood
    }

    /// Sets the mood, and moves the faders to its weights.
    pub(super) fn set_mood(&mut self, mood: Mood) {
        self.mood = mood;
        self.exact = MoodCoordinates::Weights;
        for (emotion, weight) in Emotion::ALL.into_iter().zip(mood.weights()) {
            self.values[Param::emotion_weight(emotion) as usize] = Value::Number(*weight);
        }
    }

    fn set_affect(&mut self, affect: Affect) {
        self.set_mood(Mood::at(affect));
        self.exact = MoodCoordinates::Affect;
    }

    fn faders(&self) -> [f32; Emotion::COUNT] {
        Emotion::ALL.map(|emotion| self.number(Param::emotion_weight(emotion)))
    }

    fn blend_faders(&mut self) {
        let faders = self.faders();
        if faders.iter().sum::<f32>() > MIN_WEIGHT_SUM {
            self.mood = Mood::blend(faders);
            self.exact = MoodCoordinates::Weights;
        }
    }

    /// Returns the value of a numeric parameter; 0 for other parameters.
    #[must_use]
    pub(super) fn number(&self, param: Param) -> f32 {
        match self.values[param as usize] {
            Value::Number(value) => value,
            _ => 0.0,
        }
    }

    /// Returns the value of a toggle; false for other parameters.
    #[must_use]
    pub(super) fn toggle(&self, param: Param) -> bool {
        self.values[param as usize] == Value::Toggle(true)
    }

    /// Returns the index of a choice; 0 for other parameters.
    #[must_use]
    pub(super) fn choice(&self, param: Param) -> u8 {
        match self.values[param as usize] {
            Value::Choice(choice) => choice,
            _ => 0,
        }
    }

    /// Returns the value of a text parameter; empty for other parameters.
    #[must_use]
    pub(super) fn text(&self, param: Param) -> &str {
        match &self.values[param as usize] {
            Value::Text(text) => text,
            _ => "",
        }
    }

    /// Returns the lead chord; `None` if the harmony follows the progression.
    #[must_use]
    pub(super) fn lead(&self) -> Option<Chord> {
        Chord::parse(self.text(Param::Chord))
    }

    /// Returns the requested mode; `None` if it follows the emotion.
    #[must_use]
    pub(super) fn mode(&self) -> Option<Mode> {
        usize::from(self.choice(Param::Mode)).checked_sub(1).map(|index| Mode::ALL[index])
    }

    /// Returns the values that recreate these settings when applied to the defaults in this order, for state files and
    /// control logs. Omits momentary controls (play, hold) and the daemon's own parameters.
    #[must_use]
    pub(super) fn list(&self) -> Vec<(Param, Value)> {
        let all_zero = self.faders().iter().sum::<f32>() <= MIN_WEIGHT_SUM;
        let is_derived = |param: Param| match (param, self.exact) {
            (Param::Emotion, _) => !all_zero,
            (Param::Valence | Param::Arousal, exact) => exact == MoodCoordinates::Weights,
            _ => self.exact == MoodCoordinates::Affect && param.weighted_emotion().is_some(),
        };
        Param::all()
            .filter(|param| param.policy().saved == Saved::Everywhere && !is_derived(*param))
            .filter(|param| *param != Param::Tempo || self.tempo_source() != TempoSource::Mood)
            .map(|param| (param, self.get(param)))
            .collect()
    }

    /// Copies a parameter from other settings. For a coordinate of the mood, copies the whole mood.
    pub(super) fn copy_from(&mut self, param: Param, from: &Self) {
        if param.is_mood() {
            (self.mood, self.exact) = (from.mood, from.exact);
            for param in Emotion::ALL.map(Param::emotion_weight) {
                self.values[param as usize] = from.values[param as usize].clone();
            }
        } else {
            self.values[param as usize] = from.values[param as usize].clone();
        }
    }

    /// Returns these settings with the values of two scenes applied: numbers and mood interpolated by `t` (0..=1) from `a` to `b`,
    /// other values from the nearer scene. An external tempo source keeps control of the tempo.
    #[must_use]
    pub(super) fn with_scenes(&self, a: &Self, b: &Self, t: f32) -> Self {
        let mut interpolated = self.clone();
        let nearer = if t < 0.5 { a } else { b };
        let keeps_tempo =
            |param| self.tempo_source().is_external() && matches!(param, Param::Tempo | Param::TempoSource);
        for param in Param::all().filter(|param| param.policy().scene && !keeps_tempo(*param)) {
            let index = param as usize;
            interpolated.values[index] = match (&a.values[index], &b.values[index]) {
                (Value::Number(a), Value::Number(b)) => Value::Number(a + (b - a) * t),
                _ => nearer.values[index].clone(),
            };
        }
        if a.mood == b.mood || t == 0.0 || t == 1.0 {
            (interpolated.mood, interpolated.exact) = (nearer.mood, nearer.exact);
        } else {
            interpolated.set_mood(a.mood.toward(&b.mood, t));
        }
        interpolated
    }
}

#[cfg(test)]
mod tests;
