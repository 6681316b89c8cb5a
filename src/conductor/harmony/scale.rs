//! The scale of a melodic line over a chord.

use crate::music::theory::{Chord, Key};

/// The scale of a key adapted to a chord. Each chord tone outside the key replaces a neighbouring degree that is not itself
/// a chord tone: the one below for leading tones (major thirds and sevenths, augmented fifths), the one above for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scale([bool; 12]);

impl Scale {
    /// Adapts the scale of a key to a chord.
    pub(super) fn over(chord: &Chord, key: Key) -> Self {
        let mut scale = [0u8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11].map(|pitch| key.contains(pitch));
        for interval in chord.quality.intervals() {
            let pitch = (chord.root + interval) % 12;
            if !key.contains(pitch) {
                let altered = (pitch + if matches!(interval, 4 | 8 | 11) { 11 } else { 1 }) % 12;
                scale[usize::from(altered)] &= chord.contains(altered);
                scale[usize::from(pitch)] = true;
            }
        }
        Self(scale)
    }

    /// Returns whether the scale contains a note.
    pub(super) fn contains(&self, note: u8) -> bool {
        self.0[usize::from(note % 12)]
    }

    /// Returns the note `steps` scale steps above a note, or below it if negative. From a note outside the scale, steps up count
    /// from the scale note below it and steps down from the one above it.
    pub(super) fn step(&self, note: u8, steps: i32) -> u8 {
        let mut note = i32::from(note);
        while steps >= 0 && !self.contains(note.rem_euclid(12) as u8) {
            note -= 1;
        }
        for _ in 0..steps.abs() {
            note += steps.signum();
            while !self.contains(note.rem_euclid(12) as u8) {
                note += steps.signum();
            }
        }
        note.clamp(0, 127) as u8
    }
}

/// Returns the note of a pitch class nearest to `target` within a range of at least an octave; ties go to the lower one.
pub(super) fn nearest(pitch_class: u8, target: f32, range: std::ops::RangeInclusive<u8>) -> u8 {
    let distance = |note: &u8| (f32::from(*note) - target).abs();
    let (lowest, candidates) = (*range.start(), range.filter(|note| note % 12 == pitch_class % 12));
    candidates.min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or(lowest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::music::theory::Mode;

    #[test]
    fn a_borrowed_chord_alters_the_scale() {
        let key = Key { tonic: 0, mode: Mode::Major };
        let scale = Scale::over(&Chord::parse("Fm").unwrap(), key);
        assert!((0..12).filter(|note| scale.contains(*note)).eq([0, 2, 4, 5, 7, 8, 11]));
        let scale = Scale::over(&Chord::parse("D").unwrap(), key);
        assert!((0..12).filter(|note| scale.contains(*note)).eq([0, 2, 4, 6, 7, 9, 11]));
    }

    #[test]
    fn steps_follow_the_scale() {
        let key = Key { tonic: 0, mode: Mode::Major };
        let scale = Scale::over(&Chord::parse("C").unwrap(), key);
        assert_eq!(scale.step(60, 2), 64);
        assert_eq!(scale.step(60, -1), 59);
        assert_eq!(scale.step(61, 1), 62);
        assert_eq!(scale.step(61, 0), 60);
        assert_eq!(scale.step(61, -1), 60);
    }

    #[test]
    fn the_nearest_note_is_in_range() {
        assert_eq!(nearest(0, 61.0, 50..=74), 60);
        assert_eq!(nearest(6, 60.0, 50..=74), 54);
        assert_eq!(nearest(1, 10.0, 50..=74), 61);
    }
}
