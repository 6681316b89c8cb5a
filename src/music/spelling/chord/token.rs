//! Splits the suffix of a chord symbol into tokens.

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
    Flat,
    Sharp,
    Degree(u8),
    Slash,
}

/// The spellings of the tokens. Case is ignored, except for `M` and `m`.
const SPELLINGS: [(Token, &[&str]); 24] = [
    (Token::Minor, &["minor", "min", "mi", "m"]),
    (Token::Dash, &["-"]),
    (Token::Major, &["major", "maj", "ma", "M", "j"]),
    (Token::MajorSeventh, &["^"]),
    // How `mM7` looks in lower case.
    (Token::MinorMajor, &["mm"]),
    (Token::Diminished, &["diminished", "dim", "°", "o"]),
    (Token::HalfDiminished, &["half-diminished", "halfdiminished", "half-dim", "halfdim", "hdim", "ø", "h"]),
    (Token::Augmented, &["augmented", "aug"]),
    (Token::Plus, &["+"]),
    (Token::Dominant, &["dominant", "dom"]),
    (Token::Altered, &["altered", "alt"]),
    (Token::Suspended, &["suspended", "sus"]),
    (Token::Add, &["add"]),
    (Token::Flat, &["b", "♭"]),
    (Token::Sharp, &["#"]),
    (Token::Degree(2), &["2", "second"]),
    (Token::Degree(4), &["4", "fourth"]),
    (Token::Degree(5), &["5", "fifth"]),
    (Token::Degree(6), &["6", "sixth"]),
    (Token::Degree(7), &["7", "seventh"]),
    (Token::Degree(9), &["9", "ninth"]),
    (Token::Degree(11), &["11", "eleventh"]),
    (Token::Degree(13), &["13", "thirteenth"]),
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

/// Returns the tokens with which a text can begin, each with the rest of the text.
fn starts(text: &str) -> impl Iterator<Item = (Token, &str)> {
    let matching = move |spelling: &str| match spelling {
        "M" | "m" | "mm" if text.starts_with('M') != (spelling == "M") => None,
        _ => strip(text, spelling),
    };
    SPELLINGS
        .iter()
        .flat_map(|(token, spellings)| spellings.iter().map(move |spelling| (token, *spelling)))
        .filter_map(move |(token, spelling)| Some((*token, matching(spelling)?)))
}
