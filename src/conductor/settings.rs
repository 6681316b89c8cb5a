//! What has been asked for: a value for every parameter, with the mood's many faces kept consistent.

use crate::emotion::{Affect, Emotion, Mood};
use crate::parameter::{Input, InputError, Kind, Lane, Param, TABLE, Value};
use crate::theory::{Chord, Mode};

/// Chord text that gives the harmony back to the progression.
const AUTO: &str = "auto";
/// Sum of the eight faders that counts as all down.
const SILENT: f32 = 1e-6;

/// Which face of the mood was moved last, and so is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MoodFace {
    Weights,
    Affect,
}

/// A value for every parameter.
///
/// The eight weights are faders: moving one leaves the others where they are, and the mood is their blend (all at zero
/// changes nothing). Choosing an emotion, or a point by valence and arousal, moves the faders along.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Settings {
    /// In the order of [`TABLE`].
    values: Vec<Value>,
    mood: Mood,
    face: MoodFace,
}

impl Default for Settings {
    fn default() -> Self {
        let values = TABLE.iter().map(|spec| spec.param.default_value()).collect();
        Self { values, mood: Mood::default(), face: MoodFace::Weights }
    }
}

impl Settings {
    /// Takes a value; numbers outside the range are clamped.
    ///
    /// # Errors
    /// When the value does not fit the parameter, or is no chord symbol; nothing was changed.
    pub(super) fn set(&mut self, param: Param, value: &Value) -> Result<(), InputError> {
        let Some(value) = param.fit(input_of(value))? else { return Ok(()) };
        match (param, &value) {
            (Param::Emotion, Value::Choice(choice)) => self.set_mood(Mood::pure(Emotion::ALL[usize::from(*choice)])),
            (Param::Valence, Value::Number(valence)) => {
                self.set_affect(Affect { valence: *valence, ..self.mood.affect() });
            }
            (Param::Arousal, Value::Number(arousal)) => {
                self.set_affect(Affect { arousal: *arousal, ..self.mood.affect() });
            }
            (Param::Tempo, _) => {
                self.values[Param::TempoFollow as usize] = Value::Toggle(false);
                self.values[param as usize] = value;
            }
            (Param::Chord, Value::Text(symbol)) => {
                let automatic = symbol.is_empty() || symbol.eq_ignore_ascii_case(AUTO);
                if !automatic && Chord::parse(symbol).is_none() {
                    return Err(InputError::Unfit {
                        id: param.spec().id,
                        got: format!("{symbol:?}"),
                        expected: "a chord symbol such as Am7, F#dim or C/E, or auto".to_owned(),
                    });
                }
                self.values[param as usize] = if automatic { Value::Text(AUTO.to_owned()) } else { value };
            }
            (Param::Seed, Value::Number(seed)) => self.values[param as usize] = Value::Number(seed.round()),
            (_, Value::Trigger) => {}
            _ => {
                self.values[param as usize] = value;
                if param.weighed_emotion().is_some() {
                    self.blend_faders();
                }
            }
        }
        Ok(())
    }

    /// The value of a parameter; [`Value::Trigger`] for triggers.
    #[must_use]
    pub(super) fn get(&self, param: Param) -> Value {
        match param {
            Param::Emotion => Value::Choice(self.mood.dominant() as u8),
            Param::Valence => Value::Number(self.mood.affect().valence),
            Param::Arousal => Value::Number(self.mood.affect().arousal),
            _ => self.values[param as usize].clone(),
        }
    }

    /// The mood asked for.
    #[must_use]
    pub(super) const fn mood(&self) -> Mood {
        self.mood
    }

    /// Asks for a mood, faders and all.
    pub(super) fn set_mood(&mut self, mood: Mood) {
        self.mood = mood;
        self.face = MoodFace::Weights;
        for (emotion, weight) in Emotion::ALL.into_iter().zip(mood.weights()) {
            self.values[Param::emotion_weight(emotion) as usize] = Value::Number(*weight);
        }
    }

    fn set_affect(&mut self, affect: Affect) {
        self.set_mood(Mood::at(affect));
        self.face = MoodFace::Affect;
    }

    fn faders(&self) -> [f32; Emotion::COUNT] {
        Emotion::ALL.map(|emotion| self.number(Param::emotion_weight(emotion)))
    }

    fn blend_faders(&mut self) {
        let faders = self.faders();
        if faders.iter().sum::<f32>() > SILENT {
            self.mood = Mood::blend(faders);
            self.face = MoodFace::Weights;
        }
    }

    /// The value of a number; 0 for anything else.
    #[must_use]
    pub(super) fn number(&self, param: Param) -> f32 {
        match self.values[param as usize] {
            Value::Number(value) => value,
            _ => 0.0,
        }
    }

    /// The value of a toggle; false for anything else.
    #[must_use]
    pub(super) fn toggle(&self, param: Param) -> bool {
        self.values[param as usize] == Value::Toggle(true)
    }

    /// The position of a choice; 0 for anything else.
    #[must_use]
    pub(super) fn choice(&self, param: Param) -> u8 {
        match self.values[param as usize] {
            Value::Choice(choice) => choice,
            _ => 0,
        }
    }

    /// The text of a parameter; empty for anything else.
    #[must_use]
    pub(super) fn text(&self, param: Param) -> &str {
        match &self.values[param as usize] {
            Value::Text(text) => text,
            _ => "",
        }
    }

    /// The chord that leads the harmony; `None` for the progression.
    #[must_use]
    pub(super) fn lead(&self) -> Option<Chord> {
        Chord::parse(self.text(Param::Chord))
    }

    /// The scale asked for; `None` when it follows the emotion.
    #[must_use]
    pub(super) fn mode(&self) -> Option<Mode> {
        usize::from(self.choice(Param::Mode)).checked_sub(1).map(|index| Mode::ALL[index])
    }

    /// What makes these settings again when set in this order on the defaults: for state files and control logs. Without
    /// what only concerns the moment (play, hold) and without the daemon's own parameters.
    #[must_use]
    pub(super) fn list(&self) -> Vec<(Param, Value)> {
        let silent = self.faders().iter().sum::<f32>() <= SILENT;
        let of_other_face = |param: Param| match (param, self.face) {
            (Param::Emotion, _) => !silent,
            (Param::Valence | Param::Arousal, face) => face == MoodFace::Weights,
            _ => self.face == MoodFace::Affect && param.weighed_emotion().is_some(),
        };
        TABLE
            .iter()
            .filter(|spec| spec.kind != Kind::Trigger && spec.lane != Lane::Daemon)
            .map(|spec| spec.param)
            .filter(|param| !matches!(param, Param::Play | Param::Hold) && !of_other_face(*param))
            .filter(|param| *param != Param::Tempo || !self.toggle(Param::TempoFollow))
            .map(|param| (param, self.get(param)))
            .collect()
    }

    /// Takes over one parameter from other settings; for one face of the mood, the whole mood.
    pub(super) fn adopt(&mut self, param: Param, from: &Self) {
        if is_mood(param) {
            (self.mood, self.face) = (from.mood, from.face);
            for param in Emotion::ALL.map(Param::emotion_weight) {
                self.values[param as usize] = from.values[param as usize].clone();
            }
        } else {
            self.values[param as usize] = from.values[param as usize].clone();
        }
    }

    /// The settings a share `t` (0..=1) of the way from a scene to another, on top of these: numbers and mood between
    /// them, anything else from the nearer.
    #[must_use]
    pub(super) fn with_scenes(&self, a: &Self, b: &Self, t: f32) -> Self {
        let mut mixed = self.clone();
        let nearer = if t < 0.5 { a } else { b };
        for param in TABLE.iter().map(|spec| spec.param).filter(|param| in_scene(*param)) {
            let at = param as usize;
            mixed.values[at] = match (&a.values[at], &b.values[at]) {
                (Value::Number(a), Value::Number(b)) => Value::Number(a + (b - a) * t),
                _ => nearer.values[at].clone(),
            };
        }
        if a.mood == b.mood {
            (mixed.mood, mixed.face) = (nearer.mood, nearer.face);
        } else if t == 0.0 || t == 1.0 {
            let end = if t == 0.0 { a } else { b };
            (mixed.mood, mixed.face) = (end.mood, end.face);
        } else {
            mixed.set_mood(a.mood.toward(&b.mood, t));
        }
        mixed
    }
}

/// Whether a parameter is one of the faces of the mood.
#[must_use]
pub(super) fn is_mood(param: Param) -> bool {
    matches!(param, Param::Emotion | Param::Valence | Param::Arousal) || param.weighed_emotion().is_some()
}

/// Whether a scene remembers a parameter: everything that sounds, but not how the performer works or the moment.
#[must_use]
pub fn in_scene(param: Param) -> bool {
    let spec = param.spec();
    spec.lane != Lane::Daemon
        && spec.kind != Kind::Trigger
        && !matches!(param, Param::Play | Param::Hold | Param::Quantize | Param::Seed)
}

fn input_of(value: &Value) -> Input<'_> {
    match value {
        Value::Number(value) => Input::Number(f64::from(*value)),
        Value::Toggle(on) => Input::Bool(*on),
        Value::Choice(choice) => Input::Number(f64::from(*choice)),
        Value::Text(text) => Input::Text(text),
        Value::Trigger => Input::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(value: f32) -> Value {
        Value::Number(value)
    }

    fn after(changes: &[(Param, Value)]) -> Settings {
        let mut settings = Settings::default();
        for (param, value) in changes {
            settings.set(*param, value).unwrap();
        }
        settings
    }

    #[test]
    fn defaults_are_those_of_the_table() {
        let settings = Settings::default();
        for spec in TABLE {
            assert_eq!(settings.get(spec.param), spec.param.default_value(), "{}", spec.id);
        }
    }

    #[test]
    fn a_weight_blends_with_the_others() {
        let settings = after(&[(Param::Sad, number(0.5))]);
        assert_eq!(settings.number(Param::Calm), 1.0, "the other fader stays");
        assert_eq!(settings.mood().weights()[Emotion::Sad as usize], 0.5 / 1.5);
        let Value::Number(valence) = settings.get(Param::Valence) else { panic!("valence is a number") };
        assert!((valence - (0.4 - 0.7 * 0.5) / 1.5).abs() < 1e-6, "valence follows the weights");
    }

    #[test]
    fn all_faders_down_keeps_the_mood() {
        let settings = after(&[(Param::Emotion, Value::Choice(Emotion::Angry as u8)), (Param::Angry, number(0.0))]);
        assert_eq!(settings.mood(), Mood::pure(Emotion::Angry));
        assert_eq!(settings.number(Param::Angry), 0.0);
    }

    #[test]
    fn an_emotion_is_pure() {
        let settings = after(&[(Param::Sad, number(0.5)), (Param::Emotion, Value::Choice(Emotion::Happy as u8))]);
        assert_eq!(settings.mood(), Mood::pure(Emotion::Happy));
        assert_eq!((settings.number(Param::Calm), settings.number(Param::Happy)), (0.0, 1.0));
    }

    #[test]
    fn valence_and_arousal_move_the_faders_and_each_other_not() {
        let anchor = Emotion::Romantic.anchor();
        let settings = after(&[(Param::Valence, number(anchor.valence)), (Param::Arousal, number(anchor.arousal))]);
        assert_eq!(settings.get(Param::Valence), number(anchor.valence));
        assert_eq!(settings.get(Param::Emotion), Value::Choice(Emotion::Romantic as u8));
        assert_eq!(settings.number(Param::Romantic), settings.mood().weights()[Emotion::Romantic as usize]);
    }

    #[test]
    fn a_tempo_pins() {
        let mut settings = after(&[(Param::Tempo, number(90.0))]);
        assert!(!settings.toggle(Param::TempoFollow));
        settings.set(Param::TempoFollow, &Value::Toggle(true)).unwrap();
        assert!(settings.toggle(Param::TempoFollow));
    }

    #[test]
    fn chords_are_checked() {
        let mut settings = after(&[(Param::Chord, Value::Text("Am7".to_owned()))]);
        let error = settings.set(Param::Chord, &Value::Text("Hm".to_owned())).unwrap_err().to_string();
        assert!(error.contains("Hm") && error.contains("auto"), "{error}");
        assert_eq!(settings.lead(), Chord::parse("Am7"));
        settings.set(Param::Chord, &Value::Text(String::new())).unwrap();
        assert_eq!((settings.lead(), settings.text(Param::Chord)), (None, "auto"));
    }

    #[test]
    fn wrong_kinds_and_wild_numbers_are_harmless() {
        let mut settings = Settings::default();
        assert!(settings.set(Param::Temperature, &Value::Text("hot".to_owned())).is_err());
        assert!(settings.set(Param::Temperature, &number(f32::NAN)).is_err());
        assert_eq!(settings, Settings::default());
        settings.set(Param::Temperature, &number(50.0)).unwrap();
        assert_eq!(settings.number(Param::Temperature), 2.0);
    }

    #[test]
    fn a_list_makes_the_same_settings_again() {
        let cases = [
            vec![(Param::Sad, number(0.3)), (Param::Tempo, number(77.0)), (Param::Mode, Value::Choice(3))],
            vec![
                (Param::Arousal, number(0.33)),
                (Param::LevelPad, number(-3.0)),
                (Param::MuteBass, Value::Toggle(true)),
            ],
            vec![(Param::Chord, Value::Text("F#dim".to_owned())), (Param::Seed, number(99.0))],
            vec![(Param::Emotion, Value::Choice(5)), (Param::Angry, number(0.0))],
        ];
        for changes in cases {
            let settings = after(&changes);
            let again = after(&settings.list());
            for spec in TABLE {
                assert_eq!(again.get(spec.param), settings.get(spec.param), "{} after {changes:?}", spec.id);
            }
        }
    }

    #[test]
    fn between_scenes_numbers_mix_and_the_rest_comes_from_the_nearer() {
        let a = after(&[
            (Param::Reverb, number(0.0)),
            (Param::Emotion, Value::Choice(0)),
            (Param::Quantize, Value::Choice(2)),
        ]);
        let b =
            after(&[(Param::Reverb, number(1.0)), (Param::Emotion, Value::Choice(1)), (Param::Key, Value::Choice(7))]);
        let middle = Settings::default().with_scenes(&a, &b, 0.25);
        assert_eq!(middle.number(Param::Reverb), 0.25);
        assert_eq!(middle.mood().weights()[..2], [0.75, 0.25]);
        assert_eq!((middle.choice(Param::Key), middle.choice(Param::Quantize)), (0, 0));
        assert_eq!(Settings::default().with_scenes(&a, &b, 1.0).mood(), b.mood());
    }
}
