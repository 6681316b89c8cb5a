//! Sets files aside: preserves the contents of a file that is about to be replaced.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::space::Usage;
use super::write::{DATE, is_date, numbered, stamp, sync_folder};

/// Maximum number of files set aside from the same file for the same reason. All of them differ, so a limit is needed
/// only to keep a program that overwrites the file again and again from filling the disk.
const MAX_KEPT: usize = 10;
/// Maximum size in bytes of files whose contents are compared; larger ones count as different.
const MAX_COMPARED: u64 = 16 << 20;

/// Preserves the contents of a file under a second name with a timestamp, such as
/// `state.toml.damaged-2026-11-28T16-55-01`, and returns that path. Leaves the original in place if possible;
/// otherwise, moves it. If the same contents were set aside before, returns that path instead. Beyond the ten newest
/// files set aside for the same reason, deletes the oldest.
///
/// # Errors
/// When no file can be created in the folder.
pub fn set_aside(path: &Path, reason: &str) -> io::Result<PathBuf> {
    let source = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let prefix = format!("{}.{reason}-", path.file_name().unwrap_or_default().to_string_lossy());
    let earlier = earlier(path, &prefix);
    if let Some(kept) = earlier.iter().find(|kept| have_same_contents(&source, kept)) {
        sync_folder(path)?;
        return Ok(kept.clone());
    }
    let aside = preserve(path, &source, &path.with_file_name(format!("{prefix}{}", stamp(DATE))))?;
    sync_folder(path)?;
    for oldest in earlier.iter().take((earlier.len() + 1).saturating_sub(MAX_KEPT)) {
        let _ = fs::remove_file(oldest);
    }
    Ok(aside)
}

/// Links, copies or moves a file to the first unused path among `aside`, `aside-2` and so on, and returns that path.
/// `source` is the file to which `path` leads.
fn preserve(path: &Path, source: &Path, aside: &Path) -> io::Result<PathBuf> {
    for number in 1..100 {
        let aside = numbered(aside, number);
        match fs::hard_link(source, &aside) {
            Ok(()) => {}
            Err(_) if aside.symlink_metadata().is_ok() => continue,
            // The file is on another disk or a file system without hard links, or is not a regular file.
            Err(_) => copy(source, &aside).or_else(|_| fs::rename(path, &aside))?,
        }
        return Ok(aside);
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "99 files with this name and time already exist"))
}

/// Returns the regular files set aside earlier, oldest first. The dates in their names count, because a link has the
/// modification time of the original.
fn earlier(path: &Path, prefix: &str) -> Vec<PathBuf> {
    let was_set_aside = |name: &str| name.strip_prefix(prefix).is_some_and(is_date);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut files: Vec<_> = Usage::of(folder, was_set_aside).into_iter().map(|file| file.path).collect();
    files.sort();
    files
}

/// Returns whether two files are known to have the same contents.
fn have_same_contents(one: &Path, other: &Path) -> bool {
    let (Ok(first), Ok(second)) = (fs::metadata(one), fs::metadata(other)) else { return false };
    let read = |path| super::bytes(path, MAX_COMPARED);
    let are_equal = || read(one).is_ok_and(|one| read(other).is_ok_and(|other| one == other));
    // Two links to the same file need not be readable.
    (first.dev(), first.ino()) == (second.dev(), second.ino()) || first.len() == second.len() && are_equal()
}

/// Copies a regular file and syncs the copy to disk; leaves nothing behind on failure.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = super::open(from)?;
    let mut target = File::create_new(to)?;
    let result = io::copy(&mut source, &mut target).and_then(|_| target.sync_all());
    if result.is_err() {
        let _ = fs::remove_file(to);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::replace;

    #[test]
    fn setting_aside_preserves_contents() {
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
    fn the_same_contents_are_set_aside_only_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.toml");
        fs::write(&path, "one").unwrap();
        let first = set_aside(&path, "replaced").unwrap();
        // The same file, and another one with the same contents.
        assert_eq!(set_aside(&path, "replaced").unwrap(), first);
        replace(&path, b"one").unwrap();
        assert_eq!(set_aside(&path, "replaced").unwrap(), first);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        replace(&path, b"two").unwrap();
        assert_ne!(set_aside(&path, "replaced").unwrap(), first);
    }

    #[test]
    fn the_ten_newest_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for day in 10..22 {
            fs::write(at(&format!("state.toml.replaced-2026-01-{day}T10-00-00")), day.to_string()).unwrap();
        }
        // Neither of another kind nor named by this program.
        let others = ["state.toml.damaged-2026-01-01T10-00-00", "state.toml.replaced-mine", "state.toml"];
        others.iter().for_each(|name| fs::write(at(name), name).unwrap());
        let newest = set_aside(&at("state.toml"), "replaced").unwrap();
        assert!(newest.exists() && others.iter().all(|name| at(name).exists()));
        let kept = earlier(&at("state.toml"), "state.toml.replaced-");
        assert_eq!((kept.len(), &kept[0]), (10, &at("state.toml.replaced-2026-01-13T10-00-00")));
        assert!(kept.contains(&newest));
    }
}
