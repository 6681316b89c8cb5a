//! MAESTRO: performances listed in a CSV file, `maestro-v*.csv`, with MIDI files and, if downloaded, audio files.

use std::path::Path;

use super::corpus::{Corpus, CorpusError};
use super::paths::{files, identifier};
use super::piece::{Listing, Piece, Source, Split};
use super::table::Table;

pub(crate) fn list(root: &Path) -> Result<Listing, CorpusError> {
    let mut listing = Listing::default();
    for csv in files(root, &["csv"])? {
        let table = Table::read(&csv, b',')?;
        let (split, midi) = (table.column("split")?, table.column("midi_filename")?);
        let audio = table.column("audio_filename")?;
        for row in table.rows() {
            let mut skip = |reason: String| listing.skipped.push((format!("maestro {}", &row[midi]), reason));
            let split = match &row[split] {
                "train" => Split::Train,
                "validation" => Split::Valid,
                "test" => Split::Test,
                other => {
                    skip(format!("its split is {other:?}; expected train, validation or test"));
                    continue;
                }
            };
            let (notes, audio) = (root.join(&row[midi]), root.join(&row[audio]));
            if !notes.is_file() {
                skip("its MIDI file is missing".to_owned());
                continue;
            }
            let id = identifier(row[midi].rsplit_once('.').map_or(&row[midi], |(name, _)| name));
            let source = if audio.is_file() { Source::Both { midi: notes, audio } } else { Source::Midi(notes) };
            listing.pieces.push(Piece::new(Corpus::Maestro, id, split, source, "CC BY-NC-SA 4.0"));
        }
    }
    Ok(listing)
}
