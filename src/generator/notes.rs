//! Notes as the networks represent them: units, classes, and the widths of the networks' inputs.
//!
//! `models/training/melos_training/composer/layout.py`, `composer/conditions.py` and `pianist/layout.py` contain the same
//! definitions for training.

use serde::{Deserialize, Serialize};

/// Number of positions within a latent at which a note can begin, one hop apart.
pub const OFFSETS: usize = 8;
/// MIDI note number of the lowest key.
pub(super) const LOWEST_KEY: u8 = 21;
/// Number of keys on a piano.
pub const KEYS: usize = 88;
/// Number of voices: accompaniment and melody.
pub const VOICES: usize = 2;
/// Voice of the melody.
pub(super) const MELODY: u8 = 1;
/// Used in place of the melody's last key until the first melody note.
pub(super) const NO_MELODY: u8 = KEYS as u8;
/// Number of velocity classes.
pub const VELOCITIES: usize = 32;
/// MIDI velocities per class.
pub(super) const VELOCITY_WIDTH: u8 = 4;
/// Number of duration classes.
pub const DURATIONS: usize = 24;
/// Durations of the first and the last class, in seconds; the others are evenly spaced on a logarithmic scale.
const MIN_SECONDS: f64 = 0.03;
const MAX_SECONDS: f64 = 6.0;
/// [`WrittenNote::duration`] of a note that the performer plays: it lasts until a [`Release`] of its key.
pub(crate) const HELD: u8 = DURATIONS as u8;
/// The duration class by which the networks know a held note, since its end is still unknown: 0.5 s.
const HELD_CLASS: u8 = 12;
/// Number of pedal actions; see [`Pedal`].
pub const PEDALS: usize = 3;

/// The memory's lags, in bars.
pub(super) const LAGS: [u32; 4] = [1, 2, 4, 8];
/// The memory's slots: one for each lag, and one for the recalled phrase.
pub(super) const SLOTS: usize = LAGS.len() + 1;
/// Number of counts in a slot: keys of each voice, then offsets, velocities (plus one for unknown) and durations.
pub(super) const SLOT_WIDTH: usize = VOICES * KEYS + OFFSETS + VELOCITIES + 1 + DURATIONS;
/// Length of the memory input.
pub const MEMORY_WIDTH: usize = SLOTS * SLOT_WIDTH;
/// Length of the composer's conditions for a latent: values, then one mask per group, 1 if constrained.
pub const STEP_WIDTH: usize = 66;
/// Length of the composer's conditions for an offset: the chord's pitch classes, the bass's pitch class, and harmonics 1
/// to 4 of the beat phase.
pub const FINE_WIDTH: usize = 32;
/// Length of the input for sounding notes: keys held down, then strings that only the pedal sustains.
pub const SOUNDING_WIDTH: usize = 2 * KEYS;

/// Number of hops by which the pianist's roll is ahead of its mel frames, whose windows extend beyond their centres.
pub const AHEAD: usize = 2;
/// Values per key in the roll: attack, attack velocity, sounding velocity, the same with fast and with slow decay,
/// and release.
pub(super) const CHANNELS: usize = 6;
/// Length of a hop's roll: the channels of every key, whether the pedal is down, and whether its state is known.
pub const ROLL_WIDTH: usize = CHANNELS * KEYS + 2;
/// Length of the pianist's mood input: emotion, affect and their masks.
pub const MOOD_WIDTH: usize = 12;

/// Number of hops for which a pedal change lifts the pedal; fewer if the latent ends earlier.
pub const PEDAL_LIFT_HOPS: u8 = 4;

/// The pedal action of a latent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Pedal {
    /// The pedal is up at the end of the latent.
    #[default]
    Up,
    /// The pedal is down at the end of the latent.
    Down,
    /// The pedal is raised and pressed again.
    Changed,
}

impl Pedal {
    /// Returns the action for a class chosen by the composer.
    pub(super) const fn from_class(class: usize) -> Self {
        match class {
            0 => Self::Up,
            1 => Self::Down,
            _ => Self::Changed,
        }
    }
}

/// A note, as classes chosen by the composer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WrittenNote {
    /// Position in the latent at which the note begins, below [`OFFSETS`].
    pub offset: u8,
    /// 1 for the melody, 0 for the accompaniment.
    pub voice: u8,
    /// Key, counted from the lowest; below [`KEYS`].
    pub key: u8,
    /// Velocity class, below [`VELOCITIES`].
    pub velocity: u8,
    /// Duration class, below [`DURATIONS`], or [`DURATIONS`] if the note lasts until a [`Release`].
    pub duration: u8,
}

impl WrittenNote {
    /// Returns the classes in the order in which the composer chooses them.
    pub(super) fn classes(self) -> [f32; 5] {
        [self.offset, self.voice, self.key, self.velocity, self.duration_class()].map(f32::from)
    }

    /// Returns the duration class for the networks.
    pub(super) const fn duration_class(self) -> u8 {
        if self.is_held() { HELD_CLASS } else { self.duration }
    }

    /// Returns whether the note lasts until a [`Release`] of its key.
    #[must_use]
    pub const fn is_held(self) -> bool {
        self.duration == HELD
    }

    /// Returns whether the note belongs to the melody.
    #[must_use]
    pub const fn is_melody(self) -> bool {
        self.voice == MELODY
    }

    /// Returns the MIDI velocity at the centre of the class.
    #[must_use]
    pub const fn midi_velocity(self) -> u8 {
        self.velocity * VELOCITY_WIDTH + VELOCITY_WIDTH / 2
    }

    /// Returns the MIDI note number.
    #[must_use]
    pub const fn midi_note(self) -> u8 {
        self.key + LOWEST_KEY
    }

    /// Returns how long the key is held, in seconds; 0.5 s for a note that lasts until a [`Release`].
    #[must_use]
    pub fn seconds(self) -> f64 {
        MIN_SECONDS * (MAX_SECONDS / MIN_SECONDS).powf(f64::from(self.duration_class()) / (DURATIONS - 1) as f64)
    }
}

/// The end of a note that the performer plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Position in the latent at which the key is released, below [`OFFSETS`].
    pub offset: u8,
    /// Key, counted from the lowest; below [`KEYS`].
    pub key: u8,
}

impl Release {
    /// Returns the MIDI note number.
    #[must_use]
    pub const fn midi_note(self) -> u8 {
        self.key + LOWEST_KEY
    }
}

/// The notes and pedal of one latent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StepNotes {
    /// The pedal action.
    pub pedal: Pedal,
    /// The offset at which the pedal moves.
    pub pedal_offset: u8,
    /// The notes that begin, in ascending order of offset, then key; after the piano's top key, a lower key may
    /// follow at the same offset, since no higher one is left.
    pub notes: Vec<WrittenNote>,
    /// The releases of held notes, in ascending order of offset. At the same offset, they precede the notes.
    pub releases: Vec<Release>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_classes_are_evenly_spaced_on_a_logarithmic_scale() {
        let seconds = |duration| WrittenNote { duration, ..WrittenNote::default() }.seconds();
        assert!((seconds(0) - 0.03).abs() < 1e-12 && (seconds(23) - 6.0).abs() < 1e-9);
        assert!((seconds(2) / seconds(1) - seconds(20) / seconds(19)).abs() < 1e-9);
        let highest = WrittenNote { velocity: 31, key: 87, ..WrittenNote::default() };
        assert_eq!((highest.midi_velocity(), highest.midi_note()), (126, 108));
    }
}
