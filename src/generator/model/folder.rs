//! Finds a model's folder by name.

use std::path::{Path, PathBuf};

use super::ModelError;
use crate::files::SearchPath;

/// Returns the folder of the model called `name`: `name` itself if it is a folder with a `model.toml`, otherwise the first
/// match in the `models/` folders of the search path.
///
/// # Errors
/// If there is no such folder; the message lists the folders tried.
pub fn find_model(search_path: &SearchPath, name: &str) -> Result<PathBuf, ModelError> {
    let in_search_path = search_path.candidates(Path::new("models").join(name));
    let candidates: Vec<_> = std::iter::once(PathBuf::from(name)).chain(in_search_path).collect();
    candidates.iter().find(|folder| folder.join("model.toml").is_file()).cloned().ok_or_else(|| {
        // For an absolute path, all are the same.
        let mut tried = candidates.clone();
        tried.dedup();
        let tried = tried.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ");
        ModelError::NoModel { name: name.to_owned(), tried }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_for_a_missing_model_lists_the_folders_tried() {
        let message = find_model(&SearchPath::only(Path::new("/some/data")), "no-such-model").unwrap_err().to_string();
        for part in ["no-such-model", "/some/data/models/no-such-model"] {
            assert!(message.contains(part), "{part:?} is missing from {message}");
        }
    }

    #[test]
    fn each_folder_tried_is_listed_once() {
        let message = find_model(&SearchPath::new(Path::new("/some/data")), "/nope").unwrap_err().to_string();
        assert_eq!(message, "cannot find model \"/nope\"; no model.toml in /nope");
    }

    #[test]
    fn a_path_is_used_directly_and_a_name_is_found_in_the_data_folder() {
        let tiny = Path::new("tests/fixtures/tiny-model");
        assert_eq!(find_model(&SearchPath::only(Path::new("/nowhere")), "tests/fixtures/tiny-model").unwrap(), tiny);
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("models/mine");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::copy(tiny.join("model.toml"), folder.join("model.toml")).unwrap();
        assert_eq!(find_model(&SearchPath::only(data.path()), "mine").unwrap(), folder);
    }
}
