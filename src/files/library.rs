//! A folder of TOML files of one kind, by name; a file that goes bad keeps its last good state.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::document::Problem;

/// Reads one file.
pub type Read<T> = fn(&Path) -> Result<T, Vec<Problem>>;

/// What the good files of a folder hold, by file name without `.toml`.
#[derive(Debug, Clone)]
pub struct Library<T> {
    folder: PathBuf,
    read: Read<T>,
    items: BTreeMap<String, T>,
}

/// What reading a folder again has changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reloaded {
    /// Names that came or hold something else now.
    pub changed: Vec<String>,
    /// Names that went.
    pub gone: Vec<String>,
    /// Everything wrong; what a bad file held before still stands.
    pub problems: Vec<Problem>,
}

impl<T: PartialEq> Library<T> {
    /// Reads a folder; a missing one is a problem, and empty.
    #[must_use]
    pub fn open(folder: &Path, read: Read<T>) -> (Self, Vec<Problem>) {
        let mut library = Self { folder: folder.to_owned(), read, items: BTreeMap::new() };
        let problems = library.reload().problems;
        (library, problems)
    }

    /// Reads the folder again.
    pub fn reload(&mut self) -> Reloaded {
        let mut reloaded = Reloaded::default();
        let files = match toml_files(&self.folder) {
            Ok(files) => files,
            Err(error) => {
                reloaded.problems.push(Problem::of_file(&self.folder, error));
                return reloaded;
            }
        };
        let mut before = std::mem::take(&mut self.items);
        for (name, file) in files {
            let old = before.remove(&name);
            match (self.read)(&file) {
                Ok(item) => {
                    if old.as_ref() != Some(&item) {
                        reloaded.changed.push(name.clone());
                    }
                    self.items.insert(name, item);
                }
                Err(problems) => {
                    reloaded.problems.extend(problems);
                    self.items.extend(old.map(|old| (name, old)));
                }
            }
        }
        reloaded.gone.extend(before.into_keys());
        reloaded
    }

    /// One by its name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&T> {
        self.items.get(name)
    }

    /// All names, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.items.keys().map(String::as_str)
    }

    /// All that are good, in the order of their names.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.items.values()
    }

    /// The name `steps` places after another one, which need not exist, round and round.
    #[must_use]
    pub fn beside(&self, name: &str, steps: isize) -> Option<&str> {
        let names: Vec<&str> = self.names().collect();
        let count = isize::try_from(names.len()).ok().filter(|count| *count > 0)?;
        let place = match names.binary_search(&name) {
            Ok(place) => place as isize + steps,
            // From a name that is gone, forward leads to the one that would follow it.
            Err(place) => place as isize + if steps > 0 { steps - 1 } else { steps },
        };
        Some(names[place.rem_euclid(count) as usize])
    }
}

/// The TOML files of a folder by name, hidden ones left out.
fn toml_files(folder: &Path) -> std::io::Result<BTreeMap<String, PathBuf>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(name) = path.file_stem().and_then(OsStr::to_str) else { continue };
        if path.extension() == Some(OsStr::new("toml")) && !name.starts_with('.') {
            files.insert(name.to_owned(), path);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read(file: &Path) -> Result<String, Vec<Problem>> {
        let text = fs::read_to_string(file).unwrap();
        if text == "bad" { Err(vec![Problem::of_file(file, "bad")]) } else { Ok(text) }
    }

    #[test]
    fn a_bad_file_keeps_its_last_good_state() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        for (name, text) in [("a.toml", "1"), ("b.toml", "2"), ("c.toml", "bad"), (".d.toml", "4"), ("e.txt", "5")] {
            write(name, text);
        }
        let (mut library, problems) = Library::open(dir.path(), read);
        assert!(library.names().eq(["a", "b"]));
        assert_eq!(problems.len(), 1);

        write("a.toml", "bad");
        write("c.toml", "3");
        fs::remove_file(dir.path().join("b.toml")).unwrap();
        let reloaded = library.reload();
        assert_eq!((reloaded.changed, reloaded.gone), (vec!["c".to_owned()], vec!["b".to_owned()]));
        assert_eq!(reloaded.problems.len(), 1);
        assert_eq!((library.get("a").unwrap().as_str(), library.get("b")), ("1", None));
        for (name, after, before) in [("a", "c", "c"), ("b", "c", "a"), ("c", "a", "a"), ("z", "a", "c")] {
            assert_eq!((library.beside(name, 1), library.beside(name, -1)), (Some(after), Some(before)), "{name}");
        }
        assert_eq!(library.reload().changed, [""; 0]);

        drop(dir);
        assert!(library.reload().problems[0].to_string().contains("No such file"));
        assert!(library.names().eq(["a", "c"]), "a folder that is gone takes nothing away");
    }
}
