//! Names of notes: English, German and solfège.

use super::{plain, strip};

/// A name of a natural note: the name, its pitch class, and the endings that alter it in German.
struct Name(&'static str, i32, &'static [(&'static str, i32)]);

/// Solfège comes first, so `Do` is C and not a diminished D.
const NAMES: [Name; 16] = [
    Name("do", 0, &[]),
    Name("ut", 0, &[]),
    Name("re", 2, &[]),
    Name("mi", 4, &[]),
    Name("fa", 5, &[]),
    Name("sol", 7, &[]),
    Name("la", 9, &[]),
    Name("si", 11, &[]),
    Name("c", 0, &CONSONANT),
    Name("d", 2, &CONSONANT),
    Name("e", 4, &VOWEL),
    Name("f", 5, &CONSONANT),
    Name("g", 7, &CONSONANT),
    Name("a", 9, &VOWEL),
    // Melos writes the English B, so it reads it too.
    Name("b", 11, &CONSONANT),
    Name("h", 11, &CONSONANT),
];

const CONSONANT: [(&str, i32); 4] = [("isis", 2), ("eses", -2), ("is", 1), ("es", -1)];
const VOWEL: [(&str, i32); 5] = [("isis", 2), ("eses", -2), ("is", 1), ("ses", -2), ("s", -1)];

/// Accidentals that may follow every name, in the order in which they are tried. Single signs come before double ones, so
/// `C##5` is an augmented C sharp.
const SIGNS: [(&str, i32); 8] = [("#", 1), ("b", -1), ("♭", -1), ("x", 2), ("##", 2), ("bb", -2), ("♭♭", -2), ("♮", 0)];

/// Names of accidentals, which a space or hyphen may separate from the note.
const WORDS: [(&str, i32); 14] = [
    ("sharp", 1),
    ("flat", -1),
    ("natural", 0),
    ("diese", 1),
    ("bemol", -1),
    ("becarre", 0),
    ("naturel", 0),
    ("diesis", 1),
    ("bemolle", -1),
    ("bequadro", 0),
    ("naturale", 0),
    ("sostenido", 1),
    ("sustenido", 1),
    ("becuadro", 0),
];

/// Parses a pitch class (0..12, C = 0) from a name such as `F#`, `g♭`, `B flat`, `Cis` or `Sol dièse`; returns `None` for
/// anything else. `B` and `H` are both the note a semitone below C.
#[must_use]
pub fn pitch_class(name: &str) -> Option<u8> {
    whole_note(&plain(name))
}

/// Parses a plain text that is nothing but a note.
pub(super) fn whole_note(text: &str) -> Option<u8> {
    leading_notes(text.trim()).find_map(|(pitch, rest)| rest.is_empty().then_some(pitch))
}

/// Returns the notes with which a plain text can begin, each with the rest of the text, the likeliest first: `Esus4` can be E
/// and `sus4`, or E flat and `us4`.
pub(super) fn leading_notes(text: &str) -> impl Iterator<Item = (u8, &str)> {
    NAMES.iter().filter_map(move |name| Some((name, strip(text, name.0)?))).flat_map(
        |(Name(_, natural, german), rest)| {
            let words = WORDS.iter().map(move |word| (rest.trim_start_matches([' ', '-', '_']), word));
            let attached = german.iter().chain(&SIGNS).map(move |accidental| (rest, accidental));
            words
                .chain(attached)
                .filter_map(|(rest, (accidental, shift))| Some((*shift, strip(rest, accidental)?)))
                .chain([(0, rest)])
                .map(move |(shift, rest)| ((natural + shift).rem_euclid(12) as u8, rest))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_read_in_english_german_and_solfege() {
        for (pitch, names) in [
            (0, &["C", "c", "Do", "DO", "B#", "His", "Dbb", "D♭♭", "D𝄫", "Deses", "Si#", "Si dièse"][..]),
            (
                1,
                &["Db", "C#", "d♭", "C♯", "Cis", "Des", "cis", "DES", "Do#", "Réb", "Re bémol", "do diese", "Do-dièse"],
            ),
            (2, &["D", "Re", "Ré", "RÉ", "re", "C##", "Cx", "C𝄪", "Cisis", "Re\u{301}", "Ebb", "Eses"]),
            (3, &["Eb", "Es", "es", "Dis", "Mib", "Mi♭", "Mi bemol", "Ré sostenido"]),
            (4, &["E", "E♮", "Mi", "Fes", "Fab"]),
            (5, &["F", "Fa", "FA", "Eis", "Mi#"]),
            (6, &["F#", "F Sharp", "Fsharp", "f-sharp", "Fis", "Ges", "Fa#", "Fa dièse", "Solb", "SOL♭"]),
            (7, &["G", "Sol", "sol", "Fx", "Fisis"]),
            (8, &[" G# ", "Gis", "As", "as", "Ab", "Lab", "La♭", "La\u{a0}bémol"]),
            (9, &["A", "La", "la", "Bbb", "B♭♭"]),
            (10, &["A♯", "B flat", "Bflat", "Bes", "Ais", "Sib", "Si bemolle", "Hes"]),
            (11, &["B", "H", "h", "Si", "Cb", "Ces", "Dob", "Do bémol"]),
        ] {
            for name in names {
                assert_eq!(pitch_class(name), Some(pitch), "{name}");
            }
        }
        for (pitch, names) in [
            (0, &["Ut", "UT", "ut", "Dó", "C natural", "C-natural", "Do bécarre", "Do becuadro", "Si♯\u{fe0e}"][..]),
            (1, &["Ut#", "Ut dièse", "Dó sustenido", "DÓ SUSTENIDO", "Do sostenido", "Do\u{301} sustenido"]),
            (3, &["Mi bemol", "MI BÉMOL", "Mi bemolle", "Mí bemol", "Mi♭\u{fe0e}"]),
            (5, &["Fá", "Fa naturale", "Fa naturel", "F♮"]),
            (9, &["Lá", "La bequadro"]),
            (11, &["Sí", "SÍ", "Si\u{301}", "B natural", "Si bécarre"]),
        ] {
            for name in names {
                assert_eq!(pitch_class(name), Some(pitch), "{name}");
            }
        }
        for invalid in ["Uts", "utmost", "Sustenido", "C neutral", "natural", "Dö natural sharp", "C."] {
            assert_eq!(pitch_class(invalid), None, "{invalid}");
        }
        for invalid in ["", "♭", "I", "C###", "C#b", "Doo", "Dos", "Cs", "Lais", "C sharp flat", "auto", "sharp"] {
            assert_eq!(pitch_class(invalid), None, "{invalid}");
        }
    }
}
