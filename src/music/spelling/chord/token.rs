//! Splits the suffix of a chord symbol into tokens.

use crate::music::spelling::key::{MAJOR, MAJOR_SHORT, MINOR, MINOR_SHORT};
use crate::music::spelling::strip;

/// A part of a suffix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    Minor,
    /// Minor at the start, otherwise flat.
    Dash,
    Major,
    /// The triangle, which implies the seventh.
    MajorSeventh,
    MinorMajor,
    Diminished,
    HalfDiminished,
    Augmented,
    /// Sharp before some degrees, otherwise augmented.
    Plus,
    Dominant,
    Altered,
    Suspended,
    Add,
    /// Before a degree that is left out.
    No,
    Flat,
    Sharp,
    Degree(u8),
    Slash,
}

/// The spellings of the tokens. Case is ignored, except for `M` and `m`.
const SPELLINGS: [(Token, &[&str]); 30] = [
    (Token::Minor, MINOR),
    (Token::Minor, MINOR_SHORT),
    (Token::Minor, &["m"]),
    (Token::Dash, &["-"]),
    (Token::Major, MAJOR),
    (Token::Major, MAJOR_SHORT),
    (Token::Major, &["M", "j"]),
    (Token::MajorSeventh, &["^"]),
    // How `mM7` looks in lower case.
    (Token::MinorMajor, &["mm"]),
    (Token::Diminished, &["diminished", "dim", "diminue", "vermindert", "disminuido", "diminuito", "°", "o"]),
    (Token::HalfDiminished, &["half-diminished", "halfdiminished", "half-dim", "halfdim", "hdim", "ø", "h"]),
    (Token::Augmented, &["augmented", "aug", "augmente", "ubermassig", "aumentado", "aumentato"]),
    (Token::Plus, &["+"]),
    (Token::Dominant, &["dominant", "dom"]),
    (Token::Altered, &["altered", "alt"]),
    (Token::Suspended, &["suspended", "sus"]),
    (Token::Add, &["add"]),
    (Token::No, &["no", "omit"]),
    (Token::Flat, &["b", "♭"]),
    (Token::Sharp, &["#"]),
    (Token::Degree(2), &["2", "2nd", "second"]),
    (Token::Degree(3), &["3", "3rd", "third"]),
    (Token::Degree(4), &["4", "4th", "fourth"]),
    (Token::Degree(5), &["5", "5th", "fifth"]),
    (Token::Degree(6), &["6", "6th", "sixth"]),
    (Token::Degree(7), &["7", "7th", "seventh"]),
    (Token::Degree(9), &["9", "9th", "ninth"]),
    (Token::Degree(11), &["11", "11th", "eleventh"]),
    (Token::Degree(13), &["13", "13th", "thirteenth"]),
    (Token::Slash, &["/"]),
];

/// Splits a suffix into tokens, leaving out spaces, commas and brackets; `None` if a part of it is not a token.
pub(super) fn tokens(suffix: &str) -> Option<Vec<Token>> {
    let suffix: String = suffix.chars().filter(|c| !matches!(c, ' ' | ',' | '(' | ')' | '[' | ']')).collect();
    let (mut rest, mut tokens) = (suffix.as_str(), Vec::new());
    while !rest.is_empty() {
        // The longest token may be wrong: "madd9" is not "ma" and "dd9".
        let fitting = starts(rest).filter(|(_, rest)| rest.is_empty() || starts(rest).next().is_some());
        let (token, after) = fitting.min_by_key(|(_, rest)| rest.len())?;
        tokens.push(token);
        rest = after;
    }
    Some(tokens)
}

/// Returns the tokens with which a text can begin, each with the rest of the text. A word may be abbreviated with a full stop.
fn starts(text: &str) -> impl Iterator<Item = (Token, &str)> {
    let matching = move |spelling: &str| match spelling {
        "M" | "m" | "mm" if text.starts_with('M') != (spelling == "M") => None,
        _ => strip(text, spelling),
    };
    let unstopped = |spelling: &str, rest| match spelling.strip_suffix(char::is_alphabetic) {
        Some(word) if !word.is_empty() => strip(rest, ".").unwrap_or(rest),
        _ => rest,
    };
    SPELLINGS
        .iter()
        .flat_map(|(token, spellings)| spellings.iter().map(move |spelling| (token, *spelling)))
        .filter_map(move |(token, spelling)| Some((*token, unstopped(spelling, matching(spelling)?))))
}
