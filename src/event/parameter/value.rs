//! Parameter values, and the validation of external input.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Param;
use crate::music::emotion::Emotion;
use crate::music::spelling::pitch_class;
use crate::music::theory::{Chord, Key, Mode, Quality};
use crate::quote::{is_disruptive, quoted, short_number};

/// The chord value that returns the harmony to the progression.
pub const AUTO: &str = "auto";

/// The values that a parameter accepts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A number in `min..=max`; numbers outside are clamped by [`Param::fit`] and rejected by [`Param::fit_within`].
    Number {
        /// Lowest value.
        min: f32,
        /// Highest value.
        max: f32,
        /// Initial value.
        default: f32,
    },
    /// On or off.
    Toggle {
        /// Initial value.
        default: bool,
    },
    /// One of several names; a number selects by position, from 0.
    Choice {
        /// The names.
        names: &'static [&'static str],
        /// Position of the initial value.
        default: u8,
    },
    /// A chord symbol or [`AUTO`], the initial value.
    Chord,
    /// Free text.
    Text {
        /// Initial value.
        default: &'static str,
    },
    /// An event without a value.
    Trigger,
}

impl Kind {
    /// Returns whether a number is in the range, allowing for the rounding errors of a glide.
    #[must_use]
    pub fn contains(self, number: f32) -> bool {
        match self {
            Self::Number { min, max, .. } => {
                let rounding = (max - min) * f32::EPSILON;
                (min - rounding..=max + rounding).contains(&number)
            }
            _ => false,
        }
    }
}

/// A value that fits its parameter's [`Kind`]; validated by [`Param::fit`] where it enters the program, and not checked
/// again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// For [`Kind::Number`].
    Number(f32),
    /// For [`Kind::Toggle`].
    Toggle(bool),
    /// For [`Kind::Choice`]: index into the names.
    Choice(u8),
    /// For [`Kind::Text`] and [`Kind::Chord`].
    Text(String),
    /// For [`Kind::Trigger`].
    Trigger,
}

/// Other usual names of choices: the parameter, the other name, and the choice.
const SYNONYMS: [(Param, &str, &str); 7] = [
    (Param::Form, "song", "aaba"),
    (Param::Form, "verse-chorus", "abab"),
    (Param::Form, "verse and chorus", "abab"),
    (Param::Form, "rondo", "abaca"),
    (Param::Form, "variations", "aaaa"),
    (Param::TempoSource, "midi", "clock"),
    (Param::Quantize, "none", "off"),
];

/// An unchecked external value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Input<'a> {
    /// A number.
    Number(f64),
    /// A boolean.
    Bool(bool),
    /// Text.
    Text(&'a str),
    /// No argument.
    Nothing,
}

impl fmt::Display for Input<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(value) => write!(f, "the number {}", short_number(*value)),
            Self::Bool(on) => write!(f, "{on}"),
            Self::Text(text) => f.write_str(&quoted(text)),
            Self::Nothing => f.write_str("nothing"),
        }
    }
}

/// Why an input does not fit a parameter.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum InputError {
    /// NaN or infinite.
    #[error("{id}: {value} is not a finite number")]
    NotFinite {
        /// The parameter's id.
        id: &'static str,
        /// The input.
        value: f64,
    },
    /// Wrong type, unknown name, invalid chord, text too long, or number out of range.
    #[error("{id}: got {got}, expected {expected}")]
    Invalid {
        /// The parameter's id.
        id: &'static str,
        /// The input.
        got: String,
        /// What is expected.
        expected: String,
    },
}

impl InputError {
    /// Returns what is expected, for messages that already name the parameter and the value.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::NotFinite { .. } => "expected a finite number".to_owned(),
            Self::Invalid { expected, .. } => format!("expected {expected}"),
        }
    }
}

/// Maximum length of a text in characters; limited because every text is logged and sent to all clients.
const MAX_TEXT: usize = 128;
/// Tolerance for single-precision rounding: relative for numbers above 1, absolute below.
const ROUNDING: f64 = 1e-6;

impl Param {
    /// Fits an input to the parameter: numbers are clamped, except that of an entry of the setlist; names are matched
    /// ignoring case; a toggle accepts a number (on at 0.5 or above) or a word such as `on` or `false`; and a trigger
    /// accepts anything. Returns `Ok(None)` for a trigger's 0 or false, which many controllers send on release.
    ///
    /// # Errors
    /// [`InputError`] when the input does not fit.
    pub fn fit(self, input: Input<'_>) -> Result<Option<Value>, InputError> {
        let spec = self.spec();
        if let Input::Number(value) = input
            && !value.is_finite()
        {
            return Err(InputError::NotFinite { id: spec.id, value });
        }
        let value = match (spec.kind, input) {
            (Kind::Number { min, max, .. }, Input::Number(value)) => {
                let value = if self.is_whole() { value.round() } else { value };
                let fitted = (value as f32).clamp(min, max);
                if self.names_entry() && f64::from(fitted) != value {
                    return Err(self.invalid(&input));
                }
                Value::Number(fitted)
            }
            (Kind::Number { min, max, .. }, Input::Bool(on)) if !self.names_entry() => {
                Value::Number(if on { max } else { min })
            }
            (Kind::Toggle { .. }, Input::Number(value)) => Value::Toggle(value >= 0.5),
            (Kind::Toggle { .. }, Input::Bool(on)) => Value::Toggle(on),
            (Kind::Toggle { .. }, Input::Text(text)) => match parse_toggle(text) {
                Some(on) => Value::Toggle(on),
                None => return Err(self.invalid(&input)),
            },
            (Kind::Choice { names, .. }, Input::Number(value)) if value >= 0.0 && (value as usize) < names.len() => {
                Value::Choice(value as u8)
            }
            (Kind::Choice { names, .. }, Input::Text(text)) => match self.choice(names, text) {
                Some(position) => Value::Choice(position as u8),
                None => return Err(self.unknown_name(text)),
            },
            (Kind::Chord, Input::Text(text))
                if ["", AUTO, "free"].iter().any(|name| text.trim().eq_ignore_ascii_case(name)) =>
            {
                Value::Text(AUTO.to_owned())
            }
            (Kind::Chord, Input::Text(text)) if text.chars().count() <= MAX_TEXT && Chord::parse(text).is_some() => {
                Value::Text(text.trim().to_owned())
            }
            (Kind::Text { .. }, Input::Text(text)) if self.accepts_text(text) => Value::Text(text.trim().to_owned()),
            (Kind::Trigger, Input::Number(0.0) | Input::Bool(false)) => return Ok(None),
            (Kind::Trigger, _) => Value::Trigger,
            _ => return Err(self.invalid(&input)),
        };
        Ok(Some(value))
    }

    /// Returns whether a text is short enough and, if it names something new, can be typed and displayed.
    fn accepts_text(self, text: &str) -> bool {
        text.chars().count() <= MAX_TEXT && !(self == Self::SceneStore && text.trim().contains(is_disruptive))
    }

    /// Returns whether the parameter accepts only whole numbers; others are rounded.
    const fn is_whole(self) -> bool {
        matches!(self, Self::Seed | Self::SetlistGo)
    }

    /// Returns whether the number is that of an entry of the setlist; the nearest number would be that of another entry.
    const fn names_entry(self) -> bool {
        matches!(self, Self::SetlistGo)
    }

    /// Fits an input like [`Param::fit`], but rejects numbers that are out of range or should be whole. For values from files and messages.
    ///
    /// # Errors
    /// [`InputError`] when the input does not fit without clamping.
    pub fn fit_within(self, input: Input<'_>) -> Result<Option<Value>, InputError> {
        // A large whole number may be within the tolerance of the next one.
        let rounding = if self.is_whole() { 0.0 } else { ROUNDING };
        match (self.fit(input)?, input) {
            (Some(Value::Number(fitted)), Input::Number(number))
                if (f64::from(fitted) - number).abs() > rounding * number.abs().max(1.0) =>
            {
                Err(self.invalid(&input))
            }
            (value, _) => Ok(value),
        }
    }

    /// Returns whether a value is of the parameter's kind and in range. The length of a text is not checked.
    #[must_use]
    pub fn accepts(self, value: &Value) -> bool {
        match (self.spec().kind, value) {
            (Kind::Number { min, max, .. }, Value::Number(number)) => (min..=max).contains(number),
            (Kind::Choice { names, .. }, Value::Choice(position)) => usize::from(*position) < names.len(),
            (Kind::Chord, Value::Text(symbol)) => symbol == AUTO || Chord::parse(symbol).is_some(),
            (Kind::Toggle { .. }, Value::Toggle(_))
            | (Kind::Text { .. }, Value::Text(_))
            | (Kind::Trigger, Value::Trigger) => true,
            _ => false,
        }
    }

    /// Returns the initial value; [`Value::Trigger`] for triggers.
    #[must_use]
    pub fn default_value(self) -> Value {
        match self.spec().kind {
            Kind::Number { default, .. } => Value::Number(default),
            Kind::Toggle { default } => Value::Toggle(default),
            Kind::Choice { default, .. } => Value::Choice(default),
            Kind::Chord => Value::Text(AUTO.to_owned()),
            Kind::Text { default } => Value::Text(default.to_owned()),
            Kind::Trigger => Value::Trigger,
        }
    }

    /// Returns the index of the name that a text matches, exactly or as a synonym.
    fn choice(self, names: &[&str], text: &str) -> Option<usize> {
        let synonym = || match self {
            Self::Key => pitch_class(text).map(usize::from),
            // The names start with `auto`.
            Self::Mode => {
                Mode::ALL.into_iter().position(|mode| Mode::from_name(text) == Some(mode)).map(|index| index + 1)
            }
            Self::Emotion => Emotion::from_name(text).map(|emotion| emotion as usize),
            _ => {
                let is_meant =
                    |(param, other, _): &&(Self, &str, &str)| *param == self && other.eq_ignore_ascii_case(text.trim());
                let (_, _, meant) = SYNONYMS.iter().find(is_meant)?;
                names.iter().position(|name| name == meant)
            }
        };
        names.iter().position(|name| name.eq_ignore_ascii_case(text.trim())).or_else(synonym)
    }

    /// Returns the error for a name that is not among the choices. A key may be refused because of its mode.
    fn unknown_name(self, text: &str) -> InputError {
        let mut error = self.invalid(&Input::Text(text));
        if let InputError::Invalid { expected, .. } = &mut error
            && self == Self::Key
            && Key::parse(text).is_none()
        {
            *expected = format!("{expected}, alone or with one of {}", Mode::ALL.map(Mode::name).join(", "));
        }
        error
    }

    /// Returns the error for an input that does not fit.
    pub(super) fn invalid(self, got: &impl ToString) -> InputError {
        let spec = self.spec();
        let expected = match spec.kind {
            Kind::Number { min, max, .. } if self.is_whole() => format!("a whole number from {min} to {max}"),
            Kind::Number { min, max, .. } => format!("a number from {min} to {max}"),
            Kind::Toggle { .. } => "0 or 1, on or off".to_owned(),
            Kind::Choice { names, .. } => format!("one of {}", names.join(", ")),
            Kind::Chord => {
                let endings = Quality::ALL.map(Quality::suffix).join(", ");
                format!("a chord symbol such as Am7, F#dim or C/E, or auto; chords are major{endings}")
            }
            Kind::Text { .. } if self == Self::SceneStore => {
                format!("a name of at most {MAX_TEXT} characters, without control and text direction characters")
            }
            Kind::Text { .. } => format!("text of at most {MAX_TEXT} characters"),
            Kind::Trigger => "anything".to_owned(),
        };
        InputError::Invalid { id: spec.id, got: got.to_string(), expected }
    }
}

/// Parses a toggle's value.
fn parse_toggle(text: &str) -> Option<bool> {
    let any = |words: [&str; 3]| words.iter().any(|word| word.eq_ignore_ascii_case(text.trim()));
    if any(["on", "true", "yes"]) {
        Some(true)
    } else if any(["off", "false", "no"]) {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::parameter::TABLE;
    use crate::music::emotion::Emotion;

    #[test]
    fn inputs_are_converted_clamped_or_rejected() {
        assert_eq!(Param::Temperature.fit(Input::Number(99.0)), Ok(Some(Value::Number(2.0))));
        assert!(Param::Temperature.fit(Input::Number(f64::NAN)).is_err());
        for (param, number) in [(Param::Temperature, 0.1), (Param::Tempo, 138.7), (Param::Seed, 16_777_213.0)] {
            assert_eq!(param.fit_within(Input::Number(number)), Ok(Some(Value::Number(number as f32))));
        }
        assert_eq!(
            Param::Tempo.fit_within(Input::Number(9000.0)).unwrap_err().to_string(),
            "tempo: got the number 9000, expected a number from 40 to 200"
        );
        assert_eq!(Param::Seed.fit(Input::Number(7.5)), Ok(Some(Value::Number(8.0))));
        assert_eq!(
            Param::Seed.fit_within(Input::Number(7.5)).unwrap_err().to_string(),
            "seed: got the number 7.5, expected a whole number from 0 to 16777215"
        );
        for seed in [16_777_216.0, 16_777_217.0] {
            assert!(Param::Seed.fit_within(Input::Number(seed)).is_err(), "{seed} is another seed than the last");
        }
        for entry in [300.0, -1.0, 1e30] {
            assert_eq!(
                Param::SetlistGo.fit(Input::Number(entry)).unwrap_err().hint(),
                "expected a whole number from 0 to 256",
                "the nearest entry is not the one that was meant"
            );
        }
        assert_eq!(Param::SetlistGo.fit(Input::Number(256.4)), Ok(Some(Value::Number(256.0))));
        assert!(Param::SetlistGo.fit(Input::Bool(true)).is_err());
        assert!(Param::Temperature.fit(Input::Text("hot")).is_err());
        assert_eq!(Param::MutePad.fit(Input::Number(1.0)), Ok(Some(Value::Toggle(true))));
        assert_eq!(Param::MutePad.fit(Input::Text("True")), Ok(Some(Value::Toggle(true))));
        assert_eq!(Param::MutePad.fit(Input::Text("off")), Ok(Some(Value::Toggle(false))));
        assert!(Param::MutePad.fit(Input::Text("perhaps")).is_err());
        assert_eq!(Param::Panic.fit(Input::Nothing), Ok(Some(Value::Trigger)));
        assert_eq!(Param::Panic.fit(Input::Number(0.0)), Ok(None));
        assert_eq!(Param::Key.fit(Input::Number(9.0)), Ok(Some(Value::Choice(9))));
        for (param, text, position) in [
            (Param::Key, "Db", 1),
            (Param::Key, "g#", 8),
            (Param::Key, " A♯ ", 10),
            (Param::Key, "Sib", 10),
            (Param::Key, "Des", 1),
            (Param::Key, "H", 11),
            (Param::Mode, "Aeolian", 2),
            (Param::Mode, "harmonic minor", 7),
            (Param::Mode, " Auto", 0),
            (Param::Mode, "mixo", 6),
            (Param::Emotion, "Sadness ", 1),
            (Param::Emotion, "joyful", 0),
            (Param::RecordFormat, " FLAC ", 1),
        ] {
            assert_eq!(param.fit(Input::Text(text)), Ok(Some(Value::Choice(position))), "{text:?}");
        }
        assert_eq!(Param::Scene.fit(Input::Text(" dawn\n")), Ok(Some(Value::Text("dawn".to_owned()))));
        assert_eq!(Param::SceneStore.fit(Input::Text(" dawn\n")), Ok(Some(Value::Text("dawn".to_owned()))));
        for name in ["\u{1b}]0;pwned\u{7}", "a\nb forged", "\u{202e}nwad", "a\u{2028}b", "a\u{9b}b"] {
            let error = Param::SceneStore.fit(Input::Text(name)).unwrap_err().to_string();
            assert!(error.ends_with("without control and text direction characters"), "{error}");
            assert!(!error.contains(is_disruptive), "{error}");
            // A scene that an older version stored can still be recalled, renamed and deleted.
            assert!(Param::Scene.fit(Input::Text(name)).is_ok());
        }
        let huge = Param::Tempo.fit_within(Input::Number(1e308)).unwrap_err().to_string();
        assert_eq!(huge, "tempo: got the number 1e308, expected a number from 40 to 200");
        let long = Param::Scene.fit(Input::Text(&"x".repeat(10_000))).unwrap_err().to_string();
        assert!(long.len() < 200 && long.contains("at most 128 characters"), "{long}");
        for (param, text, expected) in [
            (
                Param::Mode,
                "locrian",
                "expected one of auto, major, minor, dorian, phrygian, lydian, mixolydian, harmonic-minor",
            ),
            (
                Param::Key,
                "A melodic minor",
                "expected one of C, C#, D, Eb, E, F, F#, G, Ab, A, Bb, B, alone or with one of major, minor, dorian, phrygian, \
                 lydian, mixolydian, harmonic-minor",
            ),
            (Param::Key, "A minor", "expected one of C, C#, D, Eb, E, F, F#, G, Ab, A, Bb, B"),
        ] {
            assert_eq!(param.fit(Input::Text(text)).unwrap_err().hint(), expected, "{text:?}");
        }
        let error = Param::Emotion.fit(Input::Text("bored")).unwrap_err().to_string();
        assert!(error.contains("bored") && error.contains("nostalgic"), "{error}");
    }

    #[test]
    fn chords_are_validated() {
        let fit = |text| Param::Chord.fit(Input::Text(text));
        assert_eq!(fit("Am7"), Ok(Some(Value::Text("Am7".to_owned()))));
        for automatic in ["", "Auto", "free"] {
            assert_eq!(fit(automatic), Ok(Some(Value::Text(AUTO.to_owned()))));
        }
        for refused in ["Xm", "C7b5", "N.C."] {
            let error = fit(refused).unwrap_err().to_string();
            assert_eq!(
                error,
                format!(
                    "chord: got \"{refused}\", expected a chord symbol such as Am7, F#dim or C/E, or auto; chords are major, \
                     m, dim, aug, sus2, sus4, maj7, m7, 7, m7b5, dim7, mmaj7, add9, m6, 6"
                )
            );
        }
    }

    #[test]
    fn usual_names_of_choices_are_understood() {
        for (param, other, name) in SYNONYMS {
            let meant = param.fit(Input::Text(name));
            assert!(meant.is_ok(), "{name} is not a choice of {param:?}");
            assert_eq!(param.fit(Input::Text(other)), meant, "{other}");
        }
        assert_eq!(Param::Form.fit(Input::Text(" Rondo ")), Param::Form.fit(Input::Text("abaca")));
        assert!(Param::Quantize.fit(Input::Text("rondo")).is_err());
    }

    #[test]
    fn fitted_values_are_accepted() {
        let inputs = [Input::Number(-1e9), Input::Number(0.4), Input::Number(1e9), Input::Bool(true), Input::Nothing];
        for param in TABLE.iter().map(|spec| spec.param) {
            assert!(param.accepts(&param.default_value()), "{param:?}");
            for value in inputs.iter().filter_map(|input| param.fit(*input).ok().flatten()) {
                assert!(param.accepts(&value), "{param:?} {value:?}");
            }
        }
        for (param, value) in [
            (Param::Temperature, Value::Number(50.0)),
            (Param::Temperature, Value::Number(f32::NAN)),
            (Param::Temperature, Value::Text("hot".to_owned())),
            (Param::Emotion, Value::Choice(Emotion::COUNT as u8)),
            (Param::Chord, Value::Text("Xm".to_owned())),
        ] {
            assert!(!param.accepts(&value), "{param:?} {value:?}");
        }
    }
}
