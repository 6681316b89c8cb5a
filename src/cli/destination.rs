//! The files that a command writes: none is written over another, and an existing one is replaced only when complete.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use melos::files;

/// A regular file, whichever path or link leads to it.
#[derive(Debug, PartialEq)]
enum FileId {
    Existing {
        device: u64,
        inode: u64,
    },
    /// A file that does not exist yet: its path without links.
    New(PathBuf),
}

impl FileId {
    /// Returns the file to which a path leads; `None` for anything but a regular file, such as a device or a pipe.
    fn of(path: &Path) -> Option<Self> {
        match fs::metadata(path) {
            Ok(found) => found.is_file().then(|| Self::Existing { device: found.dev(), inode: found.ino() }),
            Err(_) => Some(Self::New(new_file(path))),
        }
    }
}

/// Returns the path, without links, of the file that writing to a path would create.
fn new_file(path: &Path) -> PathBuf {
    let folder = |path: &Path| match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut path = path.to_owned();
    // Linux follows at most 40 links.
    for _ in 0..40 {
        let Ok(target) = fs::read_link(&path) else { break };
        path = folder(&path).join(target);
    }
    let resolved = fs::canonicalize(folder(&path)).ok().zip(path.file_name()).map(|(folder, name)| folder.join(name));
    resolved.unwrap_or(path)
}

/// Checks that no option would write over the file of another one. Devices and pipes can be named more than once.
///
/// # Errors
/// When two options lead to the same file; the message names both.
pub(super) fn refuse_shared_files(options: &[(&str, Option<&Path>)]) -> anyhow::Result<()> {
    let mut seen: Vec<(FileId, &str, &Path)> = Vec::new();
    for (option, path) in options.iter().filter_map(|(option, path)| Some((*option, (*path)?))) {
        let Some(file) = FileId::of(path) else { continue };
        if let Some((_, other, other_path)) = seen.iter().find(|(other, ..)| *other == file) {
            bail!(
                "{other} {} and {option} {} lead to the same file; choose another file for {option}",
                other_path.display(),
                path.display()
            );
        }
        seen.push((file, option, path));
    }
    Ok(())
}

/// Where a render writes a file. One that replaces an existing file has another name until it is complete, so that a
/// render that fails or is interrupted leaves the existing file as it was.
#[derive(Debug)]
pub(super) struct Destination {
    /// The path to write to.
    pub(super) written: PathBuf,
    /// The existing file, without links; `None` if the destination is written directly.
    replaced: Option<PathBuf>,
}

impl Destination {
    /// Chooses the path to write to, and creates the file there if it is to replace another one.
    ///
    /// # Errors
    /// When the existing file must not be changed, or no file can be created beside it.
    pub(super) fn new(path: &Path) -> anyhow::Result<Self> {
        let file = FileId::of(path);
        // Standard output may be a regular file, which whoever opened it expects to contain the text.
        let is_standard = ["/dev/stdout", "/dev/stderr"].iter().any(|stream| FileId::of(Path::new(stream)) == file);
        if is_standard || !matches!(file, Some(FileId::Existing { .. })) {
            return Ok(Self { written: path.to_owned(), replaced: None });
        }
        let create = || -> io::Result<Self> {
            // Renaming would also replace a write-protected file.
            let permissions = File::options().write(true).open(path)?.metadata()?.permissions();
            let replaced = fs::canonicalize(path)?;
            let mut name = replaced.file_name().unwrap_or_default().to_owned();
            name.push(".unfinished");
            let written = files::unused_path(&replaced.with_file_name(name));
            let file = File::create_new(&written)?;
            let destination = Self { written, replaced: Some(replaced) };
            file.set_permissions(permissions)?;
            Ok(destination)
        };
        create().with_context(|| format!("cannot replace {}", path.display()))
    }

    /// Gives the complete file its name.
    ///
    /// # Errors
    /// When the existing file cannot be replaced; the message then says where the complete file is.
    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        let Some(replaced) = self.replaced.take() else { return Ok(()) };
        fs::rename(&self.written, &replaced)
            .with_context(|| format!("cannot rename {} to {}", self.written.display(), replaced.display()))
    }
}

impl Drop for Destination {
    fn drop(&mut self) {
        if self.replaced.is_some() {
            let _ = fs::remove_file(&self.written);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn options_that_lead_to_the_same_file_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("sub")).unwrap();
        fs::write(at("log"), "").unwrap();
        fs::hard_link(at("log"), at("hard")).unwrap();
        for (target, link) in [("log", "soft"), ("sub", "folder"), ("sub/new", "dangling"), ("dangling", "chain")] {
            symlink(target, at(link)).unwrap();
        }
        let check = |one: &Path, other: &Path| {
            refuse_shared_files(&[("--one", Some(one)), ("--none", None), ("--other", Some(other))])
        };
        for (one, other) in [
            ("log", "log"),
            ("log", "sub/../log"),
            ("log", "hard"),
            ("soft", "log"),
            ("new", "new"),
            ("new", "sub/../new"),
            ("sub/new", "folder/new"),
            ("sub/new", "dangling"),
            ("chain", "folder/new"),
            ("missing/new", "missing/new"),
        ] {
            let error = check(&at(one), &at(other)).unwrap_err().to_string();
            let (one, other) = (at(one), at(other));
            let expected = format!("--one {} and --other {} lead to the same file", one.display(), other.display());
            assert!(error.contains(&expected) && error.ends_with("another file for --other"), "{error}");
        }
        for (one, other) in [("log", "new"), ("new", "sub/new"), ("sub/new", "sub/newer"), ("hard", "dangling")] {
            check(&at(one), &at(other)).unwrap();
        }
        check(Path::new("/dev/null"), Path::new("/dev/null")).unwrap();
    }

    #[test]
    fn only_a_complete_file_replaces_an_existing_one() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let read = |name: &str| fs::read_to_string(at(name)).unwrap();
        fs::write(at("keep.wav"), "old").unwrap();
        fs::set_permissions(at("keep.wav"), fs::Permissions::from_mode(0o640)).unwrap();
        fs::write(at("keep.wav.unfinished"), "from an interrupted render").unwrap();
        symlink("keep.wav", at("link.wav")).unwrap();

        let destination = Destination::new(&at("link.wav")).unwrap();
        fs::write(&destination.written, "half").unwrap();
        assert_eq!(read("keep.wav"), "old");
        drop(destination);
        assert_eq!((read("keep.wav"), fs::read_dir(folder.path()).unwrap().count()), ("old".to_owned(), 3));

        let destination = Destination::new(&at("link.wav")).unwrap();
        fs::write(&destination.written, "new").unwrap();
        destination.finish().unwrap();
        assert_eq!(read("keep.wav"), "new");
        assert_eq!(fs::metadata(at("keep.wav")).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(read("keep.wav.unfinished"), "from an interrupted render");
        assert!(at("link.wav").is_symlink());

        for direct in [at("new.wav"), PathBuf::from("/dev/null")] {
            assert_eq!(Destination::new(&direct).unwrap().written, direct);
        }
    }
}
