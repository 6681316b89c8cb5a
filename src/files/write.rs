//! Writes files without ever losing existing data.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::ZonedDateTime;

/// Replaces a file atomically: after a crash or power cut, either the old or the new file is there in full. Follows
/// links and replaces their target.
///
/// # Errors
/// When the new file cannot be written, in which case the old one is unchanged, or when the folder cannot be synced to
/// disk.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let result = (|| {
        // Something may already exist under this name: a file left by a crash, or a symbolic link.
        let _ = fs::remove_file(&new);
        let mut file = File::create_new(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, &path)
    })();
    if result.is_err() {
        let _ = fs::remove_file(&new);
    }
    result?;
    sync_folder(&path)
}

/// Syncs the directory entry of a file to disk.
///
/// # Errors
/// When the file's folder no longer exists or the disk fails.
pub fn sync_folder(file: &Path) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// Preserves the contents of a file under a second name with a timestamp, such as
/// `state.toml.damaged-2026-11-28T16-55-01`, and returns that path. Leaves the original in place if possible;
/// otherwise, moves it.
///
/// # Errors
/// When no file can be created in the folder.
pub fn set_aside(path: &Path, reason: &str) -> io::Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let source = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    for number in 1..100 {
        let aside = numbered(&path.with_file_name(format!("{name}.{reason}-{}", stamp("%Y-%m-%dT%H-%M-%S"))), number);
        match fs::hard_link(&source, &aside) {
            Ok(()) => {}
            Err(_) if aside.symlink_metadata().is_ok() => continue,
            // The file is on another disk or a file system without hard links, or is not a regular file.
            Err(_) => copy(&source, &aside).or_else(|_| fs::rename(path, &aside))?,
        }
        sync_folder(path)?;
        return Ok(aside);
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "99 files with this name and time already exist"))
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

/// Returns the path if nothing exists there, otherwise an unused path with a number before the extension, such as
/// `calm-2.wav`.
#[must_use]
pub fn unused_path(path: &Path) -> PathBuf {
    first_numbered(path, is_unused)
}

/// Like [`unused_path`], but no file of that name exists with any of the `extensions` either, so that files that belong
/// together can share the name.
#[must_use]
pub fn unused_stem(path: &Path, extensions: &[&str]) -> PathBuf {
    first_numbered(path, |path| extensions.iter().all(|extension| is_unused(&path.with_extension(extension))))
}

fn first_numbered(path: &Path, is_suitable: impl Fn(&Path) -> bool) -> PathBuf {
    (1..).map(|number| numbered(path, number)).find(|path| is_suitable(path)).unwrap_or_else(|| path.to_owned())
}

fn is_unused(path: &Path) -> bool {
    path.symlink_metadata().is_err()
}

/// Returns the path of the nth file of the same name: `a.wav`, `a-2.wav`.
fn numbered(path: &Path, number: u32) -> PathBuf {
    if number == 1 {
        return path.to_owned();
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Only known extensions count, since a timestamp may also contain dots.
    let extension =
        ["wav", "flac", "log", "mid"].into_iter().find(|extension| name.ends_with(&format!(".{extension}")));
    path.with_file_name(match extension {
        Some(extension) => format!("{}-{number}.{extension}", &name[..name.len() - extension.len() - 1]),
        None => format!("{name}-{number}"),
    })
}

/// Formats the current local time; `format` is a `strftime` format string.
#[must_use]
pub fn stamp(format: &str) -> String {
    ZonedDateTime::now().strftime(format).to_string()
}

/// Formats a time as local time; `format` is a `strftime` format string.
#[must_use]
pub fn stamp_of(time: SystemTime, format: &str) -> String {
    let time = ZonedDateTime::try_from(time).unwrap_or_else(|_| ZonedDateTime::now());
    time.strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacing_follows_links_and_overwrites_leftovers() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "old").unwrap();
        std::os::unix::fs::symlink("file", path("link")).unwrap();
        fs::write(path("file.new"), "left from a crash").unwrap();
        replace(&path("link"), b"new").unwrap();
        assert_eq!(fs::read(path("file")).unwrap(), b"new");
        assert!(path("link").is_symlink() && !path("file.new").exists());
        assert!(replace(&path("no/folder"), b"").is_err());
        fs::create_dir(path("folder")).unwrap();
        assert!(replace(&path("folder"), b"x").is_err());
        assert!(!path("folder.new").exists(), "nothing should be left behind");
    }

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
    fn a_number_distinguishes_files_of_the_same_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("2026-11-28_16.55.01_calm.wav");
        assert_eq!(unused_path(&path), path);
        fs::write(&path, "").unwrap();
        let second = folder.path().join("2026-11-28_16.55.01_calm-2.wav");
        assert_eq!(unused_path(&path), second);
        std::os::unix::fs::symlink("nowhere", &second).unwrap();
        assert_eq!(unused_path(&path), folder.path().join("2026-11-28_16.55.01_calm-3.wav"));
        let flac = path.with_extension("flac");
        assert_eq!(unused_path(&flac), flac);
        let extensions = ["wav", "flac", "log"];
        assert_eq!(unused_stem(&flac, &extensions), folder.path().join("2026-11-28_16.55.01_calm-3.flac"));
        fs::write(folder.path().join("2026-11-28_16.55.01_calm-3.log"), "").unwrap();
        assert_eq!(unused_stem(&flac, &extensions), folder.path().join("2026-11-28_16.55.01_calm-4.flac"));
    }
}
