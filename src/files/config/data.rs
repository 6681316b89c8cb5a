//! Finds the folder that holds `models/`, `presets/` and `mappings/`.

use std::path::{Path, PathBuf};

use super::ConfigError;

/// Returns the given folder after checking it, otherwise the first that is found: the current folder, one near the
/// binary, or the install location.
///
/// # Errors
/// When there is none; the message lists the folders searched.
pub fn find_data(given: Option<&Path>) -> Result<PathBuf, ConfigError> {
    match given {
        Some(folder) if is_data(folder) => Ok(folder.to_owned()),
        Some(folder) => Err(ConfigError::NotData { folder: folder.to_owned() }),
        None => find_in(places(std::env::current_exe().ok().as_deref())),
    }
}

fn is_data(folder: &Path) -> bool {
    folder.join("models").is_dir() && folder.join("presets").is_dir()
}

fn find_in(mut places: Vec<PathBuf>) -> Result<PathBuf, ConfigError> {
    match places.iter().position(|place| is_data(place)) {
        Some(found) => Ok(places.swap_remove(found)),
        None => Err(ConfigError::NoData { tried: places }),
    }
}

/// Test binaries are in `target/debug/deps`, four folders below the source tree.
fn places(binary: Option<&Path>) -> Vec<PathBuf> {
    let mut places = vec![PathBuf::from(".")];
    if let Some(binary) = binary {
        places.extend(binary.ancestors().skip(1).take(4).map(Path::to_owned));
        places.extend(binary.ancestors().nth(2).map(|prefix| prefix.join("share/melos")));
    }
    places.extend(["/usr/local/share/melos", "/usr/share/melos"].map(PathBuf::from));
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_folder_must_contain_data() {
        let folder = tempfile::tempdir().unwrap();
        assert!(find_data(Some(folder.path())).unwrap_err().to_string().contains("presets"));
        for inside in ["models", "presets"] {
            std::fs::create_dir(folder.path().join(inside)).unwrap();
        }
        assert_eq!(find_data(Some(folder.path())).unwrap(), folder.path());
    }

    #[test]
    fn the_nearest_folder_is_found_and_an_error_lists_the_places_searched() {
        let folder = tempfile::tempdir().unwrap();
        let (near, far) = (folder.path().join("near"), folder.path().join("far"));
        let places = || vec![folder.path().join("nothing"), near.clone(), far.clone()];
        let message = find_in(places()).unwrap_err().to_string();
        assert!(message.contains("nothing") && message.contains("--data"), "{message}");
        for inside in ["near/models", "near/presets", "far/models", "far/presets"] {
            std::fs::create_dir_all(folder.path().join(inside)).unwrap();
        }
        assert_eq!(find_in(places()).unwrap(), near);
    }

    #[test]
    fn an_installed_binary_searches_beside_itself() {
        let places = places(Some(Path::new("/opt/melos/bin/melos")));
        for place in ["/opt/melos", "/opt/melos/share/melos", "/usr/share/melos"] {
            assert!(places.contains(&PathBuf::from(place)), "{place} is missing in {places:?}");
        }
    }
}
