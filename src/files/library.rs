//! A library of TOML files of one kind from several folders, by name. While a file is invalid, its last valid contents
//! are used.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::document::Problem;
use super::names::{NameError, Titled, exact_name};
use super::watch::MAX_FILES;

/// A function that reads one file.
pub type Read<T> = fn(&Path) -> Result<T, Vec<Problem>>;

/// Maximum number of removed files whose contents are kept.
const MAX_REMOVED: usize = 1024;

/// The contents of all valid files, by file name without `.toml`; a file in an earlier folder hides files of the same
/// name in later folders.
#[derive(Debug, Clone)]
pub struct Library<T> {
    folders: Vec<PathBuf>,
    /// Whether even the last folder may be missing.
    optional: bool,
    read: Read<T>,
    items: BTreeMap<String, Item<T>>,
    /// Contents of removed files, so that a file restored unchanged does not count as changed.
    removed: BTreeMap<String, T>,
}

#[derive(Debug, Clone)]
struct Item<T> {
    file: PathBuf,
    value: T,
}

/// Changes found by a reload, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LibraryChanges {
    /// New files, and files with new contents.
    pub changed: Vec<String>,
    /// Files that were removed.
    pub removed: Vec<String>,
    /// Files that were restored with unchanged contents.
    pub restored: Vec<String>,
    /// All problems; an invalid file keeps its previous contents.
    pub problems: Vec<Problem>,
}

impl LibraryChanges {
    /// Returns whether any file changed, was removed or was restored.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        !(self.changed.is_empty() && self.removed.is_empty() && self.restored.is_empty())
    }
}

impl<T: PartialEq> Library<T> {
    /// Reads the folders, in order of precedence. A missing folder counts as empty, but is a problem if it is the last.
    #[must_use]
    pub fn open(folders: Vec<PathBuf>, read: Read<T>) -> (Self, Vec<Problem>) {
        Self::new(folders, false, read)
    }

    /// Reads the folders like [`Library::open`], but for optional files: a missing folder is not a problem, even if it
    /// is the last.
    #[must_use]
    pub fn open_optional(folders: Vec<PathBuf>, read: Read<T>) -> (Self, Vec<Problem>) {
        Self::new(folders, true, read)
    }

    fn new(folders: Vec<PathBuf>, optional: bool, read: Read<T>) -> (Self, Vec<Problem>) {
        let mut library = Self { folders, optional, read, items: BTreeMap::new(), removed: BTreeMap::new() };
        let problems = library.reload().problems;
        (library, problems)
    }

    /// Reads the folders again.
    pub fn reload(&mut self) -> LibraryChanges {
        let mut changes = LibraryChanges::default();
        let mut previous = std::mem::take(&mut self.items);
        for (index, folder) in self.folders.iter().enumerate() {
            let files = match items(folder) {
                Ok((files, problems)) => {
                    changes.problems.extend(problems);
                    files
                }
                Err(error)
                    if error.kind() == ErrorKind::NotFound && (self.optional || index + 1 < self.folders.len()) =>
                {
                    continue;
                }
                Err(error) => {
                    changes.problems.push(Problem::of_file(folder, format!("the folder cannot be read: {error}")));
                    // The items of a folder that cannot be read stay.
                    let folder = Some(folder.as_path());
                    for (name, item) in previous.extract_if(.., |_, item| item.file.parent() == folder) {
                        self.items.entry(name).or_insert(item);
                    }
                    continue;
                }
            };
            for (name, file) in files {
                if self.items.contains_key(&name) {
                    continue;
                }
                match (self.read)(&file) {
                    Ok(value) => {
                        match (previous.remove(&name), self.removed.remove(&name)) {
                            (Some(old), _) if old.value == value => {}
                            (None, Some(old)) if old == value => changes.restored.push(name.clone()),
                            _ => changes.changed.push(name.clone()),
                        }
                        self.items.insert(name, Item { file, value });
                    }
                    Err(problems) => {
                        changes.problems.extend(problems);
                        // Without earlier valid contents, a file that this one would hide is used instead.
                        if let Some(old) = previous.remove(&name) {
                            self.items.insert(name, old);
                        }
                    }
                }
            }
        }
        for (name, item) in previous {
            if self.removed.len() < MAX_REMOVED {
                self.removed.insert(name.clone(), item.value);
            }
            changes.removed.push(name);
        }
        changes
    }

    /// Looks up an item by name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&T> {
        self.items.get(name).map(|item| &item.value)
    }

    /// Returns all names, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.items.keys().map(String::as_str)
    }

    /// Returns all items, in the order of their names.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.items.values().map(|item| &item.value)
    }

    /// Returns the name `steps` positions after `name`, wrapping around; `None` if there are no names. `name` need not
    /// exist.
    #[must_use]
    pub fn name_at_offset(&self, name: &str, steps: isize) -> Option<&str> {
        let names: Vec<&str> = self.names().collect();
        let count = isize::try_from(names.len()).ok().filter(|count| *count > 0)?;
        let index = match names.binary_search(&name) {
            Ok(index) => index as isize + steps,
            // `index` is that of the name that would follow, which is already one step forward.
            Err(index) => index as isize + if steps > 0 { steps - 1 } else { steps },
        };
        Some(names[index.rem_euclid(count) as usize])
    }
}

impl<T: Titled> Library<T> {
    /// Looks up an item by what may be its name or title, as [`exact_name`] does, and returns it with its name.
    ///
    /// # Errors
    /// When there is no such item, or more than one.
    pub fn find(&self, text: &str) -> Result<(&str, &T), NameError> {
        let known = self.items.iter().map(|(name, item)| (name.as_str(), item.value.title()));
        let name = exact_name(T::KIND, text, known)?;
        Ok((name, &self.items[name].value))
    }
}

/// Returns whether a file belongs in a library: a TOML file that is not hidden.
#[must_use]
pub fn is_item(path: &Path) -> bool {
    let is_hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml")) && !is_hidden
}

/// Returns the name of the item in a file.
///
/// # Errors
/// Returns what is wrong with the file's name.
pub fn item_name(path: &Path) -> Result<&str, Problem> {
    if path.extension() != Some(OsStr::new("toml")) {
        return Err(Problem::of_file(path, "the file's extension must be toml in lower case"));
    }
    let name = path.file_stem().and_then(OsStr::to_str);
    name.ok_or_else(|| Problem::of_file(path, "the file's name must be UTF-8"))
}

/// Returns the items of a folder by name, at most [`MAX_FILES`], and the problems with the names and number of its files.
fn items(folder: &Path) -> std::io::Result<(BTreeMap<String, PathBuf>, Vec<Problem>)> {
    let (mut files, mut problems) = (BTreeMap::new(), Vec::new());
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if is_item(&path) {
            match item_name(&path) {
                Ok(name) => drop(files.insert(name.to_owned(), path)),
                Err(problem) => problems.push(problem),
            }
        }
    }
    problems.sort_by(|a, b| a.file.cmp(&b.file));
    problems.truncate(MAX_FILES);
    if let Some(first_ignored) = files.keys().nth(MAX_FILES).cloned() {
        let ignored = files.split_off(&first_ignored).len();
        let hint = format!("only the first {MAX_FILES} files are read (ignored: {ignored})");
        problems.push(Problem::of_file(folder, hint));
    }
    Ok((files, problems))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read(file: &Path) -> Result<String, Vec<Problem>> {
        let text = crate::files::text(file).map_err(|error| vec![Problem::of_file(file, error)])?;
        if text == "bad" { Err(vec![Problem::of_file(file, "bad")]) } else { Ok(text) }
    }

    #[test]
    fn an_invalid_file_keeps_its_last_valid_contents() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        for (name, text) in [("a.toml", "1"), ("b.toml", "2"), ("c.toml", "bad"), (".d.toml", "4"), ("e.txt", "5")] {
            write(name, text);
        }
        let (mut library, problems) = Library::open(vec![dir.path().to_owned()], read);
        assert!(library.names().eq(["a", "b"]));
        assert_eq!(problems.len(), 1);

        write("a.toml", "bad");
        write("c.toml", "3");
        fs::remove_file(dir.path().join("b.toml")).unwrap();
        let changes = library.reload();
        assert_eq!((changes.changed, changes.removed), (vec!["c".to_owned()], vec!["b".to_owned()]));
        assert_eq!(changes.problems.len(), 1);
        assert_eq!((library.get("a").unwrap().as_str(), library.get("b")), ("1", None));
        for (name, after, before) in [("a", "c", "c"), ("b", "c", "a"), ("c", "a", "a"), ("z", "a", "c")] {
            assert_eq!(
                (library.name_at_offset(name, 1), library.name_at_offset(name, -1)),
                (Some(after), Some(before)),
                "{name}"
            );
        }
        assert_eq!(library.reload().changed, [""; 0]);

        drop(dir);
        assert!(library.reload().problems[0].to_string().contains("No such file"));
        assert!(library.names().eq(["a", "c"]), "the items of a missing folder should stay");
    }

    #[test]
    fn a_file_restored_unchanged_is_not_reported_as_changed() {
        let dir = tempfile::tempdir().unwrap();
        let (here, away) = (dir.path().join("a.toml"), dir.path().join("a.away"));
        fs::write(&here, "1").unwrap();
        let (mut library, _) = Library::open(vec![dir.path().to_owned()], read);
        fs::rename(&here, &away).unwrap();
        assert_eq!(library.reload().removed, ["a"]);
        fs::rename(&away, &here).unwrap();
        let changes = library.reload();
        assert_eq!((changes.changed.len(), changes.restored.as_slice()), (0, &["a".to_owned()][..]));
        assert!(changes.has_changes() && !library.reload().has_changes());
        // An invalid file repaired to its previous contents is not reported either, but a file restored with new
        // contents is.
        fs::write(&here, "bad").unwrap();
        assert!(!library.reload().has_changes());
        fs::write(&here, "1").unwrap();
        assert!(!library.reload().has_changes());
        fs::remove_file(&here).unwrap();
        library.reload();
        fs::write(&here, "2").unwrap();
        assert_eq!(library.reload().changed, ["a"]);
    }

    #[test]
    fn earlier_folders_take_precedence() {
        let dir = tempfile::tempdir().unwrap();
        let (own, shipped) = (dir.path().join("own"), dir.path().join("shipped"));
        fs::create_dir(&shipped).unwrap();
        fs::write(shipped.join("a.toml"), "shipped a").unwrap();
        fs::write(shipped.join("b.toml"), "shipped b").unwrap();
        let (mut library, problems) = Library::open(vec![own.clone(), shipped], read);
        assert_eq!(problems, [], "the user's own files are optional");
        fs::create_dir(&own).unwrap();
        fs::write(own.join("a.toml"), "own a").unwrap();
        assert_eq!(library.reload().changed, ["a"]);
        assert!(library.values().eq(["own a", "shipped b"]));
        fs::write(own.join("a.toml"), "bad").unwrap();
        assert_eq!(library.reload().problems.len(), 1);
        assert_eq!(library.get("a").unwrap(), "own a", "the last valid contents, not those of the hidden file");
        fs::remove_dir_all(&own).unwrap();
        assert_eq!(library.reload().changed, ["a"]);
        assert!(library.values().eq(["shipped a", "shipped b"]));
        fs::create_dir(&own).unwrap();
        fs::write(own.join("b.toml"), "bad").unwrap();
        assert_eq!(Library::open(library.folders.clone(), read).0.get("b").unwrap(), "shipped b");
    }

    #[test]
    fn the_number_of_files_per_folder_is_limited() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..MAX_FILES + 3 {
            fs::write(dir.path().join(format!("{number:05}.toml")), "1").unwrap();
        }
        let (library, problems) = Library::open(vec![dir.path().to_owned()], read);
        assert_eq!((library.names().count(), library.names().next()), (MAX_FILES, Some("00000")));
        assert!(problems.len() == 1 && problems[0].to_string().contains("(ignored: 3)"), "{problems:?}");
    }

    #[test]
    fn files_whose_names_cannot_be_used_are_reported() {
        use std::os::unix::ffi::OsStrExt;

        let dir = tempfile::tempdir().unwrap();
        for name in [&b"m\xe4rz.toml"[..], b"UP.TOML", b"good.toml", b".hidden\xe4.toml", b"#1-opening.toml"] {
            fs::write(dir.path().join(OsStr::from_bytes(name)), "1").unwrap();
        }
        let (library, problems) = Library::open(vec![dir.path().to_owned()], read);
        assert!(library.names().eq(["#1-opening", "good"]));
        let hints: Vec<_> = problems.iter().map(|problem| problem.hint.as_str()).collect();
        assert_eq!(hints, ["the file's extension must be toml in lower case", "the file's name must be UTF-8"]);
    }

    #[test]
    fn irregular_files_are_reported_without_blocking() {
        let dir = tempfile::tempdir().unwrap();
        assert!(std::process::Command::new("mkfifo").arg(dir.path().join("pipe.toml")).status().unwrap().success());
        fs::create_dir(dir.path().join("folder.toml")).unwrap();
        fs::File::create(dir.path().join("large.toml")).unwrap().set_len(1 << 40).unwrap();
        fs::write(dir.path().join("good.toml"), "1").unwrap();
        let (library, problems) = Library::open(vec![dir.path().to_owned()], read);
        assert!(library.names().eq(["good"]));
        assert_eq!(problems.len(), 3, "{problems:?}");
    }
}
