//! Lists the pieces of each corpus, and reads them.

use std::path::Path;

use super::corpus::{Corpus, CorpusError};
use super::features::Features;
use super::paths::read;
use super::piece::{Listing, Piece, Score, Source};
use super::{emopia, fma, folder, giantmidi, humanise, maestro, midi, mutopia, pop909, recordings};
use crate::analysis::decode;

/// What a piece is rendered from.
#[derive(Debug, Clone, PartialEq)]
pub enum Material {
    /// Notes.
    Notes(Score),
    /// A recording, reduced to its features.
    Sound(Vec<Features>),
}

/// The pieces under a corpus's root folder, in a fixed order.
///
/// # Errors
/// [`CorpusError`] when the root does not look like the corpus; individual bad entries are listed as skipped.
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
/// [`CorpusError`] when a file is missing or broken.
pub fn load(piece: &Piece) -> Result<Material, CorpusError> {
    let path = match &piece.source {
        Source::Sound(path) => return Ok(Material::Sound(recordings::windows(&sound(path)?))),
        Source::Midi(path) | Source::Both { midi: path, .. } => path,
    };
    let midi = midi::parse(&read(path)?).map_err(|source| CorpusError::Midi { path: path.clone(), source })?;
    Ok(Material::Notes(match piece.corpus {
        Corpus::Pop909 => Score { notes: midi.notes, pedal: midi.pedal, beats: pop909::beats(path)? },
        Corpus::Mutopia => humanise::play(midi, &piece.id),
        _ => Score { notes: midi.notes, pedal: midi.pedal, beats: None },
    }))
}

/// The samples of a recording.
pub(crate) fn sound(path: &Path) -> Result<Vec<f32>, CorpusError> {
    decode::decode(path).map_err(|source| CorpusError::Sound { path: path.to_path_buf(), source })
}
