//! Any folder of MIDI and audio files, searched recursively.

use std::path::Path;

use super::corpus::{Corpus, CorpusError};
use super::paths::{entries, identifier};
use super::piece::{Listing, Piece, Source, Split};
use crate::analysis::decode;

pub(crate) fn list(root: &Path) -> Result<Listing, CorpusError> {
    let mut listing = Listing::default();
    visit(root, root, &mut listing)?;
    Ok(listing)
}

fn visit(root: &Path, folder: &Path, listing: &mut Listing) -> Result<(), CorpusError> {
    for path in entries(folder)? {
        if path.is_dir() {
            // Links to folders are not followed, because they may be circular.
            if !path.is_symlink() {
                visit(root, &path, listing)?;
            }
            continue;
        }
        let extension =
            path.extension().map(|extension| extension.to_string_lossy().to_lowercase()).unwrap_or_default();
        let source = match extension.as_str() {
            "mid" | "midi" => Source::Midi(path.clone()),
            audio if decode::EXTENSIONS.contains(&audio) => Source::Audio(path.clone()),
            _ => continue,
        };
        let id = identifier(&path.strip_prefix(root).unwrap_or(&path).to_string_lossy());
        let split = Split::of(Corpus::Folder, &id);
        listing.pieces.push(Piece::new(Corpus::Folder, id, split, source, "unknown"));
    }
    Ok(())
}
