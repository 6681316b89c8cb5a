//! The conditions of one latent, in the layout shared by corpus preparation, training and playback.

use crate::music::emotion::{Affect, Emotion};

/// The conditions of one latent. `None` means unknown in corpus preparation and unconstrained in playback.
///
/// In corpus preparation, chord and bass cover the notes that sound within half a second on either side of the latent's
/// middle; density, loudness and register cover the onsets within one second on either side; emotion and affect cover
/// the sixteen seconds around the latent. Beat and bar phase are taken at the start of the latent.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Conditions {
    /// Weights of the eight emotions, which sum to 1.
    pub emotion: Option<[f32; Emotion::COUNT]>,
    /// Valence and arousal.
    pub affect: Option<Affect>,
    /// Sounding pitch classes, weighted by duration and scaled to a maximum of 1.
    pub chord: Option<[f32; 12]>,
    /// Pitch class of the lowest sounding note.
    pub bass: Option<u8>,
    /// Position within the beat, 0..1.
    pub beat_phase: Option<f32>,
    /// Position within the bar, 0..1.
    pub bar_phase: Option<f32>,
    /// Beats per minute.
    pub tempo_bpm: Option<f32>,
    /// Note onsets per second.
    pub density: Option<f32>,
    /// Mean MIDI velocity of the onsets, with each corpus normalised to mean 64 and standard deviation 14.
    pub loudness: Option<f32>,
    /// Mean MIDI note number of the onsets.
    pub register: Option<f32>,
}

/// Length of the vector from [`Conditions::to_vector`]: the values, then one mask per group.
pub const CONDITION_COUNT: usize = VALUE_COUNT + GROUP_COUNT;
/// Number of values in the vector.
pub const VALUE_COUNT: usize = 42;
/// Number of groups that can be masked: one for each field of [`Conditions`], in the same order.
pub const GROUP_COUNT: usize = 10;

/// Names of the groups, in the order of the masks.
pub const GROUP_NAMES: [&str; GROUP_COUNT] =
    ["emotion", "affect", "chord", "bass", "beat", "bar", "tempo", "density", "loudness", "register"];

/// A linear scale that maps a quantity to about −1..1: `(x − middle) / width`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// The value that maps to 0.
    pub middle: f32,
    /// The distance from `middle` that maps to 1.
    pub width: f32,
}

impl Scale {
    /// Scales a value.
    #[must_use]
    pub fn apply(self, x: f32) -> f32 {
        (x - self.middle) / self.width
    }
}

/// Scale of the density, applied to `ln(1 + onsets per second)`.
pub const DENSITY_SCALE: Scale = Scale { middle: 1.8, width: 0.7 };
/// Scale of the loudness, a MIDI velocity.
pub const LOUDNESS_SCALE: Scale = Scale { middle: 64.0, width: 20.0 };
/// Scale of the register, a MIDI note number.
pub const REGISTER_SCALE: Scale = Scale { middle: 60.0, width: 12.0 };
/// The tempo in beats per minute that maps to 0; twice this tempo maps to 1.
pub const TEMPO_MIDDLE_BPM: f32 = 120.0;

/// Range of each group's values in the vector, in the order of the masks.
pub const GROUP_VALUES: [std::ops::Range<usize>; GROUP_COUNT] =
    [0..8, 8..10, 10..22, 22..34, 34..36, 36..38, 38..39, 39..40, 40..41, 41..42];

impl Conditions {
    /// Returns the network's input: values scaled to about −1..1, 0 where unknown, then one mask per group, 1 if known.
    ///
    /// Phases become cosine and sine; the tempo becomes its distance from [`TEMPO_MIDDLE_BPM`] in octaves; density,
    /// loudness and register are scaled by [`DENSITY_SCALE`], [`LOUDNESS_SCALE`] and [`REGISTER_SCALE`].
    #[must_use]
    pub fn to_vector(&self) -> [f32; CONDITION_COUNT] {
        let mut vector = [0.0; CONDITION_COUNT];
        let bass = self.bass.map(|pitch| {
            let mut one_hot = [0.0; 12];
            one_hot[usize::from(pitch % 12)] = 1.0;
            one_hot
        });
        let cos_sin = |phase: f32| {
            let angle = phase * std::f32::consts::TAU;
            [angle.cos(), angle.sin()]
        };
        let affect = self.affect.map(|affect| [affect.valence, affect.arousal]);
        let beat = self.beat_phase.map(cos_sin);
        let bar = self.bar_phase.map(cos_sin);
        let tempo = self.tempo_bpm.map(|bpm| [(bpm / TEMPO_MIDDLE_BPM).log2()]);
        let density = self.density.map(|density| [DENSITY_SCALE.apply(density.ln_1p())]);
        let loudness = self.loudness.map(|velocity| [LOUDNESS_SCALE.apply(velocity)]);
        let register = self.register.map(|note| [REGISTER_SCALE.apply(note)]);
        let groups: [Option<&[f32]>; GROUP_COUNT] = [
            self.emotion.as_ref().map(|x| &x[..]),
            affect.as_ref().map(|x| &x[..]),
            self.chord.as_ref().map(|x| &x[..]),
            bass.as_ref().map(|x| &x[..]),
            beat.as_ref().map(|x| &x[..]),
            bar.as_ref().map(|x| &x[..]),
            tempo.as_ref().map(|x| &x[..]),
            density.as_ref().map(|x| &x[..]),
            loudness.as_ref().map(|x| &x[..]),
            register.as_ref().map(|x| &x[..]),
        ];
        for (index, (group, range)) in groups.into_iter().zip(GROUP_VALUES).enumerate() {
            if let Some(values) = group {
                vector[range].copy_from_slice(values);
                vector[VALUE_COUNT + index] = 1.0;
            }
        }
        vector
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_conditions_are_zeros() {
        assert_eq!(Conditions::default().to_vector(), [0.0; CONDITION_COUNT]);
    }

    #[test]
    fn a_group_sets_its_values_and_its_mask() {
        let known = Conditions { bass: Some(9), tempo_bpm: Some(240.0), ..Conditions::default() }.to_vector();
        assert_eq!(known[22 + 9], 1.0);
        assert_eq!(known[38], 1.0);
        assert_eq!(known[VALUE_COUNT + 3], 1.0);
        assert_eq!(known[VALUE_COUNT + 6], 1.0);
        assert_eq!(known.iter().filter(|x| **x != 0.0).count(), 4);
    }

    #[test]
    fn group_names_are_in_mask_order() {
        let unknown = Conditions::default();
        let alone = [
            ("emotion", Conditions { emotion: Some([0.125; Emotion::COUNT]), ..unknown }),
            ("affect", Conditions { affect: Some(Affect::default()), ..unknown }),
            ("chord", Conditions { chord: Some([1.0; 12]), ..unknown }),
            ("bass", Conditions { bass: Some(0), ..unknown }),
            ("beat", Conditions { beat_phase: Some(0.0), ..unknown }),
            ("bar", Conditions { bar_phase: Some(0.0), ..unknown }),
            ("tempo", Conditions { tempo_bpm: Some(120.0), ..unknown }),
            ("density", Conditions { density: Some(4.0), ..unknown }),
            ("loudness", Conditions { loudness: Some(64.0), ..unknown }),
            ("register", Conditions { register: Some(60.0), ..unknown }),
        ];
        assert_eq!(alone.len(), GROUP_COUNT);
        for (name, conditions) in alone {
            let vector = conditions.to_vector();
            let known = GROUP_NAMES.into_iter().zip(&vector[VALUE_COUNT..]).filter(|(_, mask)| **mask == 1.0);
            assert_eq!(known.map(|(name, _)| name).collect::<Vec<_>>(), [name]);
        }
    }

    #[test]
    fn the_groups_cover_all_values_without_overlap() {
        let mut next = 0;
        for range in GROUP_VALUES {
            assert_eq!(range.start, next);
            next = range.end;
        }
        assert_eq!(next, VALUE_COUNT);
    }
}
