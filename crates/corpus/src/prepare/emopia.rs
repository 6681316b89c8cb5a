//! EMOPIA: `midis/Q<quadrant>_<YouTube id>_<clip>.mid`.

use std::path::Path;

use super::corpus::{Corpus, CorpusError};
use super::label::Quadrant;
use super::paths::{files, identifier, stem};
use super::piece::{Listing, Piece, Source, Split};

pub(crate) fn list(root: &Path) -> Result<Listing, CorpusError> {
    let mut listing = Listing::default();
    for path in files(&root.join("midis"), &["mid"])? {
        let stem = stem(&path);
        let Some((quadrant, song)) = parts(&stem) else {
            let reason = "expected a name of the form Q<1 to 4>_<YouTube id>_<clip>".to_owned();
            listing.skipped.push((format!("emopia {stem}"), reason));
            continue;
        };
        let split = Split::of(Corpus::Emopia, song);
        let id = identifier(&stem);
        let piece = Piece::new(Corpus::Emopia, id, split, Source::Midi(path), "CC BY-NC-SA 4.0");
        listing.pieces.push(Piece { quadrant: Some(quadrant), ..piece });
    }
    Ok(listing)
}

/// Returns the quadrant and the song's YouTube id, which may contain `_`, from the name of a clip.
fn parts(stem: &str) -> Option<(Quadrant, &str)> {
    let (quadrant, rest) = stem.strip_prefix('Q')?.split_once('_')?;
    let (song, clip) = rest.rsplit_once('_')?;
    clip.parse::<u32>().ok()?;
    Some((Quadrant::from_number(quadrant.parse().ok()?)?, song))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_may_contain_underscores() {
        assert_eq!(parts("Q3_a_b-c_d_efgh_12"), Some((Quadrant::Q3, "a_b-c_d_efgh")));
        for invalid in ["Q5_0vLPYiPN7qY_0", "0vLPYiPN7qY_0", "Q1_0vLPYiPN7qY", "Q1_0vLPYiPN7qY_x"] {
            assert_eq!(parts(invalid), None, "{invalid}");
        }
    }
}
