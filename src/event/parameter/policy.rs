//! What the program does with a parameter beyond setting it: what it reaches, who keeps it, what it interrupts.
//!
//! Each row of the parameter table names a policy of the table below, and each policy fills every column, so a rule
//! cannot be forgotten for a new parameter, nor a parameter for a new rule.

use super::{Lane, Param, TABLE};

/// What a change reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The audio engine.
    Engine,
    /// The mood; the parameter is one of its faces.
    Mood,
    /// How the network plays.
    Network,
    /// The tonic or the scale, and with it how the network plays.
    Harmony,
    /// The chord that a performer leads with.
    Lead,
    /// The frames that beats fall on, and with them how the network plays.
    Tempo,
    /// Everything random, which starts anew.
    Seed,
    /// Nothing by itself; it says how later changes arrive.
    Later,
    /// Presets, scenes and recordings, which the daemon looks after.
    Daemon,
}

impl Effect {
    /// How a change travels there.
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

    /// Whether the network has to be asked for something else when the value changes. The mood and the lead say so
    /// themselves, since several parameters, or a keyboard, may have brought the same one about.
    #[must_use]
    pub const fn steers_network(self) -> bool {
        matches!(self, Self::Network | Self::Harmony | Self::Tempo | Self::Seed)
    }

    /// Whether the harmony goes on differently from the next beat when the value changes.
    #[must_use]
    pub const fn steers_harmony(self) -> bool {
        matches!(self, Self::Harmony | Self::Seed)
    }
}

/// What loading a preset does to a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InPreset {
    /// It takes the preset's value, or its default where the preset does not name it.
    Reset,
    /// It takes the preset's value, and stays where the preset does not name it: the mood, and what a performer sets for
    /// the evening.
    Kept,
    /// A preset cannot name it.
    Refused,
}

/// Where a parameter is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saved {
    /// In the saved state, in stored scenes and at the head of control logs: it is part of how the music sounds.
    Everywhere,
    /// In the saved state alone.
    State,
    /// Nowhere: it belongs to the moment.
    Nowhere,
}

/// The rules that a parameter follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// What a change reaches.
    pub effect: Effect,
    /// Whether a change waits for the beat or bar that `quantize` asks for.
    pub quantized: bool,
    /// What loading a preset does to it.
    pub preset: InPreset,
    /// Whether recalling a scene changes it.
    pub scene: bool,
    /// Where it is kept.
    pub saved: Saved,
    /// Whether somebody who sets it has taken over, so that a preset's journey under way ends.
    pub ends_journey: bool,
    /// Whether controllers are told all values again after it: it sets many others, and some devices change pages with it.
    pub retells: bool,
}

macro_rules! policies {
    ($($(#[$doc:meta])* $name:ident: $effect:ident, $quantized:literal, $preset:ident, $scene:literal, $saved:ident, $ends:literal, $retells:literal;)*) => {
        $($(#[$doc])* pub(super) const $name: Policy = Policy {
            effect: Effect::$effect,
            quantized: $quantized,
            preset: InPreset::$preset,
            scene: $scene,
            saved: Saved::$saved,
            ends_journey: $ends,
            retells: $retells,
        };)*
    };
}

policies! {
    //          effect  quantized preset  scene  saved       ends_journey retells
    MOOD:       Mood,    true,    Kept,    true,  Everywhere, true,       false;
    NETWORK:    Network, true,    Reset,   true,  Everywhere, false,      false;
    HARMONY:    Harmony, true,    Reset,   true,  Everywhere, false,      false;
    LEAD:       Lead,    true,    Reset,   true,  Everywhere, false,      false;
    /// Setting a tempo pins it, so a preset that names none must leave it alone and give it back to the mood instead.
    TEMPO:      Tempo,   false,   Kept,    true,  Everywhere, false,      false;
    TEMPO_FROM: Tempo,   false,   Reset,   true,  Everywhere, false,      false;
    /// Another face of the source.
    TEMPO_FACE: Tempo,   false,   Kept,    false, Nowhere,    false,      false;
    GLIDE:      Later,   false,   Reset,   true,  Everywhere, false,      false;
    QUANTIZE:   Later,   false,   Kept,    false, Everywhere, false,      false;
    /// Set for the evening, by hand or by a sensor.
    EVENING:    Later,   false,   Kept,    false, Everywhere, false,      false;
    SEED:       Seed,    true,    Kept,    false, Everywhere, false,      false;
    /// Part of a sound.
    SOUND:      Engine,  false,   Reset,   true,  Everywhere, false,      false;
    /// Part of a sound that a performer balances for the evening.
    MIX:        Engine,  false,   Kept,    true,  Everywhere, false,      false;
    /// Whether anything is heard just now.
    MOMENT:     Engine,  false,   Kept,    false, Nowhere,    false,      false;
    PANIC:      Engine,  false,   Refused, false, Nowhere,    false,      false;
    PRESET:     Daemon,  false,   Refused, false, State,      true,       true;
    BROWSE:     Daemon,  false,   Refused, false, Nowhere,    true,       false;
    RECALL:     Daemon,  false,   Refused, false, Nowhere,    true,       true;
    /// Something the daemon does once.
    ACT:        Daemon,  false,   Refused, false, Nowhere,    false,      false;
    /// How the daemon does it.
    OPTION:     Daemon,  false,   Refused, false, State,      false,      false;
}

impl Param {
    /// The rules that it follows.
    #[must_use]
    pub const fn policy(self) -> &'static Policy {
        &self.spec().policy
    }

    /// Every parameter, in the order of the table.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> + Clone {
        TABLE.iter().map(|spec| spec.param)
    }

    /// Whether it is one of the faces of the mood.
    #[must_use]
    pub fn is_mood(self) -> bool {
        self.policy().effect == Effect::Mood
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::parameter::Kind;

    #[test]
    fn what_has_no_value_is_kept_nowhere() {
        for spec in TABLE.iter().filter(|spec| spec.kind == Kind::Trigger) {
            let Policy { preset, scene, saved, .. } = spec.policy;
            assert_eq!((preset, scene, saved), (InPreset::Refused, false, Saved::Nowhere), "{}", spec.id);
        }
    }

    #[test]
    fn a_scene_holds_only_what_is_stored_with_it() {
        for spec in TABLE.iter().filter(|spec| spec.policy.scene) {
            assert_eq!(spec.policy.saved, Saved::Everywhere, "{}", spec.id);
            assert_ne!(spec.lane(), Lane::Daemon, "{}", spec.id);
        }
    }

    #[test]
    fn a_change_of_mood_ends_a_journey() {
        for param in Param::all().filter(|param| param.is_mood()) {
            assert!(param.policy().ends_journey, "{param:?}");
        }
    }
}
