//! Converts parameter values to text, JSON, TOML and OSC, and reads them from text and TOML.

use rosc::OscType;
use serde_json::Value as Json;
use toml::Value as Toml;

use super::{Input, InputError, Kind, Param, Value, duration};
use crate::music::theory::{Key, Mode};
use crate::units::SILENCE_DB;

/// A value in the form common to all formats, in which a choice is represented by its name.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Plain<'a> {
    Number(f32),
    Toggle(bool),
    Text(&'a str),
}

impl Param {
    /// Converts a value to the common form; `None` for a trigger, which has no value.
    fn plain(self, value: &Value) -> Option<Plain<'_>> {
        Some(match (value, self.spec().kind) {
            (Value::Number(number), _) => Plain::Number(*number),
            (Value::Toggle(on), _) => Plain::Toggle(*on),
            (Value::Choice(position), Kind::Choice { names, .. }) => Plain::Text(names.get(usize::from(*position))?),
            (Value::Text(text), _) => Plain::Text(text),
            (Value::Choice(_) | Value::Trigger, _) => return None,
        })
    }

    /// Formats the value on one line, with text in quotes; returns an empty string for a trigger. [`Param::read_text`]
    /// restores the value bit for bit.
    #[must_use]
    pub fn to_text(self, value: &Value) -> String {
        match self.plain(value) {
            None => String::new(),
            // Rust writes the shortest text that reads back to the same bits.
            Some(Plain::Number(number)) => number.to_string(),
            Some(Plain::Toggle(on)) => on.to_string(),
            Some(Plain::Text(text)) => quoted(text),
        }
    }

    /// Parses the output of [`Param::to_text`].
    ///
    /// # Errors
    /// When the text is not a value of the parameter; the message says why.
    pub fn read_text(self, text: &str) -> Result<Value, String> {
        let unquoted_text;
        let input = match self.spec().kind {
            Kind::Number { .. } => Input::Number(text.parse::<f32>().map_err(|_| not_a("number", text))?.into()),
            Kind::Toggle { .. } => Input::Bool(text.parse().map_err(|_| not_a("boolean", text))?),
            // Not checked again, because an older version may have accepted more.
            Kind::Text { .. } => return unquoted(text).map(Value::Text),
            Kind::Choice { .. } | Kind::Chord => {
                unquoted_text = unquoted(text)?;
                Input::Text(&unquoted_text)
            }
            Kind::Trigger => Input::Nothing,
        };
        let value = self.fit(input).map_err(|error| error.to_string())?;
        value.ok_or_else(|| format!("{} takes no value", self.spec().id))
    }

    /// Converts the value to JSON; null for a trigger.
    #[must_use]
    pub fn to_json(self, value: &Value) -> Json {
        match self.plain(value) {
            None => Json::Null,
            Some(Plain::Number(number)) => decimal(number).into(),
            Some(Plain::Toggle(on)) => on.into(),
            Some(Plain::Text(text)) => text.into(),
        }
    }

    /// Converts the value to TOML; `None` for a trigger.
    #[must_use]
    pub fn to_toml(self, value: &Value) -> Option<Toml> {
        Some(match self.plain(value)? {
            Plain::Number(number) => Toml::Float(decimal(number)),
            Plain::Toggle(on) => Toml::Boolean(on),
            Plain::Text(text) => Toml::from(text),
        })
    }

    /// Converts a value from a TOML file written by the program; returns `Ok(None)` for a trigger's 0 or false.
    ///
    /// # Errors
    /// When the value does not fit.
    pub fn read_toml(self, toml: &Toml) -> Result<Option<Value>, InputError> {
        self.fit(match toml {
            Toml::Float(number) => Input::Number(*number),
            Toml::Integer(number) => Input::Number(*number as f64),
            Toml::Boolean(on) => Input::Bool(*on),
            Toml::String(text) => Input::Text(text),
            other => return Err(self.invalid(&other.to_string())),
        })
    }

    /// Converts the value to an OSC argument of type f, i or s, which every client understands; `None` for a trigger.
    #[must_use]
    pub fn to_osc(self, value: &Value) -> Option<OscType> {
        Some(match self.plain(value)? {
            Plain::Number(number) => OscType::Float(number),
            Plain::Toggle(on) => OscType::Int(on.into()),
            Plain::Text(text) => OscType::String(text.to_owned()),
        })
    }

    /// Converts the value to an OSC argument of the type that [`Param::osc_type`] names; `None` for a trigger.
    #[must_use]
    pub fn to_oscquery(self, value: &Value) -> Option<OscType> {
        match self.plain(value)? {
            Plain::Toggle(on) => Some(OscType::Bool(on)),
            _ => self.to_osc(value),
        }
    }

    /// Returns the OSC type tag that OSCQuery reports for the parameter.
    #[must_use]
    pub const fn osc_type(self) -> &'static str {
        match self.spec().kind {
            Kind::Number { .. } => "f",
            Kind::Toggle { .. } => "T",
            Kind::Choice { .. } | Kind::Chord | Kind::Text { .. } => "s",
            Kind::Trigger => "I",
        }
    }

    /// Interprets text as a number if it is one, with or without its unit, and the parameter accepts numbers, otherwise as
    /// text.
    #[must_use]
    pub fn input_from_text(self, text: &str) -> Input<'_> {
        match self.spec().kind {
            Kind::Chord | Kind::Text { .. } => Input::Text(text),
            _ => number(text, self.spec().unit).map_or(Input::Text(text), Input::Number),
        }
    }
}

/// Units as people write them, in lower case, except those of durations: the parameter's unit, the unit in the text, and the
/// factor between them.
const UNITS: [(&str, &str, f64); 3] = [("bpm", "bpm", 1.0), ("dB", "db", 1.0), ("", "%", 0.01)];

/// Parses a number such as `-6`, `−6`, `0,5`, `120 bpm`, `50%` or `1:30`, and converts it to a unit. A level of `-inf` or
/// `-∞` is silence.
fn number(text: &str, unit: &str) -> Option<f64> {
    let text = text.trim().to_lowercase().replace('\u{2212}', "-").replace('∞', "inf").replace(',', ".");
    let of_unit = UNITS.iter().filter(|(of, ..)| *of == unit).map(|(_, name, factor)| (*name, *factor));
    let durations = duration::UNITS.into_iter().filter(|_| unit == "s");
    let number = [("", 1.0)]
        .into_iter()
        .chain(of_unit)
        .chain(durations)
        .find_map(|(name, factor)| Some(text.strip_suffix(name)?.trim_end().parse::<f64>().ok()? * factor));
    match number {
        Some(f64::NEG_INFINITY) if unit == "dB" => Some(SILENCE_DB.into()),
        None if unit == "s" => duration::seconds(&text),
        number => number,
    }
}

/// Parses a value of the parameter `key` that names a scale too, such as `A minor`, and so sets two parameters; returns
/// `None` for any other text or parameter.
#[must_use]
pub fn key_and_mode(param: Param, text: &str) -> Option<[(Param, Value); 2]> {
    let Key { tonic, mode } = Key::parse(text).filter(|_| param == Param::Key)?;
    let mode = Mode::ALL.iter().position(|known| *known == mode).map_or(0, |index| index as u8 + 1);
    Some([(Param::Key, Value::Choice(tonic)), (Param::Mode, Value::Choice(mode))])
}

/// Converts a number to the `f64` with the same shortest decimal representation; plain widening would add digits.
#[must_use]
pub fn decimal(number: f32) -> f64 {
    number.to_string().parse().unwrap_or(f64::from(number))
}

/// Converts an OSC argument to JSON; null for types that Melos does not send.
#[must_use]
pub fn osc_to_json(argument: &OscType) -> Json {
    match argument {
        OscType::Float(number) => decimal(*number).into(),
        OscType::Int(number) => (*number).into(),
        OscType::Bool(on) => (*on).into(),
        OscType::String(text) => text.as_str().into(),
        _ => Json::Null,
    }
}

/// Quotes and escapes text as in JSON, so that it stays on one line.
#[must_use]
pub fn quoted(text: &str) -> String {
    Json::from(text).to_string()
}

/// Reverses [`quoted`].
///
/// # Errors
/// When the text is not a quoted string.
pub fn unquoted(text: &str) -> Result<String, String> {
    serde_json::from_str(text).map_err(|_| "expected text in double quotes".to_owned())
}

fn not_a(kind: &str, text: &str) -> String {
    format!("{text:?} is not a {kind}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns one or two values for every parameter except triggers.
    fn values() -> Vec<(Param, Value)> {
        let values_of = |param: Param| {
            let values = match param.spec().kind {
                Kind::Number { min, max, .. } => [min + (max - min) * 0.1, max]
                    .into_iter()
                    .filter_map(|number| param.fit(Input::Number(number.into())).unwrap())
                    .collect(),
                Kind::Toggle { .. } => vec![Value::Toggle(true), Value::Toggle(false)],
                Kind::Choice { names, .. } => vec![Value::Choice(names.len() as u8 - 1)],
                Kind::Chord => vec![Value::Text("F#dim/C".to_owned())],
                Kind::Text { .. } if param == Param::SceneStore => vec![Value::Text("a \"b\" \\c".to_owned())],
                Kind::Text { .. } => vec![Value::Text("a \"b\"\n\\c".to_owned())],
                Kind::Trigger => vec![],
            };
            values.into_iter().map(move |value| (param, value))
        };
        Param::all().flat_map(values_of).collect()
    }

    #[test]
    fn every_value_round_trips_bit_for_bit() {
        for (param, value) in values() {
            let text = param.to_text(&value);
            assert_eq!(text.lines().count(), 1, "{text}");
            assert_eq!(param.read_text(&text), Ok(value.clone()), "{param:?}");
            let toml = param.to_toml(&value).unwrap();
            let written = toml::Table::from_iter([("x".to_owned(), toml)]).to_string();
            let read = &written.parse::<toml::Table>().unwrap()["x"];
            assert_eq!(param.read_toml(read), Ok(Some(value.clone())), "{written}");
            assert_eq!(osc_to_json(&param.to_oscquery(&value).unwrap()), param.to_json(&value), "{param:?}");
        }
    }

    #[test]
    fn a_scene_that_an_older_version_stored_under_a_name_with_a_line_break_is_read() {
        let name = Value::Text("a\nb".to_owned());
        assert_eq!(Param::SceneStore.read_text(&Param::SceneStore.to_text(&name)), Ok(name));
    }

    #[test]
    fn numbers_are_written_in_the_shortest_decimal_form() {
        assert_eq!(Param::Reverb.to_json(&Value::Number(0.1)).to_string(), "0.1");
        assert_eq!(Param::Reverb.to_toml(&Value::Number(0.1)).unwrap().to_string(), "0.1");
        assert_eq!(Param::Tempo.to_text(&Value::Number(138.7)), "138.7");
    }

    #[test]
    fn numbers_may_have_units() {
        for (param, text, number) in [
            (Param::Tempo, "120", 120.0),
            (Param::Tempo, "120bpm", 120.0),
            (Param::Tempo, " 120 BPM ", 120.0),
            (Param::LevelPad, "-6 dB", -6.0),
            (Param::LevelPad, "\u{2212}6dB", -6.0),
            (Param::Reverb, "50%", 0.5),
            (Param::Reverb, "0,5", 0.5),
            (Param::Valence, "1e-1", 0.1),
            (Param::Timer, "10m", 600.0),
            (Param::Timer, "2 min", 120.0),
            (Param::Glide, "4 s", 4.0),
            (Param::Glide, "250ms", 0.25),
            (Param::Timer, "1:30", 90.0),
            (Param::Timer, " 1:02:03 ", 3723.0),
            (Param::Timer, "1 H 30 Min", 5400.0),
            (Param::PlayFade, "0:10,5", 10.5),
            (Param::LevelPad, "-inf", -60.0),
            (Param::LevelMaster, "-Inf dB", -60.0),
            (Param::LevelMaster, "\u{2212}∞", -60.0),
            (Param::LevelMaster, "-∞dB", -60.0),
        ] {
            assert_eq!(param.input_from_text(text), Input::Number(number), "{text}");
        }
        for (param, text) in [
            (Param::Tempo, "120 dB"),
            (Param::Tempo, "50%"),
            (Param::Reverb, "half"),
            (Param::Glide, "s"),
            (Param::Timer, "1:5"),
            (Param::Timer, "1:75"),
            (Param::Timer, "noon"),
            (Param::Tempo, "1:30"),
            (Param::LevelPad, "1:30"),
            (Param::LevelPad, "-inf bpm"),
            (Param::LevelPad, "-infinite"),
        ] {
            assert_eq!(param.input_from_text(text), Input::Text(text));
        }
    }

    #[test]
    fn only_a_level_can_be_minus_infinity() {
        let fit = |param: Param, text| param.fit_within(param.input_from_text(text));
        for param in Param::all().filter(|param| param.spec().unit == "dB") {
            let Kind::Number { min, .. } = param.spec().kind else { panic!("a level is a number") };
            assert_eq!(fit(param, "-inf dB"), Ok(Some(Value::Number(min))));
            assert!(param.fit(Input::Number(f64::NEG_INFINITY)).is_err());
        }
        for (param, text) in
            [(Param::LevelPad, "inf"), (Param::LevelPad, "nan"), (Param::Valence, "-inf"), (Param::Timer, "∞")]
        {
            assert!(fit(param, text).unwrap_err().to_string().ends_with("is not a finite number"), "{text}");
        }
    }

    #[test]
    fn a_trigger_has_no_value() {
        let none = (Param::Panic.to_osc(&Value::Trigger), Param::Panic.to_toml(&Value::Trigger));
        assert_eq!((none, Param::Panic.to_json(&Value::Trigger)), ((None, None), Json::Null));
        assert_eq!(
            (Param::Panic.to_text(&Value::Trigger), Param::Panic.read_text("")),
            (String::new(), Ok(Value::Trigger))
        );
    }

    #[test]
    fn invalid_values_are_reported() {
        for (param, text, hint) in [
            (Param::Tempo, "fast", "\"fast\" is not a number"),
            (Param::Hold, "1", "\"1\" is not a boolean"),
            (Param::Emotion, "sad", "double quotes"),
            (Param::Emotion, "\"bored\"", "expected one of happy"),
        ] {
            let error = param.read_text(text).unwrap_err();
            assert!(error.contains(hint), "{error}");
        }
    }
}
