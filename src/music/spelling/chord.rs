//! Chord symbols.
//!
//! A symbol is a root, a suffix and perhaps a bass. The suffix is split into tokens (`m`, `maj`, `7`, `b9`, …), which describe
//! a shape: the third, the fifth and what is above. The quality is the one with that third and fifth and as much of the rest
//! as Melos can play.

mod shape;
mod token;

use shape::Shape;
use token::tokens;

use super::key::{MAJOR, MINOR, MINOR_SHORT, mode};
use super::note::{leading_notes, whole_note};
use super::{plain, strip};
use crate::music::theory::{Chord, Mode, Quality};

impl Chord {
    /// Parses a chord symbol such as `Am7`, `F#dim` or `C/E`, in the usual spellings: `CM7`, `Cmaj7`, `CΔ`, `C-7`, `Cø`, `C°`,
    /// `C+`, `Cmin`, `E♭maj7`, `Sol7`, `Fis-moll`, `la mineur 7`. Returns `None` for anything else, and for a chord with a
    /// third or fifth that no quality has, such as `C7b5`.
    #[must_use]
    pub fn parse(symbol: &str) -> Option<Self> {
        let symbol = plain(symbol);
        // A slash precedes the bass, except in "6/9" and the like.
        let slash = symbol.rsplit_once('/').and_then(|(body, bass)| Some((body, Some(whole_note(bass)?))));
        let (body, bass) = slash.unwrap_or((&symbol, None));
        leading_notes(body)
            .find_map(|(root, suffix)| Some(Self { root, quality: quality(suffix)?, bass: bass.unwrap_or(root) }))
    }
}

/// Parses the suffix after the root.
fn quality(suffix: &str) -> Option<Quality> {
    let suffix = suffix.trim_start_matches([' ', '_', ':']);
    match mode(suffix) {
        Some(Mode::Major) => return Some(Quality::Major),
        Some(Mode::Minor) => return Some(Quality::Minor),
        Some(_) => return None,
        None => {}
    }
    // The hyphen in `a-moll 7` does not mean minor, as it does in `C-7` and `C-maj7`.
    let joined = suffix.strip_prefix('-').filter(|rest| begins_with_word(rest));
    let suffix = joined.unwrap_or(suffix);
    Shape::read(&tokens(suffix)?, suffix.starts_with(['(', '[']))?.quality()
}

/// Returns whether a text begins with the name of a mode that a hyphen can join to the root.
fn begins_with_word(text: &str) -> bool {
    [MAJOR, MINOR, MINOR_SHORT].into_iter().flatten().any(|name| strip(text, name).is_some())
}

#[cfg(test)]
mod tests;
