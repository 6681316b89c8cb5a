//! Writes files without ever losing existing data.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::ZonedDateTime;
use rustix::io::Errno;

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
    // A crash may have left a file under this name. Anything else there, such as a folder, stays.
    let _ = fs::remove_file(&new);
    let new = unused_path(&new);
    let result = (|| {
        // Opened first, so that a lack of file descriptors is noticed while the old file is still in place.
        let folder = open_folder(&path)?;
        let mut file = File::create_new(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        folder.sync_all()
    })();
    result.map_err(|error| {
        let _ = fs::remove_file(&new);
        named_obstacle(&path, error)
    })
}

/// Waits until a file is on disk. Pipes and most devices cannot be synced, which is not an error.
///
/// # Errors
/// When the disk fails.
pub fn sync(file: &File) -> io::Result<()> {
    file.sync_all().or_else(|error| {
        let is_refused = matches!(Errno::from_io_error(&error), Some(Errno::INVAL | Errno::NOTSUP | Errno::ROFS));
        if is_refused && !file.metadata()?.is_file() { Ok(()) } else { Err(error) }
    })
}

/// Syncs the directory entry of a file to disk.
///
/// # Errors
/// When the file's folder no longer exists or the disk fails.
pub fn sync_folder(file: &Path) -> io::Result<()> {
    open_folder(file)?.sync_all()
}

fn open_folder(file: &Path) -> io::Result<File> {
    File::open(file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

/// Creates a folder and the folders above it, unless they exist.
///
/// # Errors
/// When the folder cannot be created; the message names the file or link that is in the way, if there is one.
pub fn create_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder).map_err(|error| match obstacle(folder) {
        Some(obstacle) => io::Error::new(error.kind(), obstacle),
        None => error,
    })
}

/// Says what is in the way of a folder: the file or link at its path or above it; `None` if the folder exists or could be
/// created.
#[must_use]
pub fn obstacle(folder: &Path) -> Option<String> {
    let existing = folder.ancestors().find(|path| path.symlink_metadata().is_ok());
    let obstacle = existing.filter(|path| !path.is_dir())?;
    let what = match obstacle {
        path if path.is_file() => "is a file, not a folder",
        path if path.is_symlink() => "is a link that leads to no folder",
        _ => "is not a folder",
    };
    Some(format!("{} {what}", obstacle.display()))
}

/// Returns the error of opening a file, which names what is in the place of the file's folder, if that is the reason.
pub(super) fn named_obstacle(file: &Path, error: io::Error) -> io::Error {
    let obstacle = file.parent().filter(|_| error.kind() == io::ErrorKind::NotADirectory).and_then(obstacle);
    obstacle.map_or(error, |obstacle| io::Error::new(io::ErrorKind::NotADirectory, obstacle))
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
pub(super) fn numbered(path: &Path, number: u32) -> PathBuf {
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

/// The `strftime` format of the dates in the names of files set aside and of earlier logs, such as `2026-11-28T16-55-01`.
pub const DATE: &str = "%Y-%m-%dT%H-%M-%S";

/// Returns whether a text is a date in the form of [`DATE`], perhaps followed by the number that distinguishes files of the
/// same date.
#[must_use]
pub fn is_date(text: &str) -> bool {
    const PATTERN: &str = "0000-00-00T00-00-00";
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some((date, number)) = text.split_at_checked(PATTERN.len()) else { return false };
    let matches = |(byte, pattern): (u8, u8)| if pattern == b'0' { byte.is_ascii_digit() } else { byte == pattern };
    date.bytes().zip(PATTERN.bytes()).all(matches)
        && (number.is_empty() || number.strip_prefix('-').is_some_and(are_digits))
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
    fn pipes_and_devices_need_not_be_synced() {
        let (_reader, writer) = io::pipe().unwrap();
        sync(&File::from(std::os::fd::OwnedFd::from(writer))).unwrap();
        sync(&File::create("/dev/null").unwrap()).unwrap();
        sync(&tempfile::tempfile().unwrap()).unwrap();
    }

    #[test]
    fn a_folder_under_the_temporary_name_stays_and_is_not_in_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let (path, obstacle) = (folder.path().join("state.toml"), folder.path().join("state.toml.new"));
        fs::create_dir(&obstacle).unwrap();
        replace(&path, b"one").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!((obstacle.is_dir(), fs::read_dir(folder.path()).unwrap().count()), (true, 2));
    }

    #[test]
    fn the_error_names_what_is_in_the_way_of_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        create_folder(&path("new/state")).unwrap();
        create_folder(&path("new/state")).unwrap();
        fs::write(path("file"), "").unwrap();
        std::os::unix::fs::symlink("nowhere", path("link")).unwrap();
        for (name, obstacle) in [("file", "file"), ("file/state", "file"), ("link", "link"), ("link/state", "link")] {
            let what = if obstacle == "file" { "is a file, not a folder" } else { "is a link that leads to no folder" };
            let expected = format!("{} {what}", path(obstacle).display());
            assert_eq!(create_folder(&path(name)).unwrap_err().to_string(), expected, "{name}");
        }
        assert_eq!(obstacle(&path("new/state/other")), None);
        let in_file = path("file/state.toml");
        let errors = [replace(&in_file, b"").unwrap_err(), crate::files::bytes(&in_file, 1).unwrap_err()];
        for error in errors {
            assert_eq!(error.to_string(), format!("{} is a file, not a folder", path("file").display()));
        }
        assert_eq!(obstacle(Path::new("/dev/null/state")).unwrap(), "/dev/null is not a folder");
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
