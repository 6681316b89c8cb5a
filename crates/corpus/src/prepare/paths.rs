//! Reads the files and folders of a corpus and derives piece ids from their names.

use std::fs;
use std::path::{Path, PathBuf};

use super::corpus::CorpusError;

/// Reads a whole file; an error includes the file's path.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, CorpusError> {
    fs::read(path).map_err(|source| CorpusError::Unreadable { path: path.to_path_buf(), source })
}

/// Lists the entries of a folder, except hidden ones, sorted by name.
pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>, CorpusError> {
    let unreadable = |source| CorpusError::Unreadable { path: folder.to_path_buf(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.file_name().is_some_and(|name| !name.as_encoded_bytes().starts_with(b".")) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Lists the files in a folder that have one of the extensions, ignoring case.
pub(crate) fn files(folder: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>, CorpusError> {
    let matches = |path: &PathBuf| {
        path.extension().is_some_and(|found| extensions.iter().any(|extension| found.eq_ignore_ascii_case(extension)))
    };
    Ok(entries(folder)?.into_iter().filter(matches).collect())
}

/// Returns a file's name without its extension.
pub(crate) fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Converts text to a piece id: every run of characters other than ASCII letters and digits becomes `_`, or is dropped
/// at either end.
pub(crate) fn identifier(text: &str) -> String {
    let mut id = String::new();
    for character in text.chars() {
        if character.is_ascii_alphanumeric() {
            id.push(character);
        } else if !id.ends_with('_') {
            id.push('_');
        }
    }
    id.trim_matches('_').to_owned()
}
