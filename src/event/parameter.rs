//! The one table of everything that can be steered.
//!
//! OSC addresses, MIDI mapping targets, preset keys, `melos check` and `docs/parameters.md` all follow from it.

use thiserror::Error;

use crate::music::emotion::Emotion;
use crate::music::theory::Mode;
use crate::quote::quoted;

/// How a change travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Straight to the audio engine: heard within a block or two, about 10 ms.
    Fast,
    /// Through the plan to the generator: heard when it has re-planned, about 100 ms.
    Slow,
    /// Handled by the daemon itself: presets, scenes, recording.
    Daemon,
}

impl Lane {
    /// The name used in the docs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Slow => "slow",
            Self::Daemon => "daemon",
        }
    }
}

/// What values a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A number in `min..=max`; numbers outside are clamped.
    Number {
        /// Lowest value.
        min: f32,
        /// Highest value.
        max: f32,
        /// Value at start.
        default: f32,
    },
    /// On or off.
    Toggle {
        /// Value at start.
        default: bool,
    },
    /// One of some names; a number chooses by position, from 0.
    Choice {
        /// The names.
        names: &'static [&'static str],
        /// Position of the value at start.
        default: u8,
    },
    /// Free text.
    Text {
        /// Value at start.
        default: &'static str,
    },
    /// An event without a value.
    Trigger,
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spec {
    /// Which parameter this is.
    pub param: Param,
    /// Stable name: mapping target and preset key; the OSC address is `/melos/` and this.
    pub id: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// Unit of a number, empty for none.
    pub unit: &'static str,
    /// Time over which a change is smoothed in the engine, in milliseconds; 0 where the parameter glides by other rules.
    pub smoothing_ms: f32,
    /// How it travels.
    pub lane: Lane,
    /// What it does, for performers.
    pub description: &'static str,
}

/// A value that fits its parameter's [`Kind`].
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// For [`Kind::Number`].
    Number(f32),
    /// For [`Kind::Toggle`].
    Toggle(bool),
    /// For [`Kind::Choice`]: position among the names.
    Choice(u8),
    /// For [`Kind::Text`].
    Text(String),
    /// For [`Kind::Trigger`].
    Trigger,
}

/// A value as it arrives from outside, before it is known to fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Input<'a> {
    /// A number.
    Number(f64),
    /// True or false.
    Bool(bool),
    /// Text.
    Text(&'a str),
    /// No argument.
    Nothing,
}

/// Why an input does not fit a parameter; nothing was changed.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum InputError {
    /// Not-a-number or infinite.
    #[error("{id}: {value} is not a finite number")]
    NotFinite {
        /// The parameter's id.
        id: &'static str,
        /// What came.
        value: f64,
    },
    /// The wrong type, or an unknown name.
    #[error("{id}: got {got}, expected {expected}")]
    Unfit {
        /// The parameter's id.
        id: &'static str,
        /// What came.
        got: String,
        /// What would be right.
        expected: String,
    },
}

impl InputError {
    /// What would be right, for messages that name parameter and value themselves.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::NotFinite { .. } => "expected a finite number".to_owned(),
            Self::Unfit { expected, .. } => format!("expected {expected}"),
        }
    }
}

/// Longest text that a parameter takes, in characters: every client is told of it, and it is logged.
const LONGEST_TEXT: usize = 128;
/// What storing a number in single precision may change in it, relative to numbers above 1.
const ROUNDING: f64 = 1e-6;

const fn number(min: f32, max: f32, default: f32) -> Kind {
    Kind::Number { min, max, default }
}

const OFF: Kind = Kind::Toggle { default: false };
const ON: Kind = Kind::Toggle { default: true };

const EMOTIONS: Kind = Kind::Choice {
    names: &["happy", "sad", "energetic", "calm", "romantic", "angry", "nostalgic", "mysterious"],
    default: Emotion::Calm as u8,
};
/// Tonics, in the order of [`crate::music::theory::PITCH_NAMES`].
const KEYS: Kind = Kind::Choice { names: &crate::music::theory::PITCH_NAMES, default: 0 };
/// `auto`, then the names of [`crate::music::theory::Mode::ALL`].
const MODES: Kind = Kind::Choice {
    names: &["auto", "major", "minor", "dorian", "phrygian", "lydian", "mixolydian", "harmonic-minor"],
    default: 0,
};
const FORMATS: Kind = Kind::Choice { names: &["wav", "flac"], default: 0 };
const QUANTIZE: Kind = Kind::Choice { names: &["off", "beat", "bar"], default: 0 };

macro_rules! parameters {
    ($($param:ident $id:literal $kind:expr, $unit:literal, $smoothing:literal ms, $lane:ident, $description:literal;)*) => {
        /// Every steerable parameter.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Param {
            $(#[doc = $description] $param,)*
        }

        /// The table, in the order of [`Param`].
        pub const TABLE: &[Spec] = &[$(Spec {
            param: Param::$param,
            id: $id,
            kind: $kind,
            unit: $unit,
            smoothing_ms: $smoothing,
            lane: Lane::$lane,
            description: $description,
        },)*];
    };
}

parameters! {
    Emotion "emotion" EMOTIONS, "", 0.0 ms, Slow, "One emotion alone, by name";
    Happy "emotion/happy" number(0.0, 1.0, 0.0), "", 0.0 ms, Slow, "Weight of happy in the blend";
    Sad "emotion/sad" number(0.0, 1.0, 0.0), "", 0.0 ms, Slow, "Weight of sad in the blend";
    Energetic "emotion/energetic" number(0.0, 1.0, 0.0), "", 0.0 ms, Slow, "Weight of energetic in the blend";
    Calm "emotion/calm" number(0.0, 1.0, 1.0), "", 0.0 ms, Slow, "Weight of calm in the blend";
    Romantic "emotion/romantic" number(0.0, 1.0, 0.0), "", 0.0 ms, Slow, "Weight of romantic in the blend";
    Angry "emotion/angry" number(0.0, 1.0, 0.0), "", 0.0 ms, Slow, "Weight of angry in the blend";
    Nostalgic "emotion/nostalgic" number(0.0, 1.0, 0.0), "", 0.0 ms, Slow, "Weight of nostalgic in the blend";
    Mysterious "emotion/mysterious" number(0.0, 1.0, 0.0), "", 0.0 ms, Slow, "Weight of mysterious in the blend";
    Valence "valence" number(-1.0, 1.0, 0.4), "", 0.0 ms, Slow, "Unpleasant (-1) to pleasant (1); moves the eight weights";
    Arousal "arousal" number(-1.0, 1.0, -0.7), "", 0.0 ms, Slow, "Quiet (-1) to excited (1); moves the eight weights";
    Glide "glide" number(0.0, 120.0, 2.0), "s", 0.0 ms, Slow, "Time over which a change of emotion glides";
    Temperature "temperature" number(0.1, 2.0, 1.0), "", 0.0 ms, Slow, "Creativity: how freely network and harmony choose; low values bring all performances together";
    Guidance "guidance" number(0.0, 6.0, 2.5), "", 0.0 ms, Slow, "How strictly the network obeys emotion, chord and beat";
    Density "density" number(-1.0, 1.0, 0.0), "", 0.0 ms, Slow, "Fewer (-1) or more (1) notes than the emotion asks for";
    Loudness "loudness" number(-1.0, 1.0, 0.0), "", 0.0 ms, Slow, "Softer (-1) or harder (1) touch than the emotion asks for";
    Register "register" number(-1.0, 1.0, 0.0), "", 0.0 ms, Slow, "Lower (-1) or higher (1) on the keyboard than the emotion asks for";
    Tempo "tempo" number(40.0, 200.0, 100.0), "bpm", 0.0 ms, Slow, "Pins the tempo to a value";
    TempoFollow "tempo/follow" ON, "", 0.0 ms, Slow, "Whether the tempo follows the emotion; setting a tempo turns it off";
    Key "key" KEYS, "", 0.0 ms, Slow, "Tonic of the harmony";
    Mode "mode" MODES, "", 0.0 ms, Slow, "Scale of the harmony; auto follows the emotion";
    Chord "chord" Kind::Text { default: "auto" }, "", 0.0 ms, Slow, "Leads the harmony with a chord symbol such as Am7 or C/E; auto returns to the progression";
    GuideChord "guide/chord" ON, "", 0.0 ms, Slow, "Whether the network is told the chord";
    GuideBeat "guide/beat" ON, "", 0.0 ms, Slow, "Whether the network is told the beat";
    Quantize "quantize" QUANTIZE, "", 0.0 ms, Slow, "When changes of mood and harmony happen: at once, at the next beat, at the next bar";
    Seed "seed" number(0.0, 16_777_215.0, 1.0), "", 0.0 ms, Slow, "Seed of everything random from here on";
    LevelMaster "level/master" number(-60.0, 6.0, 0.0), "dB", 20.0 ms, Fast, "Level of everything";
    LevelNetwork "level/network" number(-60.0, 6.0, 0.0), "dB", 20.0 ms, Fast, "Level of the network's piano";
    LevelBass "level/bass" number(-60.0, 6.0, -15.0), "dB", 20.0 ms, Fast, "Level of the bass line";
    LevelPad "level/pad" number(-60.0, 6.0, -23.0), "dB", 20.0 ms, Fast, "Level of the pad";
    LevelUpper "level/upper" number(-60.0, 6.0, -18.0), "dB", 20.0 ms, Fast, "Level of the upper voice";
    LevelHarmony "level/harmony" number(-60.0, 6.0, 0.0), "dB", 20.0 ms, Fast, "Level of bass, pad and upper voice together";
    MuteNetwork "mute/network" OFF, "", 20.0 ms, Fast, "Silences the network's piano";
    MuteBass "mute/bass" OFF, "", 20.0 ms, Fast, "Silences the bass line";
    MutePad "mute/pad" OFF, "", 20.0 ms, Fast, "Silences the pad";
    MuteUpper "mute/upper" OFF, "", 20.0 ms, Fast, "Silences the upper voice";
    MuteHarmony "mute/harmony" OFF, "", 20.0 ms, Fast, "Silences bass, pad and upper voice together";
    Dynamics "dynamics" number(0.0, 1.0, 0.5), "", 50.0 ms, Fast, "How far phrases swell and fade";
    Reverb "reverb" number(0.0, 1.0, 0.25), "", 50.0 ms, Fast, "How much of the room is heard";
    ReverbSize "reverb/size" number(0.0, 1.0, 0.5), "", 100.0 ms, Fast, "Size of the room";
    Width "width" number(0.0, 1.0, 0.7), "", 50.0 ms, Fast, "Width of the stereo image";
    Tone "tone" number(-1.0, 1.0, 0.0), "", 50.0 ms, Fast, "Darker (-1) or brighter (1)";
    Play "play" ON, "", 0.0 ms, Fast, "Fades the music out and in again";
    Hold "hold" OFF, "", 0.0 ms, Fast, "Freezes the sound of this moment; the music goes on underneath";
    Panic "panic" Kind::Trigger, "", 0.0 ms, Fast, "Cuts every sound at once and starts afresh";
    Preset "preset" Kind::Text { default: "" }, "", 0.0 ms, Daemon, "Loads a preset by its file name without .toml";
    PresetNext "preset/next" Kind::Trigger, "", 0.0 ms, Daemon, "Loads the next preset in alphabetical order";
    PresetPrevious "preset/previous" Kind::Trigger, "", 0.0 ms, Daemon, "Loads the previous preset in alphabetical order";
    SceneStore "scene/store" Kind::Text { default: "" }, "", 0.0 ms, Daemon, "Stores the whole state as a named scene";
    Scene "scene" Kind::Text { default: "" }, "", 0.0 ms, Daemon, "Recalls a scene, morphing over scene/morph or scene/morph/bars";
    SceneMorph "scene/morph" number(0.0, 120.0, 0.0), "s", 0.0 ms, Daemon, "Time over which a recalled scene morphs in; 0 cuts";
    SceneMorphBars "scene/morph/bars" number(0.0, 64.0, 0.0), "", 0.0 ms, Daemon, "Bars over which a recalled scene morphs in, at the tempo of each moment; 0 leaves it to scene/morph";
    SceneDelete "scene/delete" Kind::Text { default: "" }, "", 0.0 ms, Daemon, "Forgets a scene";
    SceneUndo "scene/undo" Kind::Trigger, "", 0.0 ms, Daemon, "Takes the last recall back";
    SceneA "scene/a" Kind::Text { default: "" }, "", 0.0 ms, Daemon, "Scene at the left end of the crossfader";
    SceneB "scene/b" Kind::Text { default: "" }, "", 0.0 ms, Daemon, "Scene at the right end of the crossfader";
    SceneCrossfade "scene/crossfade" number(0.0, 1.0, 0.0), "", 0.0 ms, Daemon, "Between scene a (0) and scene b (1)";
    Record "record" OFF, "", 0.0 ms, Daemon, "Records what is heard to the recordings folder";
    RecordFormat "record/format" FORMATS, "", 0.0 ms, Daemon, "How recordings are stored, 24 bits either way";
    RecordPreRoll "record/preroll" number(0.0, 30.0, 0.0), "s", 0.0 ms, Daemon, "How much of what was just played a recording begins with";
}

impl Param {
    /// The parameter's row.
    #[must_use]
    pub const fn spec(self) -> &'static Spec {
        &TABLE[self as usize]
    }

    /// The parameter of an id.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Self> {
        TABLE.iter().find(|spec| spec.id == id).map(|spec| spec.param)
    }

    /// The weight of an emotion in the blend.
    #[must_use]
    pub const fn emotion_weight(emotion: Emotion) -> Self {
        TABLE[Self::Happy as usize + emotion as usize].param
    }

    /// The emotion whose weight this parameter is.
    #[must_use]
    pub fn weighed_emotion(self) -> Option<Emotion> {
        Emotion::ALL.into_iter().find(|emotion| Self::emotion_weight(*emotion) == self)
    }

    /// Turns an input into a value that fits: numbers are clamped, names are looked up without regard to case, a toggle
    /// takes a number (on from 0.5) or a word such as `on` or `false`, a trigger anything but 0 and false.
    ///
    /// # Errors
    /// [`InputError`] when it cannot fit; `Ok(None)` is a trigger's 0, which many controllers send on release.
    pub fn fit(self, input: Input<'_>) -> Result<Option<Value>, InputError> {
        let spec = self.spec();
        if let Input::Number(value) = input
            && !value.is_finite()
        {
            return Err(InputError::NotFinite { id: spec.id, value });
        }
        let value = match (spec.kind, input) {
            (Kind::Number { min, max, .. }, Input::Number(value)) => Value::Number((value as f32).clamp(min, max)),
            (Kind::Number { min, max, .. }, Input::Bool(on)) => Value::Number(if on { max } else { min }),
            (Kind::Toggle { .. }, Input::Number(value)) => Value::Toggle(value >= 0.5),
            (Kind::Toggle { .. }, Input::Bool(on)) => Value::Toggle(on),
            (Kind::Toggle { .. }, Input::Text(text)) => match switch(text) {
                Some(on) => Value::Toggle(on),
                None => return Err(self.unfit(input)),
            },
            (Kind::Choice { names, .. }, Input::Number(value)) if value >= 0.0 && (value as usize) < names.len() => {
                Value::Choice(value as u8)
            }
            (Kind::Choice { names, .. }, Input::Text(text)) => match self.choice(names, text) {
                Some(position) => Value::Choice(position as u8),
                None => return Err(self.unfit(input)),
            },
            (Kind::Text { .. }, Input::Text(text)) if text.chars().count() <= LONGEST_TEXT => {
                Value::Text(text.trim().to_owned())
            }
            (Kind::Trigger, Input::Number(0.0) | Input::Bool(false)) => return Ok(None),
            (Kind::Trigger, _) => Value::Trigger,
            _ => return Err(self.unfit(input)),
        };
        Ok(Some(value))
    }

    /// Like [`Param::fit`], for what somebody wrote: there a number outside the range is a slip, not a fader at its end.
    ///
    /// # Errors
    /// [`InputError`] when it cannot fit, or only by being clamped.
    pub fn fit_within(self, input: Input<'_>) -> Result<Option<Value>, InputError> {
        match (self.fit(input)?, input) {
            (Some(Value::Number(fitted)), Input::Number(number))
                if (f64::from(fitted) - number).abs() > ROUNDING * number.abs().max(1.0) =>
            {
                Err(self.unfit(input))
            }
            (value, _) => Ok(value),
        }
    }

    /// The value at start; [`Value::Trigger`] for triggers.
    #[must_use]
    pub fn default_value(self) -> Value {
        match self.spec().kind {
            Kind::Number { default, .. } => Value::Number(default),
            Kind::Toggle { default } => Value::Toggle(default),
            Kind::Choice { default, .. } => Value::Choice(default),
            Kind::Text { default } => Value::Text(default.to_owned()),
            Kind::Trigger => Value::Trigger,
        }
    }

    /// The position of the name that a text spells.
    fn choice(self, names: &[&str], text: &str) -> Option<usize> {
        let spelt = || match self {
            Self::Key => crate::music::theory::pitch_class(text).map(usize::from),
            // `auto` stands before them.
            Self::Mode => Mode::ALL.into_iter().position(|mode| Mode::from_name(text) == Some(mode)).map(|at| at + 1),
            Self::Emotion => Emotion::from_name(text).map(|emotion| emotion as usize),
            _ => None,
        };
        names.iter().position(|name| name.eq_ignore_ascii_case(text.trim())).or_else(spelt)
    }

    fn unfit(self, input: Input<'_>) -> InputError {
        let spec = self.spec();
        let got = match input {
            Input::Number(value) => format!("the number {value}"),
            Input::Bool(on) => on.to_string(),
            Input::Text(text) => quoted(text),
            Input::Nothing => "nothing".to_owned(),
        };
        let expected = match spec.kind {
            Kind::Number { min, max, .. } => format!("a number from {min} to {max}"),
            Kind::Toggle { .. } => "0 or 1, on or off".to_owned(),
            Kind::Choice { names, .. } => format!("one of {}", names.join(", ")),
            Kind::Text { .. } => format!("text of at most {LONGEST_TEXT} characters"),
            Kind::Trigger => "anything".to_owned(),
        };
        InputError::Unfit { id: spec.id, got, expected }
    }
}

/// The position of a switch that a word names.
fn switch(text: &str) -> Option<bool> {
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

    #[test]
    fn the_table_is_in_order_and_ids_are_unique() {
        for (index, spec) in TABLE.iter().enumerate() {
            assert_eq!(spec.param as usize, index);
            assert_eq!(Param::from_id(spec.id), Some(spec.param));
            if let Kind::Number { min, max, default } = spec.kind {
                assert!((min..=max).contains(&default), "{}", spec.id);
            }
        }
    }

    #[test]
    fn emotion_rows_stand_in_the_order_of_the_names() {
        for emotion in Emotion::ALL {
            let param = Param::emotion_weight(emotion);
            assert_eq!(param.spec().id, format!("emotion/{emotion}"));
            assert_eq!(param.weighed_emotion(), Some(emotion));
            assert_eq!(Param::Emotion.fit(Input::Text(emotion.name())), Ok(Some(Value::Choice(emotion as u8))));
        }
    }

    #[test]
    fn modes_are_the_theory_modes() {
        let Kind::Choice { names, .. } = Param::Mode.spec().kind else { panic!("mode is a choice") };
        assert!(names[1..].iter().copied().eq(crate::music::theory::Mode::ALL.map(crate::music::theory::Mode::name)));
    }

    #[test]
    fn inputs_are_fitted() {
        assert_eq!(Param::Temperature.fit(Input::Number(99.0)), Ok(Some(Value::Number(2.0))));
        assert!(Param::Temperature.fit(Input::Number(f64::NAN)).is_err());
        for (param, number) in [(Param::Temperature, 0.1), (Param::Tempo, 138.7), (Param::Seed, 16_777_213.0)] {
            assert_eq!(param.fit_within(Input::Number(number)), Ok(Some(Value::Number(number as f32))));
        }
        assert_eq!(
            Param::Tempo.fit_within(Input::Number(9000.0)).unwrap_err().to_string(),
            "tempo: got the number 9000, expected a number from 40 to 200"
        );
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
            (Param::Mode, "Aeolian", 2),
            (Param::Mode, "harmonic minor", 7),
            (Param::Mode, " Auto", 0),
            (Param::Emotion, "Sadness ", 1),
            (Param::RecordFormat, " FLAC ", 1),
        ] {
            assert_eq!(param.fit(Input::Text(text)), Ok(Some(Value::Choice(position))), "{text:?}");
        }
        assert_eq!(Param::Scene.fit(Input::Text(" dawn\n")), Ok(Some(Value::Text("dawn".to_owned()))));
        let long = Param::Scene.fit(Input::Text(&"x".repeat(10_000))).unwrap_err().to_string();
        assert!(long.len() < 200 && long.contains("at most 128 characters"), "{long}");
        let error = Param::Emotion.fit(Input::Text("bored")).unwrap_err().to_string();
        assert!(error.contains("bored") && error.contains("nostalgic"), "{error}");
    }
}
