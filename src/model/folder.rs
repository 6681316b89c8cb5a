//! Finding a model's folder by its name.

use std::path::{Path, PathBuf};

use super::ModelError;

/// The folder of the model called `name`: `name` itself where it is a folder with a `model.toml`, else in `models` here,
/// beside the binary, or where packages install it.
///
/// # Errors
/// When there is none; the message lists where it was looked for.
pub fn find_model(name: &str) -> Result<PathBuf, ModelError> {
    find_in(&candidates(name, std::env::current_exe().ok().as_deref()), name)
}

fn find_in(candidates: &[PathBuf], name: &str) -> Result<PathBuf, ModelError> {
    candidates.iter().find(|folder| folder.join("model.toml").is_file()).cloned().ok_or_else(|| {
        let tried: Vec<_> = candidates.iter().map(|folder| folder.display().to_string()).collect();
        ModelError::NoModel { name: name.to_owned(), tried: tried.join(", ") }
    })
}

fn candidates(name: &str, binary: Option<&Path>) -> Vec<PathBuf> {
    let mut folders = vec![PathBuf::from(name), Path::new("models").join(name)];
    if let Some(beside) = binary.and_then(Path::parent) {
        folders.extend(["models", "../share/melos/models", "../../models"].map(|way| beside.join(way).join(name)));
    }
    folders.extend(["/usr/local/share/melos/models", "/usr/share/melos/models"].map(|at| Path::new(at).join(name)));
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_model_says_where_it_was_looked_for() {
        let message = find_model("no-such-model").unwrap_err().to_string();
        for part in ["no-such-model", "models/no-such-model", "/usr/share/melos/models"] {
            assert!(message.contains(part), "{part:?} is missing in {message}");
        }
    }

    #[test]
    fn a_path_is_taken_as_it_is() {
        assert_eq!(find_model("tests/fixtures/tiny-model").unwrap(), Path::new("tests/fixtures/tiny-model"));
    }
}
