//! Notes as the networks represent them: units, classes, and the widths of the networks' inputs.
//!
//! `models/training/melos_training/composer/layout.py`, `composer/conditions.py` and `pianist/layout.py` define the same
//! for training.

use serde::{Deserialize, Serialize};

/// Positions within a latent at which a note can begin; one hop each.
pub const OFFSETS: usize = 8;
/// MIDI note of the lowest key.
pub(super) const LOWEST_KEY: u8 = 21;
/// Keys of a piano.
pub const KEYS: usize = 88;
/// Accompaniment and melody.
pub const VOICES: usize = 2;
/// The voice of a note of the melody.
pub(super) const MELODY: u8 = 1;
/// The melody's last key before there is one.
pub(super) const NO_MELODY: u8 = KEYS as u8;
/// Velocity classes.
pub const VELOCITIES: usize = 32;
/// MIDI velocities per class.
pub(super) const VELOCITY_WIDTH: u8 = 4;
/// Duration classes.
pub const DURATIONS: usize = 24;
/// Key-down times of the first and the last class, in seconds; the others are evenly spaced on a logarithmic scale.
const SHORTEST: f64 = 0.03;
const LONGEST: f64 = 6.0;
/// Pedal actions; see [`Pedal`].
pub const PEDALS: usize = 3;

/// Bars after which a note is remembered.
pub(super) const LAGS: [u32; 4] = [1, 2, 4, 8];
/// The memory's slots: one for each lag, and one for the phrase that returns.
pub(super) const SLOTS: usize = LAGS.len() + 1;
/// Counts in a slot: struck keys of each voice, then offsets, velocities (and the unknown one) and durations.
pub(super) const SLOT_WIDTH: usize = VOICES * KEYS + OFFSETS + VELOCITIES + 1 + DURATIONS;
/// Length of the memory.
pub const MEMORY_WIDTH: usize = SLOTS * SLOT_WIDTH;
/// Length of the composer's conditions of a latent: values, then one mask per group, 1 where known.
pub const FRAME_WIDTH: usize = 66;
/// Length of its conditions of an offset: pitch classes of the chord, bass, and harmonics 1 to 4 of the beat's phase.
pub const FINE_WIDTH: usize = 32;
/// Length of the sounding notes: keys held down, then strings that only the pedal sustains.
pub const SOUNDING_WIDTH: usize = 2 * KEYS;

/// Hops by which the pianist's roll runs ahead of its mel frames, whose windows extend beyond their centre.
pub const AHEAD: usize = 2;
/// Values for each key in the roll: attack, force, held, young, old, rise.
pub(super) const CHANNELS: usize = 6;
/// Length of the roll of a hop: the channels of every key, whether the pedal is down, and whether that is known.
pub const ROLL_WIDTH: usize = CHANNELS * KEYS + 2;
/// Length of the pianist's mood: emotion, affect and their masks.
pub const MOOD_WIDTH: usize = 12;

/// Hops for which the pedal stays up in a pedal change, if the latent is long enough.
pub const LIFT: u8 = 4;

/// The pedal action of a latent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Pedal {
    /// It is up at the end of the latent.
    #[default]
    Up,
    /// It is down.
    Down,
    /// It is lifted and pressed again.
    Changed,
}

impl Pedal {
    /// The pedal of a class.
    pub(super) const fn of(class: usize) -> Self {
        match class {
            0 => Self::Up,
            1 => Self::Down,
            _ => Self::Changed,
        }
    }
}

/// A note as the composer writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WrittenNote {
    /// Position in the latent at which it begins, below [`OFFSETS`].
    pub offset: u8,
    /// 1 if it belongs to the melody.
    pub voice: u8,
    /// Key from the lowest, below [`KEYS`].
    pub key: u8,
    /// Velocity class, below [`VELOCITIES`].
    pub velocity: u8,
    /// Duration class, below [`DURATIONS`].
    pub duration: u8,
}

impl WrittenNote {
    /// Its properties in the order in which the composer chooses them.
    pub(super) fn parts(self) -> [f32; 5] {
        [self.offset, self.voice, self.key, self.velocity, self.duration].map(f32::from)
    }

    /// Whether it belongs to the melody.
    #[must_use]
    pub const fn is_melody(self) -> bool {
        self.voice == MELODY
    }

    /// Its MIDI velocity: the centre of its class.
    #[must_use]
    pub const fn midi_velocity(self) -> u8 {
        self.velocity * VELOCITY_WIDTH + VELOCITY_WIDTH / 2
    }

    /// Its MIDI note number.
    #[must_use]
    pub const fn midi_note(self) -> u8 {
        self.key + LOWEST_KEY
    }

    /// Seconds for which its key is held.
    #[must_use]
    pub fn seconds(self) -> f64 {
        SHORTEST * (LONGEST / SHORTEST).powf(f64::from(self.duration) / (DURATIONS - 1) as f64)
    }
}

/// What the composer writes for one latent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WrittenFrame {
    /// The pedal action.
    pub pedal: Pedal,
    /// The offset at which the pedal moves, if it does.
    pub pedal_offset: u8,
    /// The notes that begin, in ascending order of offset, then key.
    pub notes: Vec<WrittenNote>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_cover_their_range_evenly() {
        let seconds = |duration| WrittenNote { duration, ..WrittenNote::default() }.seconds();
        assert!((seconds(0) - 0.03).abs() < 1e-12 && (seconds(23) - 6.0).abs() < 1e-9);
        assert!((seconds(2) / seconds(1) - seconds(20) / seconds(19)).abs() < 1e-9);
        let hardest = WrittenNote { velocity: 31, key: 87, ..WrittenNote::default() };
        assert_eq!((hardest.midi_velocity(), hardest.midi_note()), (126, 108));
    }
}
