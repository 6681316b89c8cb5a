//! The files that a command writes: none is written over another, and each has its name only once it is complete.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
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

/// Where a render writes a file. It has another name until it is complete, so that a render that fails or is interrupted
/// leaves no incomplete file, and an existing file as it was.
#[derive(Debug)]
pub(super) struct Destination {
    /// The path to write to.
    pub(super) written: PathBuf,
    /// The final path, without links, and the file that will be renamed to it, which is locked until then; `None` if the
    /// destination is written directly.
    renamed: Option<(PathBuf, File)>,
}

impl Destination {
    /// Chooses the path to write to, and creates the file there unless it is a device or a pipe.
    ///
    /// # Errors
    /// When the existing file must not be changed, or no file can be created beside it.
    pub(super) fn new(path: &Path) -> anyhow::Result<Self> {
        let file = FileId::of(path);
        // Standard output may be a regular file, which whoever opened it expects to contain the text.
        let is_standard = ["/dev/stdout", "/dev/stderr"].iter().any(|stream| FileId::of(Path::new(stream)) == file);
        let (verb, destination) = match file {
            Some(FileId::Existing { .. }) if !is_standard => ("replace", Self::replacing(path)),
            Some(FileId::New(target)) => ("write", Self::beside(target)),
            _ if path.is_dir() => ("write", Err(io::ErrorKind::IsADirectory.into())),
            _ => ("write", Ok(Self { written: path.to_owned(), renamed: None })),
        };
        destination.map_err(|error| reason(path, error)).with_context(|| format!("cannot {verb} {}", path.display()))
    }

    /// Creates the file that is to replace an existing one, with the same permissions.
    fn replacing(path: &Path) -> io::Result<Self> {
        // Renaming would also replace a write-protected file.
        let permissions = File::options().write(true).open(path)?.metadata()?.permissions();
        let destination = Self::beside(fs::canonicalize(path)?)?;
        fs::set_permissions(&destination.written, permissions)?;
        Ok(destination)
    }

    /// Creates the file that is to be renamed to a path without links.
    fn beside(path: PathBuf) -> io::Result<Self> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".unfinished");
        let unfinished = path.with_file_name(name);
        remove_leftover(&unfinished);
        let written = files::unused_path(&unfinished);
        let file = File::create_new(&written)?;
        // Without locks, a leftover stays, and the next file has another name.
        let _ = file.try_lock();
        Ok(Self { written, renamed: Some((path, file)) })
    }

    /// Gives the complete file its name.
    ///
    /// # Errors
    /// When the file cannot be renamed; the message then says where the complete file is.
    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        let Some((path, _lock)) = self.renamed.take() else { return Ok(()) };
        fs::rename(&self.written, &path)
            .with_context(|| format!("cannot rename {} to {}", self.written.display(), path.display()))
    }
}

/// Returns why no file can be created at a path, in plain words if the path is the reason.
fn reason(path: &Path, error: io::Error) -> anyhow::Error {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match files::obstacle(folder) {
        Some(obstacle) => anyhow!(obstacle),
        None if path.is_dir() => anyhow!("expected the path of a file, but this is a folder"),
        None if !folder.exists() => anyhow!("there is no folder {}", folder.display()),
        None => error.into(),
    }
}

/// Removes the file that an interrupted render has left at a path. One that another render is writing is locked, and stays.
fn remove_leftover(unfinished: &Path) {
    let is_file = unfinished.symlink_metadata().is_ok_and(|found| found.is_file());
    if is_file
        && let Ok(file) = File::options().write(true).open(unfinished)
        && file.try_lock().is_ok()
        // The other render may have finished, and its file may have been renamed, since the file was opened.
        && matches!(files::is_at(&file, unfinished), Ok(true))
    {
        let _ = fs::remove_file(unfinished);
    }
}

impl Drop for Destination {
    fn drop(&mut self) {
        if self.renamed.is_some() {
            let _ = fs::remove_file(&self.written);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;
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
        assert_eq!((&destination.written, read("keep.wav.unfinished")), (&at("keep.wav.unfinished"), String::new()));
        fs::write(&destination.written, "half").unwrap();
        assert_eq!(read("keep.wav"), "old");
        let second = Destination::new(&at("keep.wav")).unwrap();
        assert_eq!(second.written, at("keep.wav.unfinished-2"), "the first render is still writing its file");
        assert_eq!(read("keep.wav.unfinished"), "half");
        drop((destination, second));
        assert_eq!((read("keep.wav"), fs::read_dir(folder.path()).unwrap().count()), ("old".to_owned(), 2));

        let destination = Destination::new(&at("link.wav")).unwrap();
        fs::write(&destination.written, "new").unwrap();
        destination.finish().unwrap();
        assert_eq!(read("keep.wav"), "new");
        assert_eq!(fs::metadata(at("keep.wav")).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(at("link.wav").is_symlink() && !at("keep.wav.unfinished").exists());

        let (_reader, writer) = io::pipe().unwrap();
        let piped = PathBuf::from(format!("/dev/fd/{}", writer.as_raw_fd()));
        for direct in [piped, PathBuf::from("/dev/null")] {
            assert_eq!(Destination::new(&direct).unwrap().written, direct);
        }
    }

    #[test]
    fn a_new_file_has_its_name_only_once_it_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().canonicalize().unwrap().join(name);
        symlink("new.wav", at("link.wav")).unwrap();
        for name in ["new.wav", "link.wav"] {
            let destination = Destination::new(&at(name)).unwrap();
            assert_eq!(destination.written, at("new.wav.unfinished"));
            drop(destination);
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "only the link should be left");
        }
        let destination = Destination::new(&at("link.wav")).unwrap();
        fs::write(&destination.written, "new").unwrap();
        destination.finish().unwrap();
        assert_eq!(fs::read_to_string(at("new.wav")).unwrap(), "new");
        assert!(at("link.wav").is_symlink() && !at("new.wav.unfinished").exists());
        let error = Destination::new(&at("missing/new.wav")).unwrap_err().to_string();
        assert!(error.starts_with("cannot write") && error.ends_with("missing/new.wav"), "{error}");
    }
}
