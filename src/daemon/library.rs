//! Presets and mappings on disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::check::Problem;
use crate::mapping::Mapping;
use crate::preset::Preset;

/// Every preset of the folder, by file name without `.toml`. A file that became wrong keeps its last good version.
#[derive(Debug, Default)]
pub(super) struct Library {
    folder: PathBuf,
    presets: BTreeMap<String, Preset>,
}

impl Library {
    /// Reads a folder; problems are said in the log.
    pub(super) fn read(folder: &Path) -> Self {
        let mut library = Self { folder: folder.to_owned(), presets: BTreeMap::new() };
        library.reload();
        library
    }

    /// Reads the folder again; returns the names of the presets that changed.
    pub(super) fn reload(&mut self) -> Vec<String> {
        let mut changed = Vec::new();
        let Some(files) = toml_files(&self.folder) else { return changed };
        let name_of = |path: &PathBuf| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        self.presets.retain(|name, _| files.iter().any(|path| name_of(path) == *name));
        for path in files {
            let name = name_of(&path);
            match Preset::read(&path) {
                Ok(preset) if self.presets.get(&name) == Some(&preset) => {}
                Ok(preset) => {
                    self.presets.insert(name.clone(), preset);
                    changed.push(name);
                }
                Err(problems) => say(&problems),
            }
        }
        changed
    }

    /// The preset of a name.
    pub(super) fn get(&self, name: &str) -> Option<&Preset> {
        self.presets.get(name)
    }

    /// The name `steps` places after `name` in alphabetical order, around the ends.
    pub(super) fn beside(&self, name: &str, steps: isize) -> Option<&str> {
        let names: Vec<_> = self.presets.keys().collect();
        let count = isize::try_from(names.len()).ok().filter(|count| *count > 0)?;
        // From a name that is gone, forward leads to the one that would follow it.
        let place = match names.binary_search_by(|other| other.as_str().cmp(name)) {
            Ok(place) => place as isize + steps,
            Err(place) => place as isize + steps.min(0),
        };
        Some(names[place.rem_euclid(count) as usize])
    }

    /// All names, for messages.
    pub(super) fn names(&self) -> String {
        self.presets.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}

/// Says problems with files in the log, one line each.
pub(super) fn say(problems: &[Problem]) {
    for problem in problems {
        tracing::warn!("{problem}; the last good version stays");
    }
}

/// The mappings of a folder; `None`, and the problems in the log, when the old ones shall stay.
pub(super) fn read_mappings(folder: &Path) -> Option<Vec<Mapping>> {
    let (mut mappings, mut good) = (Vec::new(), true);
    for path in toml_files(folder)? {
        match Mapping::read(&path) {
            Ok(mapping) => mappings.push(mapping),
            Err(problems) => {
                say(&problems);
                good = false;
            }
        }
    }
    good.then_some(mappings)
}

/// The TOML files of a folder in alphabetical order; editors' hidden and temporary files do not count.
fn toml_files(folder: &Path) -> Option<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()),
        Err(error) => {
            tracing::warn!(folder = %folder.display(), %error, "the folder cannot be read; what was read before stays");
            return None;
        }
    };
    let hidden = |path: &Path| path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
    let mut files: Vec<_> = entries
        .filter(|path| !hidden(path) && path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    Some(files)
}
