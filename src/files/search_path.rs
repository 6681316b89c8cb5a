//! The search path: the user's folders, then the machine-wide folder, then the folder of shipped files. A file in an
//! earlier folder hides files of the same name in later folders.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::library::{is_item, item_name};

const MACHINE_WIDE: &str = "/etc/melos";

/// The folders searched for `presets/`, `scenes/`, `setlists/`, `mappings/`, `models/` and `melos.toml`, in order of precedence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchPath {
    roots: Vec<PathBuf>,
}

/// A file in use, and the files that it hides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFile {
    /// The file in use.
    pub path: PathBuf,
    /// Files of the same name in later folders.
    pub hidden: Vec<PathBuf>,
}

impl SearchPath {
    /// Creates the search path of this user and machine; `shipped` is the folder of shipped files.
    #[must_use]
    pub fn new(shipped: &Path) -> Self {
        Self::from_environment(|name| std::env::var_os(name), shipped)
    }

    fn from_environment(variable: impl Fn(&str) -> Option<OsString>, shipped: &Path) -> Self {
        let user = [
            home_folder_of(&variable, "XDG_CONFIG_HOME", ".config"),
            home_folder_of(&variable, "XDG_DATA_HOME", ".local/share"),
        ];
        let mut roots: Vec<PathBuf> = user.into_iter().flatten().map(|folder| folder.join("melos")).collect();
        roots.extend([PathBuf::from(MACHINE_WIDE), shipped.to_owned()]);
        Self { roots }
    }

    /// Creates a search path that consists of one folder, independent of the machine.
    #[must_use]
    pub fn only(folder: &Path) -> Self {
        Self { roots: vec![folder.to_owned()] }
    }

    /// Returns the folders in order of precedence; some may not exist.
    #[must_use]
    pub fn roots(&self) -> &[PathBuf] {
        &self.roots
    }

    /// Returns the folder of shipped files.
    #[must_use]
    pub fn shipped(&self) -> &Path {
        self.roots.last().map_or(Path::new("."), PathBuf::as_path)
    }

    /// Returns the path that `name` has, or would have, in each folder.
    #[must_use]
    pub fn candidates(&self, name: impl AsRef<Path>) -> Vec<PathBuf> {
        self.roots.iter().map(|root| root.join(name.as_ref())).collect()
    }

    /// Returns all files of a kind (`presets`, `scenes`, `setlists`, `mappings` or `models`) by name. A model is a folder that
    /// contains a `model.toml`; everything else is a TOML file.
    #[must_use]
    pub fn find(&self, kind: &str) -> Vec<(String, FoundFile)> {
        let mut found: std::collections::BTreeMap<String, FoundFile> = std::collections::BTreeMap::new();
        for folder in self.candidates(kind) {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                let name = match kind {
                    "models" => {
                        path.join("model.toml").is_file().then(|| entry.file_name().to_string_lossy().into_owned())
                    }
                    _ => item_name(&path).ok().filter(|_| is_item(&path)).map(str::to_owned),
                };
                let Some(name) = name else { continue };
                match found.get_mut(&name) {
                    Some(file) => file.hidden.push(path),
                    None => drop(found.insert(name, FoundFile { path, hidden: Vec::new() })),
                }
            }
        }
        found.into_iter().collect()
    }
}

/// Returns the state folder according to the XDG Base Directory Specification; `None` without a home folder.
#[must_use]
pub fn state_folder() -> Option<PathBuf> {
    home_folder("XDG_STATE_HOME", ".local/state").map(|folder| folder.join("melos"))
}

/// Returns the folder that an XDG variable names, or `default` inside the home folder. As the specification requires,
/// an empty or relative value counts as unset.
#[must_use]
pub fn home_folder(variable: &str, default: &str) -> Option<PathBuf> {
    home_folder_of(&|name| std::env::var_os(name), variable, default)
}

/// Replaces `~/` at the start of a path with the home folder, as a shell does; `None` without a home folder.
#[must_use]
pub fn expand_home(path: &str) -> Option<PathBuf> {
    expand_home_of(&|name| std::env::var_os(name), path)
}

fn expand_home_of(read: &impl Fn(&str) -> Option<OsString>, path: &str) -> Option<PathBuf> {
    let Some(inside) = path.strip_prefix("~/") else { return Some(PathBuf::from(path)) };
    Some(absolute(read, "HOME")?.join(inside.trim_start_matches('/')))
}

fn home_folder_of(read: &impl Fn(&str) -> Option<OsString>, variable: &str, default: &str) -> Option<PathBuf> {
    absolute(read, variable).or_else(|| Some(absolute(read, "HOME")?.join(default)))
}

/// Returns the path that a variable contains if it is absolute.
fn absolute(read: &impl Fn(&str) -> Option<OsString>, variable: &str) -> Option<PathBuf> {
    read(variable).map(PathBuf::from).filter(|path| path.is_absolute())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn empty_or_relative_variables_count_as_unset() {
        let with = |value: &'static str| {
            move |name: &str| match name {
                "HOME" => Some(OsString::from("/home/eva")),
                _ => Some(OsString::from(value)),
            }
        };
        for (value, folder) in [
            ("/srv/state", "/srv/state"),
            ("", "/home/eva/.local/state"),
            ("state", "/home/eva/.local/state"),
            ("~/state", "/home/eva/.local/state"),
        ] {
            let found = home_folder_of(&with(value), "XDG_STATE_HOME", ".local/state");
            assert_eq!(found, Some(folder.into()), "{value:?}");
        }
        assert_eq!(
            home_folder_of(&|_| Some(OsString::new()), "XDG_STATE_HOME", ".local/state"),
            None,
            "an empty HOME should count as unset"
        );
        let search_path = SearchPath::from_environment(with("here"), Path::new("/usr/share/melos"));
        let roots = ["/home/eva/.config/melos", "/home/eva/.local/share/melos", "/etc/melos", "/usr/share/melos"];
        assert_eq!(search_path.roots(), roots.map(PathBuf::from));
        let without_home = SearchPath::from_environment(|_| None, Path::new("/usr/share/melos"));
        assert_eq!(without_home.roots(), ["/etc/melos", "/usr/share/melos"].map(PathBuf::from));
    }

    #[test]
    fn a_tilde_stands_for_the_home_folder_only_at_the_start() {
        let home = |_: &str| Some(OsString::from("/home/eva"));
        for (path, expanded) in [
            ("~/takes", "/home/eva/takes"),
            ("~//takes", "/home/eva/takes"),
            ("~eva/takes", "~eva/takes"),
            ("takes/~/x", "takes/~/x"),
            ("/srv/takes", "/srv/takes"),
            ("~", "~"),
        ] {
            assert_eq!(expand_home_of(&home, path), Some(expanded.into()), "{path}");
        }
        assert_eq!(expand_home_of(&|_: &str| None, "~/takes"), None);
        assert_eq!(expand_home_of(&|_: &str| None, "takes"), Some("takes".into()));
    }

    #[test]
    fn files_hidden_by_earlier_folders_are_listed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for file in [
            "own/presets/calm.toml",
            "shipped/presets/calm.toml",
            "shipped/presets/sad.toml",
            "shipped/presets/x.txt",
            "shipped/models/a.b/model.toml",
        ] {
            fs::create_dir_all(path(file).parent().unwrap()).unwrap();
            fs::write(path(file), "").unwrap();
        }
        let search_path = SearchPath { roots: vec![path("own"), path("shipped")] };
        let expected = [
            (
                "calm".to_owned(),
                FoundFile { path: path("own/presets/calm.toml"), hidden: vec![path("shipped/presets/calm.toml")] },
            ),
            ("sad".to_owned(), FoundFile { path: path("shipped/presets/sad.toml"), hidden: Vec::new() }),
        ];
        assert_eq!(search_path.find("presets"), expected);
        assert_eq!(search_path.find("models")[0].0, "a.b");
        assert!(search_path.find("mappings").is_empty());
    }
}
