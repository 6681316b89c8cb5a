//! How the program treats a parameter: what it affects, where it is stored, what it interrupts.
//!
//! Each row of the parameter table names a policy from the table below, and each policy fills every column, so no rule
//! can be missing for a parameter.

use super::{Kind, Lane, Param, TABLE};

/// What a change affects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The audio engine.
    Engine,
    /// The mood, which the parameter sets in whole or in part.
    Mood,
    /// How the network plays.
    Network,
    /// The tonic or the scale, and with it how the network plays.
    Harmony,
    /// The performer's lead chord.
    Lead,
    /// The positions of the beats, and with them how the network plays.
    Tempo,
    /// All random sequences, which start again from the new seed.
    Seed,
    /// Nothing directly; the parameter shapes later changes, phrases or modulations.
    Later,
    /// Presets, scenes and recordings, handled by the daemon.
    Daemon,
}

impl Effect {
    /// Returns the lane that a change takes.
    #[must_use]
    pub const fn lane(self) -> Lane {
        match self {
            Self::Engine => Lane::Fast,
            Self::Daemon => Lane::Daemon,
            Self::Mood | Self::Network | Self::Harmony | Self::Lead | Self::Tempo | Self::Seed | Self::Later => {
                Lane::Slow
            }
        }
    }

    /// Returns whether a changed value requires a new plan for the network. The mood, which several parameters set, and
    /// the lead chord, which a keyboard can also set, are handled elsewhere.
    #[must_use]
    pub const fn steers_network(self) -> bool {
        matches!(self, Self::Network | Self::Harmony | Self::Tempo | Self::Seed)
    }

    /// Returns whether a changed value requires the harmony to be replanned from the next beat.
    #[must_use]
    pub const fn steers_harmony(self) -> bool {
        matches!(self, Self::Harmony | Self::Seed)
    }
}

/// What loading a preset does to a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InPreset {
    /// Sets it to the preset's value, or to its default if the preset has none.
    Reset,
    /// Sets it to the preset's value, or leaves it unchanged if the preset has none. For the mood, the tempo, and
    /// parameters that a performer sets for the session.
    Kept,
    /// Not allowed in presets.
    Refused,
}

/// Where a parameter is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saved {
    /// In the saved state, in scenes and in control log headers: part of how the music sounds.
    Everywhere,
    /// In the saved state only.
    State,
    /// In the saved state only, to say what was loaded last; setting it loads it, but starting with it does not.
    Loaded,
    /// Nowhere: it applies only to the current performance.
    Nowhere,
}

/// How the program treats a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// What a change affects.
    pub effect: Effect,
    /// Whether a change waits for the beat or bar set by `quantize`.
    pub quantized: bool,
    /// What loading a preset does to the parameter.
    pub preset: InPreset,
    /// Whether recalling a scene sets the parameter.
    pub scene: bool,
    /// Where the parameter is stored.
    pub saved: Saved,
    /// Whether setting the parameter ends a preset's running journey, because the performer has taken over.
    pub ends_journey: bool,
    /// Whether setting the parameter resends all feedback to controllers, because it sets many other parameters, and
    /// some devices switch pages at the same time.
    pub resends_feedback: bool,
    /// Whether every request is kept, even while earlier ones are pending: two "next preset" requests advance by two,
    /// and two store requests store two scenes. Otherwise, a newer request replaces a pending one.
    pub keep_all: bool,
    /// Whether the value decides how requests for other parameters take effect: a glide set before a mood and reset
    /// after it applies to that mood only.
    pub affects_others: bool,
}

macro_rules! policies {
    ($($(#[$doc:meta])* $name:ident: $effect:ident, $quantized:literal, $preset:ident, $scene:literal, $saved:ident, $ends:literal, $resends_feedback:literal, $keep_all:literal, $affects_others:literal;)*) => {
        $($(#[$doc])* pub(super) const $name: Policy = Policy {
            effect: Effect::$effect,
            quantized: $quantized,
            preset: InPreset::$preset,
            scene: $scene,
            saved: Saved::$saved,
            ends_journey: $ends,
            resends_feedback: $resends_feedback,
            keep_all: $keep_all,
            affects_others: $affects_others,
        };)*
    };
}

policies! {
    //              effect   quantized  preset   scene  saved       ends_journey  resends   keep_all     affects_others
    MOOD:           Mood,    true,      Kept,    true,  Everywhere, true,         false,    false,       false;
    NETWORK:        Network, true,      Reset,   true,  Everywhere, false,        false,    false,       false;
    HARMONY:        Harmony, true,      Reset,   true,  Everywhere, false,        false,    false,       false;
    LEAD:           Lead,    true,      Reset,   true,  Everywhere, false,        false,    false,       false;
    /// Setting a tempo pins it, so a preset without a tempo keeps the current tempo and resets only the source.
    TEMPO:          Tempo,   false,     Kept,    true,  Everywhere, false,        false,    false,       false;
    TEMPO_SOURCE:   Tempo,   false,     Reset,   true,  Everywhere, false,        false,    false,       false;
    /// Shorthand for `tempo/source`.
    TEMPO_ALIAS:    Tempo,   false,     Kept,    false, Nowhere,    false,        false,    false,       false;
    GLIDE:          Later,   false,     Reset,   true,  Everywhere, false,        false,    false,       true;
    /// Takes effect at the start of the next phrase.
    FORM:           Later,   false,     Reset,   true,  Everywhere, false,        false,    false,       false;
    /// Set for the session, by hand or by a sensor.
    SESSION:        Later,   false,     Kept,    false, Everywhere, false,        false,    false,       false;
    /// Set for the session; decides how other changes take effect.
    SESSION_TIMING: Later,   false,     Kept,    false, Everywhere, false,        false,    false,       true;
    SEED:           Seed,    true,      Kept,    false, Everywhere, false,        false,    false,       false;
    /// How this machine plays, whatever the music.
    MACHINE:        Network, false,     Refused, false, Everywhere, false,        false,    false,       false;
    /// Part of the sound that a preset or scene defines.
    SOUND:          Engine,  false,     Reset,   true,  Everywhere, false,        false,    false,       false;
    /// Part of the mix, which a performer balances for the session.
    MIX:            Engine,  false,     Kept,    true,  Everywhere, false,        false,    false,       false;
    /// Set for the room in which Melos plays. What suits the room does not change with the music, so presets keep it and
    /// scenes leave it alone.
    ROOM:           Engine,  false,     Kept,    false, Everywhere, false,        false,    false,       false;
    /// A momentary state of the performance: playing or held.
    MOMENT:         Engine,  false,     Kept,    false, Nowhere,    false,        false,    false,       false;
    PANIC:          Engine,  false,     Refused, false, Nowhere,    false,        false,    false,       false;
    PRESET:         Daemon,  false,     Refused, false, Loaded,     true,         true,     false,       false;
    BROWSE:         Daemon,  false,     Refused, false, Nowhere,    true,         false,    true,        false;
    RECALL:         Daemon,  false,     Refused, false, Loaded,     true,         true,     false,       false;
    CROSSFADE:      Daemon,  false,     Refused, false, Loaded,     false,        false,    false,       false;
    /// A one-off action of the daemon.
    ACT:            Daemon,  false,     Refused, false, Nowhere,    false,        false,    true,        false;
    /// Controls something the daemon does; only the newest value counts.
    STEER:          Daemon,  false,     Refused, false, Nowhere,    false,        false,    false,       false;
    /// Selects what the daemon's actions apply to.
    SELECT:         Daemon,  false,     Refused, false, State,      false,        false,    false,       false;
    /// Selects how the daemon's actions are carried out.
    OPTION:         Daemon,  false,     Refused, false, State,      false,        false,    false,       true;
}

impl Param {
    /// Returns how the program treats the parameter.
    #[must_use]
    pub const fn policy(self) -> &'static Policy {
        &self.spec().policy
    }

    /// Returns every parameter, in the order of the table.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> + Clone {
        TABLE.iter().map(|spec| spec.param)
    }

    /// Returns whether every request is kept; see [`Policy::keep_all`].
    #[must_use]
    pub const fn keeps_all_requests(self) -> bool {
        self.policy().keep_all
    }

    /// Returns whether requests for this and another parameter must stay in order, because the value of one decides how
    /// the other takes effect.
    #[must_use]
    pub fn keeps_order_with(self, other: Self) -> bool {
        self != other && (self.policy().affects_others || other.policy().affects_others)
    }

    /// Returns whether the parameter only means something while music plays live: it controls the daemon, or triggers
    /// something at the moment it is set.
    #[must_use]
    pub fn is_only_live(self) -> bool {
        self.spec().lane() == Lane::Daemon || self.spec().kind == Kind::Trigger
    }

    /// Returns whether the value is the name of a stored scene.
    #[must_use]
    pub const fn names_scene(self) -> bool {
        matches!(self, Self::Scene | Self::SceneA | Self::SceneB | Self::SceneDelete)
    }

    /// Returns whether the parameter sets the mood.
    #[must_use]
    pub fn is_mood(self) -> bool {
        self.policy().effect == Effect::Mood
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn triggers_are_not_stored() {
        for spec in TABLE.iter().filter(|spec| spec.kind == Kind::Trigger) {
            let Policy { preset, scene, saved, .. } = spec.policy;
            assert_eq!((preset, scene, saved), (InPreset::Refused, false, Saved::Nowhere), "{}", spec.id);
        }
    }

    #[test]
    fn triggers_except_panic_keep_all_requests_and_values_do_not() {
        for spec in TABLE {
            let kept = spec.policy.keep_all;
            match spec.kind {
                Kind::Trigger => assert_eq!(kept, spec.param != Param::Panic, "{}", spec.id),
                Kind::Text { .. } => {}
                _ => assert!(!kept, "{}", spec.id),
            }
        }
    }

    #[test]
    fn scenes_contain_only_parameters_that_are_saved_everywhere() {
        for spec in TABLE.iter().filter(|spec| spec.policy.scene) {
            assert_eq!(spec.policy.saved, Saved::Everywhere, "{}", spec.id);
            assert_ne!(spec.lane(), Lane::Daemon, "{}", spec.id);
        }
    }

    #[test]
    fn changing_the_mood_ends_a_journey() {
        for param in Param::all().filter(|param| param.is_mood()) {
            assert!(param.policy().ends_journey, "{param:?}");
        }
    }
}
