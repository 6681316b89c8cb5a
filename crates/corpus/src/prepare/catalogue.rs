//! Lists the pieces of each corpus and reads them.

use std::path::Path;

use super::corpus::{Corpus, CorpusError};
use super::features::Features;
use super::paths::read;
use super::piece::{Listing, Piece, Score, Source};
use super::{emopia, fma, folder, giantmidi, humanise, maestro, midi, mutopia, pop909, recordings};
use crate::analysis::decode;

/// The musical content of a piece.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Notes to render.
    Notes(Score),
    /// The features of a recording whose notes are unknown.
    Recording(Vec<Features>),
}

/// Lists the pieces in a corpus's root folder, sorted by id.
///
/// # Errors
/// [`CorpusError`] if the root does not contain the corpus; unusable pieces are listed as skipped.
pub fn list(corpus: Corpus, root: &Path) -> Result<Listing, CorpusError> {
    let mut listing = match corpus {
        Corpus::Pop909 => pop909::list(root),
        Corpus::GiantMidi => giantmidi::list(root),
        Corpus::Mutopia => mutopia::list(root),
        Corpus::Emopia => emopia::list(root),
        Corpus::Maestro => maestro::list(root),
        Corpus::Fma => fma::list(root),
        Corpus::Folder => folder::list(root),
    }?;
    if listing.pieces.is_empty() && listing.skipped.is_empty() {
        return Err(CorpusError::NoPieces { corpus, root: root.to_path_buf() });
    }
    listing.pieces.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(listing)
}

/// Reads a piece.
///
/// # Errors
/// [`CorpusError`] if a file is missing or broken.
pub fn load(piece: &Piece) -> Result<Content, CorpusError> {
    let path = match &piece.source {
        Source::Audio(path) => return Ok(Content::Recording(recordings::all_features(&decode_audio(path)?))),
        Source::Midi(path) | Source::Both { midi: path, .. } => path,
    };
    let midi = midi::parse(&read(path)?).map_err(|source| CorpusError::Midi { path: path.clone(), source })?;
    Ok(Content::Notes(match piece.corpus {
        Corpus::Pop909 => Score { notes: midi.notes, pedal: midi.pedal, beats: pop909::beats(path)? },
        Corpus::Mutopia => humanise::humanise(midi, &piece.id),
        _ => Score { notes: midi.notes, pedal: midi.pedal, beats: None },
    }))
}

/// Decodes a recording to mono samples at 48 kHz.
pub(crate) fn decode_audio(path: &Path) -> Result<Vec<f32>, CorpusError> {
    decode::decode(path).map_err(|source| CorpusError::Audio { path: path.to_path_buf(), source })
}
