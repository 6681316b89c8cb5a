//! Chords as degrees of a key, written as Roman numerals.

use crate::music::theory::{Chord, Key, Quality};

/// A chord's function in its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    /// Stable: the tonic and its relatives.
    Tonic,
    /// Leads to a dominant, or to the tonic in a plagal cadence.
    Predominant,
    /// Unstable: resolves to the tonic.
    Dominant,
}

impl Function {
    /// Parses the letter `T`, `P` or `D`.
    pub(super) fn from_letter(letter: &str) -> Option<Self> {
        match letter {
            "T" => Some(Self::Tonic),
            "P" => Some(Self::Predominant),
            "D" => Some(Self::Dominant),
            _ => None,
        }
    }
}

/// A chord relative to a tonic. In every mode, numerals refer to the major scale, so the sixth degree of minor is `bVI`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Numeral {
    /// Semitones from the tonic up to the root, 0..12.
    pub degree: u8,
    /// The chord's quality.
    pub quality: Quality,
}

impl Numeral {
    /// Parses a numeral such as `IV`, `bVII`, `#iv`, `viio7`, `bIII+` or `V7/ii`; returns `None` for anything else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Some((applied, target)) = text.split_once('/') {
            let (applied, target) = (Self::parse(applied)?, Self::parse(target)?);
            return Some(Self { degree: (applied.degree + target.degree) % 12, quality: applied.quality });
        }
        let accidentals = text.len() - text.trim_start_matches(['b', '#']).len();
        let (accidentals, rest) = text.split_at(accidentals);
        let roman = rest.len() - rest.trim_start_matches(['I', 'V', 'i', 'v']).len();
        let (roman, suffix) = rest.split_at(roman);
        let natural: i32 = match roman.to_ascii_uppercase().as_str() {
            "I" => 0,
            "II" => 2,
            "III" => 4,
            "IV" => 5,
            "V" => 7,
            "VI" => 9,
            "VII" => 11,
            _ => return None,
        };
        let shift: i32 = accidentals.chars().map(|c| if c == 'b' { -1 } else { 1 }).sum();
        let quality = match (roman.starts_with(['I', 'V']), suffix) {
            (true, "") => Quality::Major,
            (true, "7") => Quality::Dominant7,
            (true, "+") => Quality::Augmented,
            (false, "") => Quality::Minor,
            (false, "o") => Quality::Diminished,
            (false, "o7") => Quality::Diminished7,
            _ => return None,
        };
        u8::try_from((natural + shift).rem_euclid(12)).ok().map(|degree| Self { degree, quality })
    }

    /// Returns the chord on a tonic, in root position.
    pub(super) const fn chord_on(self, tonic: u8) -> Chord {
        Chord::new(tonic % 12 + self.degree, self.quality)
    }

    /// Returns whether all tones of the chord belong to the key.
    pub(super) fn is_diatonic(self, key: Key) -> bool {
        self.chord_on(key.tonic).pitch_classes().all(|pitch| key.contains(pitch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_numerals() {
        let chord = |text| Numeral::parse(text).map(|numeral| numeral.chord_on(0).to_string());
        for (text, symbol) in [
            ("I", "C"),
            ("bVII", "Bb"),
            ("ii", "Dm"),
            ("viio7", "Bdim7"),
            ("bIII+", "Ebaug"),
            ("#iv", "F#m"),
            ("V7/ii", "A7"),
            ("V/V", "D"),
            ("V7/IV", "C7"),
        ] {
            assert_eq!(chord(text).as_deref(), Some(symbol), "{text}");
        }
        for invalid in ["", "b", "VIII", "Ix", "iI7", "V7/"] {
            assert_eq!(chord(invalid), None, "{invalid}");
        }
    }
}
