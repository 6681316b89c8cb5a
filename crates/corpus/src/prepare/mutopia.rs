//! Mutopia: `midi/<Composer>_<path of the score>.midi`, with licences in `licences.tsv`.

use std::collections::BTreeMap;
use std::path::Path;

use super::corpus::{Corpus, CorpusError};
use super::paths::{files, identifier, stem};
use super::piece::{Listing, Piece, Source, Split};
use super::table::Table;

pub(crate) fn list(root: &Path) -> Result<Listing, CorpusError> {
    let table = Table::read(&root.join("licences.tsv"), b'\t')?;
    let (file, licence) = (table.column("file")?, table.column("licence_as_written")?);
    let licences: BTreeMap<&str, &str> = table.rows().map(|row| (&row[file], &row[licence])).collect();
    let mut listing = Listing::default();
    for path in files(&root.join("midi"), &["mid", "midi"])? {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let Some(licence) = licences.get(name.as_str()) else {
            listing.skipped.push((format!("mutopia {name}"), "its licence is not in licences.tsv".to_owned()));
            continue;
        };
        let id = identifier(&stem(&path));
        let split = Split::of(Corpus::Mutopia, &id);
        let composer = id.split('_').next().map(str::to_owned);
        listing.pieces.push(Piece { composer, ..Piece::new(Corpus::Mutopia, id, split, Source::Midi(path), licence) });
    }
    Ok(listing)
}
