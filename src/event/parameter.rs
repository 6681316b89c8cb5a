//! The one table of everything that can be steered: what it is, what values it takes, which rules it follows.
//!
//! OSC addresses, MIDI mapping targets, preset keys, scenes, the saved state, `melos check` and `docs/parameters.md` all
//! follow from it. A [`Value`] is made once, by [`Param::fit`] at the door, and is trusted everywhere inside.

mod codec;
mod leader;
mod policy;
mod value;

pub use codec::{decimal, osc_to_json, quoted, unquoted};
pub use leader::TempoSource;
pub use policy::{Effect, InPreset, Policy, Saved};
pub use value::{AUTO, Input, InputError, Kind, Value};

use crate::music::emotion::Emotion;

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
    /// The rules that it follows.
    pub policy: Policy,
    /// What it does, for performers.
    pub description: &'static str,
}

impl Spec {
    /// How a change travels.
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
const FORMATS: Kind = Kind::Choice { names: &["wav", "flac"], default: 0 };
/// In the order of [`TempoSource`].
const TEMPO_SOURCES: Kind = Kind::Choice { names: &["mood", "pinned", "clock", "link", "jack"], default: 0 };
const QUANTIZE: Kind = Kind::Choice { names: &["off", "beat", "bar"], default: 0 };

macro_rules! parameters {
    ($($param:ident $id:literal $kind:expr, $unit:literal, $smoothing:literal ms, $policy:ident, $description:literal;)*) => {
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
            policy: policy::$policy,
            description: $description,
        },)*];
    };
}

parameters! {
    Emotion "emotion" EMOTIONS, "", 0.0 ms, MOOD, "One emotion alone, by name";
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
    Glide "glide" number(0.0, 120.0, 2.0), "s", 0.0 ms, GLIDE, "Time over which a change of emotion glides";
    Temperature "temperature" number(0.1, 2.0, 1.0), "", 0.0 ms, NETWORK, "Creativity: how freely network and harmony choose; low values bring all performances together";
    Guidance "guidance" number(0.0, 6.0, 2.5), "", 0.0 ms, NETWORK, "How strictly the network obeys emotion, chord and beat";
    Density "density" number(-1.0, 1.0, 0.0), "", 0.0 ms, NETWORK, "Fewer (-1) or more (1) notes than the emotion asks for";
    Loudness "loudness" number(-1.0, 1.0, 0.0), "", 0.0 ms, NETWORK, "Softer (-1) or harder (1) touch than the emotion asks for";
    Register "register" number(-1.0, 1.0, 0.0), "", 0.0 ms, NETWORK, "Lower (-1) or higher (1) on the keyboard than the emotion asks for";
    Tempo "tempo" number(40.0, 200.0, 100.0), "bpm", 0.0 ms, TEMPO, "Pins the tempo to a value, unless a clock, Link or JACK leads it";
    TempoSource "tempo/source" TEMPO_SOURCES, "", 0.0 ms, TEMPO_FROM, "Who leads the tempo: the mood, the pinned value, a MIDI clock, Ableton Link, the JACK transport";
    TempoFollow "tempo/follow" ON, "", 0.0 ms, TEMPO_FACE, "Whether the mood leads the tempo: on is tempo/source mood, off is pinned";
    Key "key" KEYS, "", 0.0 ms, HARMONY, "Tonic of the harmony";
    Mode "mode" MODES, "", 0.0 ms, HARMONY, "Scale of the harmony; auto follows the emotion";
    Chord "chord" Kind::Chord, "", 0.0 ms, LEAD, "Leads the harmony with a chord symbol such as Am7 or C/E; auto returns to the progression";
    GuideChord "guide/chord" ON, "", 0.0 ms, NETWORK, "Whether the network is told the chord";
    GuideBeat "guide/beat" ON, "", 0.0 ms, NETWORK, "Whether the network is told the beat";
    Quantize "quantize" QUANTIZE, "", 0.0 ms, QUANTIZE, "When changes of mood and harmony happen: at once, at the next beat, at the next bar";
    Seed "seed" number(0.0, 16_777_215.0, 1.0), "", 0.0 ms, SEED, "Seed of everything random from here on";
    LevelMaster "level/master" number(-60.0, 6.0, 0.0), "dB", 20.0 ms, MIX, "Level of everything";
    LevelNetwork "level/network" number(-60.0, 6.0, 0.0), "dB", 20.0 ms, SOUND, "Level of the network's piano";
    LevelBass "level/bass" number(-60.0, 6.0, -15.0), "dB", 20.0 ms, SOUND, "Level of the bass line";
    LevelPad "level/pad" number(-60.0, 6.0, -23.0), "dB", 20.0 ms, SOUND, "Level of the pad";
    LevelUpper "level/upper" number(-60.0, 6.0, -18.0), "dB", 20.0 ms, SOUND, "Level of the upper voice";
    LevelHarmony "level/harmony" number(-60.0, 6.0, 0.0), "dB", 20.0 ms, SOUND, "Level of bass, pad and upper voice together";
    MuteNetwork "mute/network" OFF, "", 20.0 ms, MIX, "Silences the network's piano";
    MuteBass "mute/bass" OFF, "", 20.0 ms, MIX, "Silences the bass line";
    MutePad "mute/pad" OFF, "", 20.0 ms, MIX, "Silences the pad";
    MuteUpper "mute/upper" OFF, "", 20.0 ms, MIX, "Silences the upper voice";
    MuteHarmony "mute/harmony" OFF, "", 20.0 ms, MIX, "Silences bass, pad and upper voice together";
    Dynamics "dynamics" number(0.0, 1.0, 0.5), "", 50.0 ms, SOUND, "How far phrases swell and fade";
    Reverb "reverb" number(0.0, 1.0, 0.25), "", 50.0 ms, SOUND, "How much of the room is heard";
    ReverbSize "reverb/size" number(0.0, 1.0, 0.5), "", 100.0 ms, SOUND, "Size of the room";
    Width "width" number(0.0, 1.0, 0.7), "", 50.0 ms, SOUND, "Width of the stereo image";
    Tone "tone" number(-1.0, 1.0, 0.0), "", 50.0 ms, SOUND, "Darker (-1) or brighter (1)";
    Modulation "modulation" number(0.0, 1.0, 1.0), "", 0.0 ms, EVENING, "How far the modulations of a preset reach; 0 lets them rest";
    Input1 "input/1" number(0.0, 1.0, 0.5), "", 0.0 ms, EVENING, "An input for modulations: a sensor, a fader, a pedal";
    Input2 "input/2" number(0.0, 1.0, 0.5), "", 0.0 ms, EVENING, "An input for modulations: a sensor, a fader, a pedal";
    Input3 "input/3" number(0.0, 1.0, 0.5), "", 0.0 ms, EVENING, "An input for modulations: a sensor, a fader, a pedal";
    Input4 "input/4" number(0.0, 1.0, 0.5), "", 0.0 ms, EVENING, "An input for modulations: a sensor, a fader, a pedal";
    Play "play" ON, "", 0.0 ms, MOMENT, "Fades the music out and in again";
    PlayFade "play/fade" number(0.0, 600.0, 0.0), "s", 0.0 ms, EVENING, "Time over which play fades out and in; 0 for the usual one";
    Timer "timer" number(0.0, 86_400.0, 0.0), "s", 0.0 ms, ACT, "Fades the music out after so long, over play/fade; 0 calls it off";
    Hold "hold" OFF, "", 0.0 ms, MOMENT, "Freezes the sound of this moment; the music goes on underneath";
    Panic "panic" Kind::Trigger, "", 0.0 ms, PANIC, "Cuts every sound at once and starts afresh";
    Preset "preset" Kind::Text { default: "" }, "", 0.0 ms, PRESET, "Loads a preset by its file name without .toml";
    PresetNext "preset/next" Kind::Trigger, "", 0.0 ms, BROWSE, "Loads the next preset in alphabetical order";
    PresetPrevious "preset/previous" Kind::Trigger, "", 0.0 ms, BROWSE, "Loads the previous preset in alphabetical order";
    Setlist "setlist" Kind::Text { default: "" }, "", 0.0 ms, OPTION, "Chooses a setlist by its file name without .toml; setlist/next begins it";
    SetlistNext "setlist/next" Kind::Trigger, "", 0.0 ms, ACT, "Goes on to the next entry of the setlist";
    SetlistPrevious "setlist/previous" Kind::Trigger, "", 0.0 ms, ACT, "Goes back to the entry before";
    SetlistGo "setlist/go" number(0.0, 256.0, 0.0), "", 0.0 ms, OPTION, "Goes to an entry of the setlist by its number, from 1; tells which one plays";
    SceneStore "scene/store" Kind::Text { default: "" }, "", 0.0 ms, ACT, "Stores the whole state as a named scene";
    Scene "scene" Kind::Text { default: "" }, "", 0.0 ms, RECALL, "Recalls a scene, morphing over scene/morph or scene/morph/bars";
    SceneMorph "scene/morph" number(0.0, 120.0, 0.0), "s", 0.0 ms, OPTION, "Time over which a recalled scene morphs in; 0 cuts";
    SceneMorphBars "scene/morph/bars" number(0.0, 64.0, 0.0), "", 0.0 ms, OPTION, "Bars over which a recalled scene morphs in, at the tempo of each moment; 0 leaves it to scene/morph";
    SceneDelete "scene/delete" Kind::Text { default: "" }, "", 0.0 ms, ACT, "Forgets a scene";
    SceneUndo "scene/undo" Kind::Trigger, "", 0.0 ms, ACT, "Takes the last recall back";
    SceneA "scene/a" Kind::Text { default: "" }, "", 0.0 ms, OPTION, "Scene at the left end of the crossfader";
    SceneB "scene/b" Kind::Text { default: "" }, "", 0.0 ms, OPTION, "Scene at the right end of the crossfader";
    SceneCrossfade "scene/crossfade" number(0.0, 1.0, 0.0), "", 0.0 ms, ACT, "Between scene a (0) and scene b (1)";
    Record "record" OFF, "", 0.0 ms, ACT, "Records what is heard to the recordings folder";
    RecordFormat "record/format" FORMATS, "", 0.0 ms, ACT, "How recordings are stored, 24 bits either way";
    RecordPreRoll "record/preroll" number(0.0, 30.0, 0.0), "s", 0.0 ms, OPTION, "How much of what was just played a recording begins with";
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
}
