//! Mutopia: `midi/<Composer>_<path of the score>.midi`.

use std::path::Path;

use super::corpus::{Corpus, CorpusError, Piece, Split, files, identifier};

pub(crate) fn pieces(root: &Path) -> Result<Vec<Piece>, CorpusError> {
    let piece = |path: std::path::PathBuf| {
        let id = identifier(&path);
        let composer = id.split('_').next().map(str::to_owned);
        Piece { corpus: Corpus::Mutopia, split: Split::of(Corpus::Mutopia, &id), id, composer, path }
    };
    Ok(files(&root.join("midi"), &["mid", "midi"])?.into_iter().map(piece).collect())
}
