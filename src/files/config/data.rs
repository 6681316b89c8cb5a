//! Finds the data folder, which holds `models/`, `presets/` and `mappings/`.

use std::path::{Path, PathBuf};

use super::ConfigError;

/// Checks and returns the given folder. Without one, returns the first data folder among the current folder, the
/// folders near the binary, and the install locations.
///
/// # Errors
/// When the given folder is not a data folder, or when none is found; the message then lists the folders searched.
pub fn find_data(given: Option<&Path>) -> Result<PathBuf, ConfigError> {
    match given {
        Some(folder) if is_data_folder(folder) => Ok(folder.to_owned()),
        Some(folder) => Err(ConfigError::NotData { folder: folder.to_owned() }),
        None => find_in(candidates(std::env::current_exe().ok().as_deref())),
    }
}

fn is_data_folder(folder: &Path) -> bool {
    folder.join("models").is_dir() && folder.join("presets").is_dir()
}

fn find_in(mut candidates: Vec<PathBuf>) -> Result<PathBuf, ConfigError> {
    match candidates.iter().position(|folder| is_data_folder(folder)) {
        Some(index) => Ok(candidates.swap_remove(index)),
        None => Err(ConfigError::NoData { searched: candidates }),
    }
}

/// Returns the folders to search. They include four folders above the binary, since test binaries are in
/// `target/debug/deps` in the source tree.
fn candidates(binary: Option<&Path>) -> Vec<PathBuf> {
    let mut candidates = vec![PathBuf::from(".")];
    if let Some(binary) = binary {
        candidates.extend(binary.ancestors().skip(1).take(4).map(Path::to_owned));
        candidates.extend(binary.ancestors().nth(2).map(|prefix| prefix.join("share/melos")));
    }
    candidates.extend(["/usr/local/share/melos", "/usr/share/melos"].map(PathBuf::from));
    candidates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_folder_must_contain_data() {
        let folder = tempfile::tempdir().unwrap();
        assert!(find_data(Some(folder.path())).unwrap_err().to_string().contains("presets"));
        for name in ["models", "presets"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        assert_eq!(find_data(Some(folder.path())).unwrap(), folder.path());
    }

    #[test]
    fn the_first_data_folder_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let (near, far) = (folder.path().join("near"), folder.path().join("far"));
        let candidates = || vec![folder.path().join("nothing"), near.clone(), far.clone()];
        let message = find_in(candidates()).unwrap_err().to_string();
        assert!(message.contains("nothing") && message.contains("--data"), "{message}");
        for name in ["near/models", "near/presets", "far/models", "far/presets"] {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        assert_eq!(find_in(candidates()).unwrap(), near);
    }

    #[test]
    fn installed_binaries_find_their_data() {
        let candidates = candidates(Some(Path::new("/opt/melos/bin/melos")));
        for folder in ["/opt/melos", "/opt/melos/share/melos", "/usr/share/melos"] {
            assert!(candidates.contains(&PathBuf::from(folder)), "{folder} is missing from {candidates:?}");
        }
    }
}
