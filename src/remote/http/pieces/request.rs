//! Requests for pieces: validation, and conversion to arguments of `melos render`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::super::api_state::is_file_name;
use super::option;
use crate::files::exact_name;
use crate::music::emotion::{Emotion, check_weights};
use crate::quote::short_number;
use crate::units::SAMPLE_RATE;

/// Allowed lengths in seconds: up to half an hour.
const SECONDS: std::ops::RangeInclusive<f64> = 10.0..=1800.0;
/// The range of the parameter `temperature`.
const TEMPERATURE: std::ops::RangeInclusive<f64> = 0.1..=2.0;
/// The range of the parameter `seed`.
const SEED: std::ops::RangeInclusive<u32> = 0..=16_777_215;
/// Bytes per second of 24-bit stereo sound, which FLAC makes smaller.
const SOUND_RATE: f64 = 6.0 * SAMPLE_RATE as f64;
/// Bytes per second of a MIDI file: more than those of the densest music.
const MIDI_RATE: f64 = 2000.0;

/// A requested piece.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::remote::http) struct PieceRequest {
    /// One emotion, or the weights of several.
    #[serde(skip_serializing_if = "Option::is_none")]
    emotion: Option<Emotions>,
    /// Instead of emotions: a preset, including its journey.
    #[serde(skip_serializing_if = "Option::is_none")]
    preset: Option<String>,
    /// Instead of emotions: a take to render again, bit for bit unless its harmony is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::remote::http) take: Option<String>,
    /// Length in seconds; not allowed with a take, which has its own length.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    /// The parameter `temperature`.
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    /// The parameter `seed`; neither it nor the temperature is allowed with a take.
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u32>,
    /// Whether bass, pad and upper voice play along.
    #[serde(default = "default_harmony")]
    harmony: bool,
    #[serde(default)]
    format: Format,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected one emotion, or an object with the weights of several, none of them twice")]
enum Emotions {
    One(String),
    Blend(#[serde(deserialize_with = "unique_weights")] BTreeMap<String, f64>),
}

/// Reads weights, and refuses a key that occurs twice.
fn unique_weights<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, f64>, D::Error> {
    struct Weights;

    impl<'de> Visitor<'de> for Weights {
        type Value = BTreeMap<String, f64>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object with the weights of emotions")
        }

        fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
            let mut weights = BTreeMap::new();
            while let Some((name, weight)) = map.next_entry()? {
                if weights.insert(name, weight).is_some() {
                    return Err(M::Error::custom("an emotion is given twice"));
                }
            }
            Ok(weights)
        }
    }

    deserializer.deserialize_map(Weights)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Wav,
    Flac,
    /// The notes of piano, bass, pad and upper voice, with chords and tempo.
    Midi,
}

const fn default_harmony() -> bool {
    true
}

impl PieceRequest {
    /// Validates the request; `presets` are the ids and names of the existing presets.
    pub(in crate::remote::http) fn check<'a>(
        &self,
        presets: impl Iterator<Item = (&'a str, &'a str)> + Clone,
    ) -> Result<(), String> {
        let sources = [self.emotion.is_some(), self.preset.is_some(), self.take.is_some()];
        if sources.into_iter().filter(|given| *given).count() != 1 {
            return Err("expected exactly one of emotion, preset and take".to_owned());
        }
        let given = [
            ("seconds", self.seconds.is_some()),
            ("seed", self.seed.is_some()),
            ("temperature", self.temperature.is_some()),
        ];
        if let Some((key, _)) = given.into_iter().find(|(_, given)| self.take.is_some() && *given) {
            return Err(format!("{key}: not allowed with a take, which is rendered as it was played"));
        }
        match (self.seconds, self.take.is_some()) {
            (None, false) => return Err("seconds: expected a length from 10 to 1800".to_owned()),
            (Some(seconds), false) if !SECONDS.contains(&seconds) => {
                return Err(format!("seconds: {} is out of range (10 to 1800)", short_number(seconds)));
            }
            _ => {}
        }
        if let Some(temperature) = self.temperature.filter(|temperature| !TEMPERATURE.contains(temperature)) {
            return Err(format!("temperature: {} is out of range (0.1 to 2)", short_number(temperature)));
        }
        if let Some(seed) = self.seed.filter(|seed| !SEED.contains(seed)) {
            return Err(format!("seed: {seed} is out of range (0 to 16777215)"));
        }
        if let Some(preset) = &self.preset {
            exact_name("preset", preset, presets).map_err(|error| format!("preset: {error}"))?;
        }
        let names = match &self.emotion {
            None => Vec::new(),
            Some(Emotions::One(name)) => vec![name],
            Some(Emotions::Blend(weights)) => {
                let numbers: Vec<_> = weights.values().copied().collect();
                check_weights(&numbers).map_err(|reason| format!("emotion: {reason}"))?;
                weights.keys().collect()
            }
        };
        let mut emotions = Vec::new();
        for name in names {
            let Some(emotion) = Emotion::from_name(name) else {
                let known = Emotion::ALL.map(Emotion::name).join(", ");
                return Err(format!("emotion: there is no emotion {name:?}; choose from {known}"));
            };
            if emotions.contains(&emotion) {
                return Err(format!("emotion: {} is given twice", emotion.name()));
            }
            emotions.push(emotion);
        }
        Ok(())
    }

    /// Returns the arguments that describe the piece to `melos render`, except the output file and a take's control log.
    pub(super) fn arguments(&self) -> Vec<OsString> {
        let mut arguments = Vec::new();
        let mut add = |name: &str, value: String| arguments.push(option(name, value));
        match &self.emotion {
            None => {}
            Some(Emotions::One(name)) => add("emotion", name.to_lowercase()),
            Some(Emotions::Blend(weights)) => {
                let blend: Vec<_> =
                    weights.iter().map(|(name, weight)| format!("{}={weight}", name.to_lowercase())).collect();
                add("emotion", blend.join(","));
            }
        }
        self.preset.iter().for_each(|preset| add("preset", preset.clone()));
        self.seconds.iter().for_each(|seconds| add("seconds", seconds.to_string()));
        self.temperature.iter().for_each(|temperature| add("temperature", temperature.to_string()));
        self.seed.iter().for_each(|seed| add("seed", seed.to_string()));
        arguments.extend((!self.harmony).then(|| "--no-harmony".into()));
        arguments
    }

    /// Returns the maximum size of the file in bytes; `take_seconds` is the length of the take, if known.
    pub(super) fn max_bytes(&self, take_seconds: Option<f64>) -> u64 {
        let rate = match self.format {
            Format::Wav | Format::Flac => SOUND_RATE,
            Format::Midi => MIDI_RATE,
        };
        (rate * self.seconds.or(take_seconds).unwrap_or(0.0)) as u64
    }

    /// Returns the file name, such as `melos-7-calm.wav`.
    pub(super) fn file_name(&self, id: u64) -> String {
        let mood = match (&self.emotion, &self.preset) {
            (Some(Emotions::One(name)), _) => name.to_lowercase(),
            (Some(Emotions::Blend(weights)), _) => {
                let mut weights: Vec<_> = weights.iter().filter(|(_, weight)| **weight > 0.0).collect();
                weights.sort_by(|(_, a), (_, b)| b.total_cmp(a));
                weights.iter().take(3).map(|(name, _)| name.to_lowercase()).collect::<Vec<_>>().join("-")
            }
            (None, Some(preset)) => preset.clone(),
            (None, None) => "take".to_owned(),
        };
        let extension = match self.format {
            Format::Wav => "wav",
            Format::Flac => "flac",
            Format::Midi => "mid",
        };
        let name = format!("melos-{id}-{mood}.{extension}");
        if is_file_name(&name) { name } else { format!("melos-{id}.{extension}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(json: &str) -> Result<PieceRequest, String> {
        let request: PieceRequest = serde_json::from_str(json).map_err(|error| error.to_string())?;
        request.check([("storm", "Storm"), ("--version", "Version")].into_iter()).map(|()| request)
    }

    #[test]
    fn requests_are_converted_to_arguments() {
        for (json, arguments, file) in [
            (r#"{"emotion": "Calm", "seconds": 60}"#, "--emotion=calm --seconds=60", "melos-7-calm.wav"),
            (
                r#"{"emotion": {"sad": 0.25, "calm": 0.75}, "seconds": 10.5, "seed": 3, "harmony": false, "format": "flac"}"#,
                "--emotion=calm=0.75,sad=0.25 --seconds=10.5 --seed=3 --no-harmony",
                "melos-7-calm-sad.flac",
            ),
            (
                r#"{"preset": "storm", "seconds": 1800, "temperature": 0.5}"#,
                "--preset=storm --seconds=1800 --temperature=0.5",
                "melos-7-storm.wav",
            ),
            // A name that looks like an option.
            (r#"{"preset": "--version", "seconds": 10}"#, "--preset=--version --seconds=10", "melos-7---version.wav"),
            (
                r#"{"emotion": "sad", "seconds": 30, "format": "midi", "harmony": false}"#,
                "--emotion=sad --seconds=30 --no-harmony",
                "melos-7-sad.mid",
            ),
        ] {
            let request = request(json).unwrap();
            let joined = request.arguments().join(" ".as_ref()).into_string().unwrap();
            assert_eq!((joined.as_str(), request.file_name(7).as_str()), (arguments, file));
        }
    }

    #[test]
    fn the_size_of_the_file_is_estimated() {
        for (json, take_seconds, expected) in [
            (r#"{"emotion": "calm", "seconds": 60}"#, None, 17_280_000),
            (r#"{"emotion": "calm", "seconds": 10, "format": "flac"}"#, None, 2_880_000),
            (r#"{"emotion": "calm", "seconds": 10, "format": "midi"}"#, None, 20_000),
            (r#"{"take": "x.wav"}"#, Some(7200.0), 2_073_600_000),
            (r#"{"take": "x.wav"}"#, None, 0),
        ] {
            assert_eq!(request(json).unwrap().max_bytes(take_seconds), expected, "{json}");
        }
    }

    #[test]
    fn invalid_requests_are_reported() {
        for (json, hint) in [
            (r#"{"seconds": 60}"#, "emotion, preset and take"),
            (r#"{"emotion": "calm", "preset": "storm", "seconds": 60}"#, "emotion, preset and take"),
            (r#"{"emotion": "calm"}"#, "seconds"),
            (r#"{"emotion": "calm", "seconds": 5}"#, "5 is out of range (10 to 1800)"),
            (r#"{"emotion": "calm", "seconds": 1e308}"#, "seconds: 1e308 is out of range (10 to 1800)"),
            (r#"{"emotion": "calm", "seconds": 60, "temperature": 3}"#, "temperature"),
            (r#"{"emotion": "calm", "seconds": 60, "temperature": -1e300}"#, "temperature: -1e300 is out of range"),
            (r#"{"emotion": "calm", "seconds": 60, "seed": 16777216}"#, "seed"),
            (r#"{"emotion": "bored", "seconds": 60}"#, "choose from happy, sad"),
            (r#"{"emotion": {"calm": 0}, "seconds": 60}"#, "above 0"),
            (r#"{"emotion": {"calm": -1, "sad": 1}, "seconds": 60}"#, "from 0 to 1"),
            (r#"{"emotion": {"calm": 1, "calm": 0.2}, "seconds": 60}"#, "none of them twice"),
            (r#"{"emotion": {"calm": 1, "Calm": 0.2}, "seconds": 60}"#, "calm is given twice"),
            (
                r#"{"preset": "nope", "seconds": 60}"#,
                "preset: there is no preset \"nope\"; choose one of storm, --version",
            ),
            (r#"{"take": "x.wav", "seconds": 60}"#, "seconds: not allowed with a take"),
            (r#"{"take": "x.wav", "seed": 7}"#, "seed: not allowed with a take"),
            (r#"{"take": "x.wav", "temperature": 0.5}"#, "temperature: not allowed with a take"),
            (r#"{"emotion": "calm", "seconds": 60, "colour": "red"}"#, "colour"),
            (r#"{"emotion": "calm", "seconds": 60, "format": "mp3"}"#, "mp3"),
        ] {
            let error = request(json).unwrap_err();
            assert!(error.contains(hint), "{json}: {error}");
        }
    }
}
