//! Musical forms: the order in which phrases return.

use serde::{Deserialize, Serialize};

/// A form. In each form but [`MusicalForm::Free`], every cycle of phrases begins with new music; phrases with the same letter
/// share theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum MusicalForm {
    /// Phrases return at random, mostly in their original order.
    #[default]
    Free,
    /// Song form.
    Aaba,
    /// Verse and chorus.
    Abab,
    /// Rondo.
    Abaca,
    /// A theme and its variations.
    Aaaa,
}

impl MusicalForm {
    /// All forms, in the order of [`MusicalForm::NAMES`].
    const ALL: [Self; 5] = [Self::Free, Self::Aaba, Self::Abab, Self::Abaca, Self::Aaaa];
    /// Names in the parameter table.
    pub const NAMES: [&str; 5] = ["free", "aaba", "abab", "abaca", "aaaa"];

    /// Returns the form at a position in [`MusicalForm::NAMES`]; [`MusicalForm::Free`] if the position is invalid.
    #[must_use]
    pub fn at(position: u8) -> Self {
        Self::ALL.get(usize::from(position)).copied().unwrap_or_default()
    }

    /// Returns how many phrases ago the phrase with the letter of phrase `number` was first played in the current cycle: 0 if
    /// this is the first. Returns `None` if phrases return freely.
    #[must_use]
    pub fn phrases_since_original(self, number: u64) -> Option<u64> {
        if self == Self::Free {
            return None;
        }
        let letters = Self::NAMES[self as usize].as_bytes();
        let position = (number % letters.len() as u64) as usize;
        letters.iter().position(|letter| *letter == letters[position]).map(|first| (position - first) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cycle_begins_with_new_music() {
        let since = |position| {
            (10..15).map(|number| MusicalForm::at(position).phrases_since_original(number)).collect::<Vec<_>>()
        };
        assert_eq!(since(0), [None; 5]);
        assert_eq!(since(3), [0, 0, 2, 0, 4].map(Some), "abaca");
        let aaba: Vec<_> = (8..12).map(|number| MusicalForm::Aaba.phrases_since_original(number).unwrap()).collect();
        assert_eq!(aaba, [0, 1, 0, 3]);
        assert_eq!(MusicalForm::at(99), MusicalForm::Free);
    }

    #[test]
    fn positions_match_the_names() {
        for (position, form) in (0u8..).zip(MusicalForm::ALL) {
            assert_eq!((MusicalForm::at(position), form as u8), (form, position));
            assert!(MusicalForm::NAMES[usize::from(position)].eq_ignore_ascii_case(&format!("{form:?}")));
        }
    }
}
