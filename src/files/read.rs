//! Reads untrusted files: only regular files of bounded size.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

use super::write::named_obstacle;

/// Maximum size, in bytes, of a text file that users write: presets, setlists, mappings, `melos.toml`, `model.toml`.
pub const MAX_TEXT: u64 = 1 << 20;

/// Opens a regular file for reading; does not block on a named pipe.
///
/// # Errors
/// When it cannot be opened or is not a regular file ([`ErrorKind::InvalidInput`]).
pub fn open(path: &Path) -> io::Result<File> {
    // Check before opening, since opening a device may have side effects.
    require_regular(&fs::metadata(path).map_err(|error| named_obstacle(path, error))?)?;
    let file = File::options().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path)?;
    require_regular(&file.metadata()?)?;
    Ok(file)
}

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
/// As for [`open`], or when the file cannot be read or is too large ([`ErrorKind::FileTooLarge`]).
pub fn bytes(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let length = file.metadata()?.len();
    if length > limit {
        return Err(too_large(limit));
    }
    let mut bytes = Vec::with_capacity(length as usize);
    // The file may have grown since its size was read.
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(too_large(limit)) } else { Ok(bytes) }
}

/// Reads a regular text file of at most [`MAX_TEXT`] bytes.
///
/// # Errors
/// As for [`bytes()`], or when it is not UTF-8 ([`ErrorKind::InvalidData`]); the message names the line.
pub fn text(path: &Path) -> io::Result<String> {
    String::from_utf8(bytes(path, MAX_TEXT)?).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
        io::Error::new(ErrorKind::InvalidData, format!("line {line} is not UTF-8; save the file as UTF-8"))
    })
}

fn require_regular(metadata: &fs::Metadata) -> io::Result<()> {
    if metadata.is_file() {
        return Ok(());
    }
    let kind = if metadata.is_dir() { "a folder" } else { "a pipe, socket or device" };
    Err(io::Error::new(ErrorKind::InvalidInput, format!("expected a regular file, but this is {kind}")))
}

fn too_large(limit: u64) -> io::Error {
    io::Error::new(ErrorKind::FileTooLarge, format!("the file is larger than {limit} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_of_bounded_size_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("good"), "abc").unwrap();
        assert_eq!(bytes(&path("good"), 3).unwrap(), b"abc");
        assert_eq!(bytes(&path("good"), 2).unwrap_err().kind(), ErrorKind::FileTooLarge);
        std::os::unix::fs::symlink("good", path("link")).unwrap();
        assert_eq!(text(&path("link")).unwrap(), "abc");

        let status = std::process::Command::new("mkfifo").arg(path("pipe")).status().unwrap();
        assert!(status.success());
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
        std::os::unix::fs::symlink("pipe", path("link to a pipe")).unwrap();
        for name in ["pipe", "link to a pipe", "socket", "."] {
            assert_eq!(text(&path(name)).unwrap_err().kind(), ErrorKind::InvalidInput, "{name}");
        }
        for device in ["/dev/zero", "/dev/tty"] {
            assert!(text(Path::new(device)).is_err(), "{device}");
        }
        // This file reports a size of 0 but has contents.
        assert!(bytes(Path::new("/proc/kallsyms"), 100).is_err());
    }

    #[test]
    fn the_error_for_invalid_utf_8_names_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("latin1");
        fs::write(&path, b"name = \"a\"\nname = \"M\xe4rz\"\n").unwrap();
        assert!(text(&path).unwrap_err().to_string().contains("line 2 is not UTF-8"));
    }
}
