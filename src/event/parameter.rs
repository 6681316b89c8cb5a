//! The table of all parameters: their values, units, descriptions and policies.
//!
//! OSC addresses, MIDI mapping targets, preset keys, scenes, the saved state, `melos check` and `docs/parameters.md`
//! are all derived from it. [`Param::fit`] validates each [`Value`] once, where it enters the program; the value is
//! trusted from then on.

mod codec;
mod duration;
mod tempo_source;
mod policy;
mod value;

use serde::{Deserialize, Serialize};

pub use codec::{decimal, key_and_mode, osc_to_json, quoted, unquoted};
pub use policy::{Effect, InPreset, Policy, Saved};
pub use tempo_source::TempoSource;
pub use value::{AUTO, Input, InputError, Kind, Value};

use crate::music::emotion::Emotion;
use crate::music::form::MusicalForm;
use crate::music::plan::Dial;

/// How a change reaches the sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Straight to the audio engine: heard within a block or two, about 10 ms.
    Fast,
    /// Through the plan to the generator: heard after replanning, about 100 ms.
    Slow,
    /// Handled by the daemon itself: presets, scenes, recording.
    Daemon,
}

impl Lane {
    /// Returns the name used in the documentation.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Slow => "slow",
            Self::Daemon => "daemon",
        }
    }
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spec {
    /// The parameter.
    pub param: Param,
    /// Stable name: mapping target and preset key; the OSC address is `/melos/` followed by this name.
    pub id: &'static str,
    /// The values that the parameter accepts.
    pub kind: Kind,
    /// Unit of a number; empty if none.
    pub unit: &'static str,
    /// Smoothing time in the engine, in milliseconds; 0 if the parameter is not smoothed there.
    pub smoothing_ms: f32,
    /// How the program treats the parameter.
    pub policy: Policy,
    /// Description for performers.
    pub description: &'static str,
}

impl Spec {
    /// Returns how a change reaches the sound.
    #[must_use]
    pub const fn lane(&self) -> Lane {
        self.policy.effect.lane()
    }
}

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
/// In the order of [`MusicalForm::NAMES`].
const FORMS: Kind = Kind::Choice { names: &MusicalForm::NAMES, default: MusicalForm::Free as u8 };
const FORMATS: Kind = Kind::Choice { names: &["wav", "flac"], default: 0 };
/// In the order of [`TempoSource`].
const TEMPO_SOURCES: Kind = Kind::Choice { names: &["mood", "pinned", "clock", "link", "jack"], default: 0 };
const QUANTIZE: Kind = Kind::Choice { names: &["off", "beat", "bar"], default: 0 };

macro_rules! parameters {
    ($($param:ident $id:literal $kind:expr, $unit:literal, $smoothing:literal ms, $policy:ident, $description:literal;)*) => {
        /// A parameter.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
            policy: policy::$policy,
            description: $description,
        },)*];
    };
}

parameters! {
    Emotion "emotion" EMOTIONS, "", 0.0 ms, MOOD, "A single emotion by name";
    Happy "emotion/happy" number(0.0, 1.0, 0.0), "", 0.0 ms, MOOD, "Weight of happy in the blend";
    Sad "emotion/sad" number(0.0, 1.0, 0.0), "", 0.0 ms, MOOD, "Weight of sad in the blend";
    Energetic "emotion/energetic" number(0.0, 1.0, 0.0), "", 0.0 ms, MOOD, "Weight of energetic in the blend";
    Calm "emotion/calm" number(0.0, 1.0, 1.0), "", 0.0 ms, MOOD, "Weight of calm in the blend";
    Romantic "emotion/romantic" number(0.0, 1.0, 0.0), "", 0.0 ms, MOOD, "Weight of romantic in the blend";
    Angry "emotion/angry" number(0.0, 1.0, 0.0), "", 0.0 ms, MOOD, "Weight of angry in the blend";
    Nostalgic "emotion/nostalgic" number(0.0, 1.0, 0.0), "", 0.0 ms, MOOD, "Weight of nostalgic in the blend";
    Mysterious "emotion/mysterious" number(0.0, 1.0, 0.0), "", 0.0 ms, MOOD, "Weight of mysterious in the blend";
    Valence "valence" number(-1.0, 1.0, 0.4), "", 0.0 ms, MOOD, "Unpleasant (-1) to pleasant (1); moves the eight weights";
    Arousal "arousal" number(-1.0, 1.0, -0.7), "", 0.0 ms, MOOD, "Quiet (-1) to excited (1); moves the eight weights";
    Recall "recall" number(0.0, 1.0, 0.9), "", 0.0 ms, FORM, "How often and how exactly phrases return: 0 is never, 1 is note for note in the same mood";
    Form "form" FORMS, "", 0.0 ms, FORM, "Order in which phrases return: freely, or as a song (aaba), verse and chorus (abab), a rondo (abaca) or variations (aaaa)";
    Glide "glide" number(0.0, 120.0, 2.0), "s", 0.0 ms, GLIDE, "Duration of the glide to a new emotion";
    Temperature "temperature" number(0.1, 2.0, 1.0), "", 0.0 ms, NETWORK, "Creativity of the network and the harmony; at low values, all seeds sound alike";
    Guidance "guidance" number(0.0, 6.0, 2.5), "", 0.0 ms, NETWORK, "How closely the network follows emotion, chord and beat";
    Density "density" number(-1.0, 1.0, 0.0), "", 0.0 ms, NETWORK, "Fewer (-1) or more (1) notes than the emotion calls for";
    Loudness "loudness" number(-1.0, 1.0, 0.0), "", 0.0 ms, NETWORK, "Softer (-1) or harder (1) touch than the emotion calls for";
    Register "register" number(-1.0, 1.0, 0.0), "", 0.0 ms, NETWORK, "Lower (-1) or higher (1) register than the emotion calls for";
    Piano "piano" number(0.0, 1.0, 0.0), "", 0.0 ms, NETWORK, "Which piano the network plays: 0 is the concert grand, 1 the other piano, and values between blend the two";
    Tempo "tempo" number(40.0, 200.0, 100.0), "bpm", 0.0 ms, TEMPO, "Sets a fixed tempo, unless a MIDI clock, Link or the JACK transport sets the tempo";
    TempoSource "tempo/source" TEMPO_SOURCES, "", 0.0 ms, TEMPO_SOURCE, "Tempo source: the mood, a fixed tempo, a MIDI clock, Ableton Link or the JACK transport";
    TempoFollow "tempo/follow" ON, "", 0.0 ms, TEMPO_ALIAS, "Shorthand for tempo/source: on is mood, off is pinned";
    Key "key" KEYS, "", 0.0 ms, HARMONY, "Tonic of the harmony";
    Mode "mode" MODES, "", 0.0 ms, HARMONY, "Scale of the harmony; auto lets the emotion choose";
    Chord "chord" Kind::Chord, "", 0.0 ms, LEAD, "Leads the harmony with a chord symbol such as Am7 or C/E; auto returns to the progression";
    GuideChord "guide/chord" ON, "", 0.0 ms, NETWORK, "Makes the network follow the chord";
    GuideBeat "guide/beat" ON, "", 0.0 ms, NETWORK, "Makes the network follow the beat";
    Economy "economy" OFF, "", 0.0 ms, MACHINE, "Spares a weak processor, at a somewhat lower quality: the networks take a third less time, and less than half while they are steered";
    Quantize "quantize" QUANTIZE, "", 0.0 ms, SESSION_TIMING, "When changes of mood and harmony take effect: at once, at the next beat or at the next bar";
    Seed "seed" number(0.0, 16_777_215.0, 1.0), "", 0.0 ms, SEED, "Seed for all random choices from now on";
    LevelMaster "level/master" number(-60.0, 6.0, 0.0), "dB", 20.0 ms, MIX, "Master level";
    LevelNetwork "level/network" number(-60.0, 6.0, 0.0), "dB", 20.0 ms, SOUND, "Level of the network's piano";
    LevelBass "level/bass" number(-60.0, 6.0, -19.0), "dB", 20.0 ms, SOUND, "Level of the bass line";
    LevelPad "level/pad" number(-60.0, 6.0, -23.0), "dB", 20.0 ms, SOUND, "Level of the pad";
    LevelUpper "level/upper" number(-60.0, 6.0, -18.0), "dB", 20.0 ms, SOUND, "Level of the upper voice";
    LevelHarmony "level/harmony" number(-60.0, 6.0, 0.0), "dB", 20.0 ms, SOUND, "Level of bass, pad and upper voice together";
    MuteNetwork "mute/network" OFF, "", 20.0 ms, MIX, "Silences the network's piano";
    MuteBass "mute/bass" OFF, "", 20.0 ms, MIX, "Silences the bass line";
    MutePad "mute/pad" OFF, "", 20.0 ms, MIX, "Silences the pad";
    MuteUpper "mute/upper" OFF, "", 20.0 ms, MIX, "Silences the upper voice";
    MuteHarmony "mute/harmony" OFF, "", 20.0 ms, MIX, "Silences bass, pad and upper voice together";
    MuteMaster "mute/master" OFF, "", 20.0 ms, ROOM, "Silences the output; the music continues underneath";
    Dynamics "dynamics" number(0.0, 1.0, 0.5), "", 50.0 ms, SOUND, "Depth of the swell and fade of phrases";
    Reverb "reverb" number(0.0, 1.0, 0.25), "", 50.0 ms, SOUND, "Reverb level";
    ReverbSize "reverb/size" number(0.0, 1.0, 0.5), "", 800.0 ms, SOUND, "Reverb room size";
    Width "width" number(0.0, 1.0, 0.7), "", 50.0 ms, SOUND, "Stereo width";
    Tone "tone" number(-1.0, 1.0, 0.0), "", 50.0 ms, SOUND, "Darker (-1) to brighter (1) sound";
    Evenness "evenness" number(0.0, 1.0, 0.0), "", 2000.0 ms, ROOM, "Brings moods and phrases slowly towards one loudness: 0 is as played, 1 is -23 LUFS; level/master comes after it";
    Modulation "modulation" number(0.0, 1.0, 1.0), "", 0.0 ms, SESSION, "Depth of the preset's modulations; 0 turns them off";
    Input1 "input/1" number(0.0, 1.0, 0.5), "", 0.0 ms, SESSION, "An input for modulations, such as a sensor, a fader or a pedal";
    Input2 "input/2" number(0.0, 1.0, 0.5), "", 0.0 ms, SESSION, "An input for modulations, such as a sensor, a fader or a pedal";
    Input3 "input/3" number(0.0, 1.0, 0.5), "", 0.0 ms, SESSION, "An input for modulations, such as a sensor, a fader or a pedal";
    Input4 "input/4" number(0.0, 1.0, 0.5), "", 0.0 ms, SESSION, "An input for modulations, such as a sensor, a fader or a pedal";
    Play "play" ON, "", 0.0 ms, MOMENT, "Fades the music in (on) or out (off)";
    PlayFade "play/fade" number(0.0, 600.0, 0.0), "s", 0.0 ms, SESSION_TIMING, "Duration of the fade when play is switched; 0 uses the default";
    Timer "timer" number(0.0, 86_400.0, 0.0), "s", 0.0 ms, STEER, "Fades the music out after this time, with the duration set by play/fade; 0 cancels";
    Hold "hold" OFF, "", 0.0 ms, MOMENT, "Freezes the current sound; the music continues underneath";
    Panic "panic" Kind::Trigger, "", 0.0 ms, PANIC, "Cuts all sound at once, then fades back in";
    Preset "preset" Kind::Text { default: "" }, "", 0.0 ms, PRESET, "Loads a preset by its file name without .toml";
    PresetNext "preset/next" Kind::Trigger, "", 0.0 ms, BROWSE, "Loads the next preset in alphabetical order";
    PresetPrevious "preset/previous" Kind::Trigger, "", 0.0 ms, BROWSE, "Loads the previous preset in alphabetical order";
    Setlist "setlist" Kind::Text { default: "" }, "", 0.0 ms, SELECT, "Selects a setlist by its file name without .toml; setlist/next starts it";
    SetlistNext "setlist/next" Kind::Trigger, "", 0.0 ms, ACT, "Goes to the next entry of the setlist";
    SetlistPrevious "setlist/previous" Kind::Trigger, "", 0.0 ms, ACT, "Goes to the previous entry of the setlist";
    SetlistGo "setlist/go" number(0.0, 256.0, 0.0), "", 0.0 ms, SELECT, "Goes to an entry of the setlist by its number, from 1; a query returns the current entry";
    SceneStore "scene/store" Kind::Text { default: "" }, "", 0.0 ms, ACT, "Stores the current state as a named scene";
    Scene "scene" Kind::Text { default: "" }, "", 0.0 ms, RECALL, "Recalls a scene, morphing over scene/morph or scene/morph/bars";
    SceneMorph "scene/morph" number(0.0, 120.0, 0.0), "s", 0.0 ms, OPTION, "Duration of the morph to a recalled scene; 0 switches at once";
    SceneMorphBars "scene/morph/bars" number(0.0, 64.0, 0.0), "", 0.0 ms, OPTION, "Length of the morph to a recalled scene in bars, following the tempo; 0 uses scene/morph";
    SceneDelete "scene/delete" Kind::Text { default: "" }, "", 0.0 ms, ACT, "Deletes a scene";
    SceneUndo "scene/undo" Kind::Trigger, "", 0.0 ms, ACT, "Undoes the last scene recall";
    SceneA "scene/a" Kind::Text { default: "" }, "", 0.0 ms, SELECT, "Scene at the left end of the crossfader (0)";
    SceneB "scene/b" Kind::Text { default: "" }, "", 0.0 ms, SELECT, "Scene at the right end of the crossfader (1)";
    SceneCrossfade "scene/crossfade" number(0.0, 1.0, 0.0), "", 0.0 ms, CROSSFADE, "Crossfades from scene a (0) to scene b (1)";
    Record "record" OFF, "", 0.0 ms, STEER, "Records the output to the recordings folder";
    RecordFormat "record/format" FORMATS, "", 0.0 ms, OPTION, "File format of recordings; both are 24-bit";
    RecordPreRoll "record/preroll" number(0.0, 30.0, 0.0), "s", 0.0 ms, OPTION, "Seconds of audio before the start to include in a recording";
}

impl Param {
    /// Returns the parameter's row in the table.
    #[must_use]
    pub const fn spec(self) -> &'static Spec {
        &TABLE[self as usize]
    }

    /// Looks up a parameter by id.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Self> {
        TABLE.iter().find(|spec| spec.id == id).map(|spec| spec.param)
    }

    /// Returns the dial of the network's steering that the parameter sets, if any.
    #[must_use]
    pub const fn dial(self) -> Option<Dial> {
        match self {
            Self::Temperature => Some(Dial::Temperature),
            Self::Guidance => Some(Dial::Guidance),
            Self::Density => Some(Dial::Density),
            Self::Loudness => Some(Dial::Loudness),
            Self::Register => Some(Dial::Register),
            Self::Piano => Some(Dial::Piano),
            _ => None,
        }
    }

    /// Returns the parameter that holds an emotion's weight in the blend.
    #[must_use]
    pub const fn emotion_weight(emotion: Emotion) -> Self {
        TABLE[Self::Happy as usize + emotion as usize].param
    }

    /// Returns the emotion whose weight this parameter holds, if any.
    #[must_use]
    pub fn weighted_emotion(self) -> Option<Emotion> {
        Emotion::ALL.into_iter().find(|emotion| Self::emotion_weight(*emotion) == self)
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
    fn emotion_weights_are_in_the_order_of_the_emotions() {
        for emotion in Emotion::ALL {
            let param = Param::emotion_weight(emotion);
            assert_eq!(param.spec().id, format!("emotion/{emotion}"));
            assert_eq!(param.weighted_emotion(), Some(emotion));
            assert_eq!(Param::Emotion.fit(Input::Text(emotion.name())), Ok(Some(Value::Choice(emotion as u8))));
        }
    }

    #[test]
    fn mode_choices_match_the_modes() {
        let Kind::Choice { names, .. } = Param::Mode.spec().kind else { panic!("mode is a choice") };
        assert!(names[1..].iter().copied().eq(crate::music::theory::Mode::ALL.map(crate::music::theory::Mode::name)));
    }
}
