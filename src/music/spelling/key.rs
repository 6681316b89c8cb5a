//! Names of modes and keys.

use super::note::leading_notes;
use super::{masculine, plain};
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

/// Names of the major and minor modes, spelt out: English, French, German, Spanish, Italian and Portuguese.
pub(super) const MAJOR: &[&str] = &["major", "majeur", "majeure", "dur", "mayor", "maggiore", "maior"];
pub(super) const MINOR: &[&str] = &["minor", "mineur", "mineure", "moll", "menor", "minore"];
/// Their abbreviations.
pub(super) const MAJOR_SHORT: &[&str] = &["maj", "ma", "may", "magg"];
pub(super) const MINOR_SHORT: &[&str] = &["min", "mi", "men"];

/// The words, in lower case and without diacritics: English with abbreviations, then French, German, and Spanish, Italian and
/// Portuguese, whose feminine forms [`masculine`] covers.
const WORDS: [(Word, &[&str]); 14] = [
    (Word::Is(Mode::Major), MAJOR),
    (Word::Is(Mode::Major), MAJOR_SHORT),
    (Word::Is(Mode::Major), &["ionian", "ion", "ionien", "ionisch", "jonisch", "ionico", "jonico", "ionio", "jonio"]),
    (Word::Is(Mode::Minor), MINOR),
    (Word::Is(Mode::Minor), MINOR_SHORT),
    (Word::Is(Mode::Minor), &["aeolian", "eolian", "aeol", "eolien", "aolisch", "aeolisch", "eolico", "eolio"]),
    (Word::Is(Mode::Dorian), &["dorian", "dor", "dorien", "dorisch", "dorico", "dorio"]),
    (Word::Is(Mode::Phrygian), &["phrygian", "phryg", "phr", "phrygien", "phrygisch", "frigio"]),
    (Word::Is(Mode::Lydian), &["lydian", "lyd", "lydien", "lydisch", "lidio"]),
    (Word::Is(Mode::Mixolydian), &["mixolydian", "mixo", "mix", "mixolydien", "mixolydisch", "mixolidio", "misolidio"]),
    (Word::Is(Mode::HarmonicMinor), &["harmonicminor"]),
    (Word::Harmonic, &["harmonic", "harm", "harmonique", "harmonisch", "harmonisches", "harmonico", "armonico"]),
    (Word::Natural, &["natural", "nat", "naturel", "naturelle", "naturlich", "naturliches", "naturale"]),
    (Word::Scale, &["scale", "mode", "gamme", "skala", "tonleiter", "escala", "scala", "modo"]),
];

impl Word {
    /// Returns a word's meaning. A single letter is major or minor by its case.
    fn read(word: &str) -> Option<Self> {
        match word {
            "M" => return Some(Self::Is(Mode::Major)),
            "m" => return Some(Self::Is(Mode::Minor)),
            _ => {}
        }
        let named = |word: &str| {
            let is_known = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(word));
            WORDS.iter().find_map(|(meaning, names)| is_known(names).then_some(*meaning))
        };
        named(word).or_else(|| named(&masculine(word)?))
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

/// Parses a plain text that is nothing but a mode. A word may be in brackets, and have the full stop of an abbreviation.
pub(super) fn mode(text: &str) -> Option<Mode> {
    let words = text.split([' ', '-', '_', ',', '(', ')', '[', ']']).filter(|word| !word.is_empty());
    let mut words = words.flat_map(|word| word.split_terminator('.')).map(Word::read).collect::<Option<Vec<_>>>()?;
    words.retain(|word| *word != Word::Scale);
    match words[..] {
        [Word::Is(mode)] => Some(mode),
        [Word::Harmonic] | [Word::Harmonic, Word::Is(Mode::Minor)] | [Word::Is(Mode::Minor), Word::Harmonic] => {
            Some(Mode::HarmonicMinor)
        }
        [Word::Natural, Word::Is(Mode::Minor)] | [Word::Is(Mode::Minor), Word::Natural] => Some(Mode::Minor),
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
        for (mode, names) in [
            (Mode::Major, &["Maior", "majeure", "gamme majeure", "ionico", "jónico", "jônio", "ionien", "MAJ."][..]),
            (Mode::Minor, &["min.", "Mineure", "eólico", "eolia", "eo\u{301}lico", "naturale minore", "nat. min."]),
            (Mode::Minor, &["natürliches Moll", "menor natural", "escala menor"]),
            (Mode::Dorian, &["dorico", "Dórico", "dorica", "DÓRICA", "modo dorico", "dor."]),
            (Mode::Phrygian, &["frigio", "frígio", "Frigia"]),
            (Mode::Lydian, &["lidio", "lídio", "lidia"]),
            (Mode::Mixolydian, &["mixolidio", "misolidio", "misolidia", "mixolídio"]),
            (
                Mode::HarmonicMinor,
                &[
                    "moll (harmonisch)",
                    "harm. min.",
                    "harm.min.",
                    "menor armónica",
                    "minore armonica",
                    "menor harmônica",
                ],
            ),
            (Mode::HarmonicMinor, &["harmonisches Moll", "Moll [harm.]", "minor, harmonic", "scala minore armonica"]),
        ] {
            for name in names {
                assert_eq!(Mode::from_name(name), Some(mode), "{name}");
            }
        }
        for invalid in [".", "minor.minor", ".min", "min..", "()", "(scale)", "locrio", "lokrisch", "locrien", "frigo"]
        {
            assert_eq!(Mode::from_name(invalid), None, "{invalid}");
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
            (9, Mode::Minor, &["A min.", "Amin.", "a natural minor", "Lá menor", "la minore", "LA MENOR", "A (minor)"]),
            (
                9,
                Mode::HarmonicMinor,
                &["A-Moll (harmonisch)", "A min. (harm.)", "la minore armonica", "a-moll, harmonisch"],
            ),
            (3, Mode::Minor, &["eb min.", "e♭ min.", "E♭\u{fe0e} min.", "es-moll", "mi bemolle minore"]),
            (0, Mode::Major, &["Ut majeur", "UT MAJEUR", "C maj.", "C natural major", "Dó maior"]),
            (1, Mode::Minor, &["Ut dièse mineur", "Dó sustenido menor", "do diesis minore"]),
            (7, Mode::Major, &["Sol maior", "sol maggiore", "Sol Mayor"]),
            (10, Mode::Major, &["Sí bemol mayor", "Si\u{301} bemol mayor", "si bemolle maggiore", "SI BÉMOL MAJEUR"]),
            (2, Mode::Dorian, &["Re dórico", "re dorico", "Ré modo dórico", "D-Dorisch"]),
            (4, Mode::Phrygian, &["Mi frigio", "E phr."]),
        ] {
            for name in names {
                assert_eq!(Key::parse(name), Some(Key { tonic, mode }), "{name}");
            }
        }
        for invalid in ["Ut", "A.", "A ()", "A. minor", "Si locrio", "A-Moll (melodisch)", "Ab min. maj."] {
            assert_eq!(Key::parse(invalid), None, "{invalid}");
        }
        for invalid in ["C", "Do", "As", "minor", "C minor minor", "Cmaj7", "A melodic minor", "B locrian", "Asus", ""]
        {
            assert_eq!(Key::parse(invalid), None, "{invalid}");
        }
    }
}
