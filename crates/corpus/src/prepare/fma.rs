//! FMA: `fma_<size>/<first three digits>/<six digits>.mp3`, with metadata in `fma_metadata/tracks.csv`.

use std::collections::BTreeMap;
use std::path::Path;

use super::corpus::{Corpus, CorpusError};
use super::paths::{entries, files, stem};
use super::piece::{Listing, Piece, Source, Split};
use super::table::Table;

/// Number of rows of column names in `tracks.csv`.
const HEADER_ROWS: usize = 2;

pub(crate) fn list(root: &Path) -> Result<Listing, CorpusError> {
    let table = Table::read_levels(&root.join("fma_metadata/tracks.csv"), b',', HEADER_ROWS)?;
    let (split, licence) = (table.column("set.split")?, table.column("track.license")?);
    let tracks: BTreeMap<u32, (&str, &str)> =
        table.rows().filter_map(|row| Some((row[0].parse().ok()?, (&row[split], &row[licence])))).collect();
    let mut listing = Listing::default();
    let sizes = ["fma_small", "fma_medium", "fma_large", "fma_full"].map(|size| root.join(size));
    for size in sizes.iter().filter(|size| size.is_dir()) {
        for folder in entries(size)?.iter().filter(|folder| folder.is_dir()) {
            for path in files(folder, &["mp3"])? {
                let stem = stem(&path);
                let track = stem.parse().ok().and_then(|id: u32| tracks.get(&id));
                let split = match track {
                    Some((split, _)) => match *split {
                        "training" => Ok(Split::Train),
                        "validation" => Ok(Split::Valid),
                        "test" => Ok(Split::Test),
                        other => Err(format!("its split is {other:?}; expected training, validation or test")),
                    },
                    None => Err("it is not in tracks.csv".to_owned()),
                };
                match (split, track) {
                    (Ok(split), Some((_, licence))) => {
                        listing.pieces.push(Piece::new(Corpus::Fma, stem, split, Source::Audio(path), licence));
                    }
                    (Err(reason), _) => listing.skipped.push((format!("fma {stem}"), reason)),
                    (Ok(_), None) => {}
                }
            }
        }
    }
    Ok(listing)
}
