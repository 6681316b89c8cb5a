//! Names of modes and keys.

use super::note::leading_notes;
use super::plain;
use crate::music::theory::{Key, Mode};

/// What a word in the name of a mode means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Is(Mode),
    Harmonic,
    Natural,
    /// Adds nothing.
    Scale,
}

/// The words, in lower case and without diacritics: English with abbreviations, then French, German, Spanish and Italian.
const WORDS: [(Word, &[&str]); 11] = [
    (
        Word::Is(Mode::Major),
        &["major", "maj", "ma", "ionian", "ion", "majeur", "ionien", "dur", "ionisch", "mayor", "maggiore"],
    ),
    (Word::Is(Mode::Minor), &["minor", "min", "mi", "mineur", "moll", "menor", "minore"]),
    (Word::Is(Mode::Minor), &["aeolian", "eolian", "aeol", "eolien", "aolisch", "aeolisch"]),
    (Word::Is(Mode::Dorian), &["dorian", "dor", "dorien", "dorisch"]),
    (Word::Is(Mode::Phrygian), &["phrygian", "phryg", "phr", "phrygien", "phrygisch"]),
    (Word::Is(Mode::Lydian), &["lydian", "lyd", "lydien", "lydisch"]),
    (Word::Is(Mode::Mixolydian), &["mixolydian", "mixo", "mix", "mixolydien", "mixolydisch"]),
    (Word::Is(Mode::HarmonicMinor), &["harmonicminor"]),
    (Word::Harmonic, &["harmonic", "harm", "harmonique", "harmonisch"]),
    (Word::Natural, &["natural", "naturel", "naturlich"]),
    (Word::Scale, &["scale", "mode"]),
];

impl Word {
    /// Returns a word's meaning. A single letter is major or minor by its case.
    fn read(word: &str) -> Option<Self> {
        match word {
            "M" => return Some(Self::Is(Mode::Major)),
            "m" => return Some(Self::Is(Mode::Minor)),
            _ => {}
        }
        let is_known = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(word));
        WORDS.iter().find_map(|(meaning, names)| is_known(names).then_some(*meaning))
    }
}

impl Mode {
    /// Parses a mode in the spellings that musicians use, ignoring case except for `M` and `m`: `minor`, `Min`, `moll`,
    /// `aeolian`, `harmonic minor`, `mineur harmonique`, `Dur`, `mixo`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        mode(&plain(name))
    }
}

/// Parses a plain text that is nothing but a mode.
pub(super) fn mode(text: &str) -> Option<Mode> {
    let mut words = text.split([' ', '-', '_']).filter(|word| !word.is_empty()).map(Word::read);
    let (first, second, third, rest) = (words.next()??, words.next(), words.next(), words.next());
    let (second, third) = (second.unwrap_or(Some(Word::Scale))?, third.unwrap_or(Some(Word::Scale))?);
    if rest.is_some() || third != Word::Scale {
        return None;
    }
    match (first, second) {
        (Word::Is(mode), Word::Scale) => Some(mode),
        (Word::Harmonic, Word::Scale | Word::Is(Mode::Minor)) | (Word::Is(Mode::Minor), Word::Harmonic) => {
            Some(Mode::HarmonicMinor)
        }
        (Word::Natural, Word::Is(Mode::Minor)) | (Word::Is(Mode::Minor), Word::Natural) => Some(Mode::Minor),
        _ => None,
    }
}

impl Key {
    /// Parses a key such as `A minor`, `Eb major`, `c# dorian`, `F#m`, `Es-Dur` or `la mineur`; returns `None` for anything
    /// else, including a tonic without a mode.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = plain(text);
        leading_notes(&text)
            .find_map(|(tonic, rest)| Some(Self { tonic, mode: mode(rest.strip_prefix(':').unwrap_or(rest))? }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_read_in_common_spellings() {
        for (mode, names) in [
            (Mode::Major, &["maj", "M", "MAJOR", "Ionian", "ionisch", "dur", "majeur", "mayor", "maggiore"][..]),
            (Mode::Minor, &["min", "m", "moll", "mineur", "menor", "minore", "natural minor", "mineur naturel"]),
            (Mode::Minor, &["aeolian", "eolian", "äolisch", "ÄOLISCH", "a\u{308}olisch", "éolien"]),
            (Mode::Dorian, &["dor", "Dorisch", "dorien", "dorian mode", "Dorian scale"]),
            (Mode::Phrygian, &["phryg", "phrygien", "phrygisch"]),
            (Mode::Lydian, &["lyd", "lydien", "lydisch"]),
            (Mode::Mixolydian, &["mixo", "mixolydien", "mixolydisch"]),
            (
                Mode::HarmonicMinor,
                &["harmonic", "harmonic minor", "Harmonic_Minor", "minor harmonic", "mineur harmonique"],
            ),
            (Mode::HarmonicMinor, &["harmonic–minor", "harmonicminor", "harm-minor", "harmonisch-moll"]),
            (Mode::HarmonicMinor, &["harmonic minor scale"]),
        ] {
            for name in names.iter().copied().chain([mode.name()]) {
                assert_eq!(Mode::from_name(name), Some(mode), "{name}");
                assert_eq!(Mode::from_name(&format!(" {name} ")), Some(mode), "{name}");
            }
        }
        for invalid in
            ["", " ", "scale", "natural", "locrian", "melodic minor", "minor minor", "major harmonic", "doric"]
        {
            assert_eq!(Mode::from_name(invalid), None, "{invalid}");
        }
    }

    #[test]
    fn keys_are_read_in_common_spellings() {
        for (tonic, mode, names) in [
            (9, Mode::Minor, &["A minor", "a MINOR ", "Am", "am", "Amin", "Aminor", "a-moll", "la mineur", "Lam"][..]),
            (9, Mode::Major, &["AM", "Amaj", "A:maj", "A Dur", "LaM"]),
            (9, Mode::Phrygian, &["A phryg", "Aphrygian"]),
            (1, Mode::Minor, &["C#m", "C#minor", "C♯ minor", "cis-moll", "c–sharp minor", "do dièse mineur"]),
            (3, Mode::Major, &["E♭ major", "Es-Dur", "Es Dur", "Mib majeur", "Mi bemol mayor"]),
            (8, Mode::Major, &["As-Dur", "Ab major", "Lab majeur"]),
            (6, Mode::Minor, &["F#m", "F#min", "F#-min", "fis-moll", "Fis moll", "Fa# mineur"]),
            (0, Mode::Minor, &["Cm", "Cminor", "Dom", "Do mineur", "C:min"]),
            (0, Mode::Major, &["C major", "Do majeur", "DO MAJEUR", "do-majeur"]),
            (2, Mode::Dorian, &["D dorian", "Ddor", "Ré dorien"]),
            (2, Mode::Minor, &["D-moll", "Rem"]),
            (4, Mode::Dorian, &["E dor", "Edorian", "Midorian"]),
            (7, Mode::HarmonicMinor, &["G harmonic minor", "g-moll harmonisch", "Sol mineur harmonique"]),
            (7, Mode::Mixolydian, &["G mixo", "Gmixo"]),
            (10, Mode::Dorian, &["B flat Dorian"]),
            (10, Mode::Major, &["Sib majeur", "Si bémol majeur", "Bes majeur"]),
            (11, Mode::Minor, &["B minor", "h-moll", "Hm", "si mineur"]),
            (6, Mode::Mixolydian, &["F# mixolydian mode"]),
        ] {
            for name in names {
                assert_eq!(Key::parse(name), Some(Key { tonic, mode }), "{name}");
            }
        }
        for invalid in ["C", "Do", "As", "minor", "C minor minor", "Cmaj7", "A melodic minor", "B locrian", "Asus", ""]
        {
            assert_eq!(Key::parse(invalid), None, "{invalid}");
        }
    }
}
