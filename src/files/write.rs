//! Writing so that what was there is never lost.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::ZonedDateTime;

/// Replaces a file: after a crash or a power cut there is the old one or the new one, whole. A link is followed, so that
/// the file it leads to is replaced.
///
/// # Errors
/// When it cannot be written; the old one is still there.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let written = (|| {
        // One that is left from a crash, or is something else than a file.
        let _ = fs::remove_file(&new);
        let mut file = File::create_new(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, &path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written?;
    sync_folder(&path)
}

/// Brings the names in the folder of a file to the disk.
///
/// # Errors
/// When the folder is gone, or the disk fails.
pub fn sync_folder(of: &Path) -> io::Result<()> {
    let folder = of.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// Keeps what stands at a path under a new name, that with the moment after it, such as
/// `state.toml.damaged-2026-11-28T16-55-01`, and gives that name. What stands there stays if it can, so that there is no
/// moment without it.
///
/// # Errors
/// When the folder does not take another name.
pub fn set_aside(path: &Path, why: &str) -> io::Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let source = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    for number in 1..100 {
        let aside = numbered(&path.with_file_name(format!("{name}.{why}-{}", stamp("%Y-%m-%dT%H-%M-%S"))), number);
        match fs::hard_link(&source, &aside) {
            Ok(()) => {}
            Err(_) if aside.symlink_metadata().is_ok() => continue,
            // Another disk, or a card whose file system knows no links; and what is no file at all.
            Err(_) => copy(&source, &aside).or_else(|_| fs::rename(path, &aside))?,
        }
        sync_folder(path)?;
        return Ok(aside);
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "too many files of that name"))
}

/// Copies a regular file to the disk; nothing is left where that fails.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut from = super::open(from)?;
    let mut copy = File::create_new(to)?;
    let copied = io::copy(&mut from, &mut copy).and_then(|_| copy.sync_all());
    if copied.is_err() {
        let _ = fs::remove_file(to);
    }
    copied
}

/// A name that no file has yet: the path itself, or with a number before the ending, such as `calm-2.wav`.
#[must_use]
pub fn beside(path: &Path) -> PathBuf {
    let free = |path: &PathBuf| path.symlink_metadata().is_err();
    (1..).map(|number| numbered(path, number)).find(free).unwrap_or_else(|| path.to_owned())
}

/// `a.wav` as `a-2.wav`; the first is `a.wav`.
fn numbered(path: &Path, number: u32) -> PathBuf {
    if number == 1 {
        return path.to_owned();
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Only what is certainly an ending: a stamp may have dots as well.
    let ending = ["wav", "flac", "log"].into_iter().find(|ending| name.ends_with(&format!(".{ending}")));
    path.with_file_name(match ending {
        Some(ending) => format!("{}-{number}.{ending}", &name[..name.len() - ending.len() - 1]),
        None => format!("{name}-{number}"),
    })
}

/// Now in local time, written as `strftime` would.
#[must_use]
pub fn stamp(format: &str) -> String {
    ZonedDateTime::now().strftime(format).to_string()
}

/// A moment in local time, written as `strftime` would.
#[must_use]
pub fn stamp_of(moment: SystemTime, format: &str) -> String {
    let moment = ZonedDateTime::try_from(moment).unwrap_or_else(|_| ZonedDateTime::now());
    moment.strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_through_links_and_over_leftovers() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "old").unwrap();
        std::os::unix::fs::symlink("file", at("link")).unwrap();
        fs::write(at("file.new"), "left from a crash").unwrap();
        replace(&at("link"), b"new").unwrap();
        assert_eq!(fs::read(at("file")).unwrap(), b"new");
        assert!(at("link").is_symlink() && !at("file.new").exists());
        assert!(replace(&at("no/folder"), b"").is_err());
        fs::create_dir(at("taken")).unwrap();
        assert!(replace(&at("taken"), b"x").is_err());
        assert!(!at("taken.new").exists(), "nothing is left behind");
    }

    #[test]
    fn what_is_set_aside_keeps_its_content_and_overwrites_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.toml");
        fs::write(&path, "one").unwrap();
        let first = set_aside(&path, "damaged").unwrap();
        replace(&path, b"two").unwrap();
        let second = set_aside(&path, "damaged").unwrap();
        replace(&path, b"three").unwrap();
        assert_eq!([first, second].map(|aside| fs::read(aside).unwrap()), [b"one", b"two"]);
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(set_aside(&path, "damaged").unwrap().is_dir() && !path.exists());
    }

    #[test]
    fn names_that_are_taken_get_a_number() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("2026-11-28_16.55.01_calm.wav");
        assert_eq!(beside(&path), path);
        fs::write(&path, "").unwrap();
        let second = folder.path().join("2026-11-28_16.55.01_calm-2.wav");
        assert_eq!(beside(&path), second);
        std::os::unix::fs::symlink("nowhere", &second).unwrap();
        assert_eq!(beside(&path), folder.path().join("2026-11-28_16.55.01_calm-3.wav"));
    }
}
