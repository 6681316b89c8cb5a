//! Disk space.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::units::MEGABYTE;

/// Returns the bytes of disk space available at a path, which need not exist yet.
///
/// # Errors
/// When the system does not report the space.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let existing = path.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    let existing = if existing.as_os_str().is_empty() { Path::new(".") } else { existing };
    let disk = rustix::fs::statvfs(existing)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Formats a size in bytes for a message, as in `1.5 GB` or `40 MB`.
#[must_use]
pub fn size_in_words(bytes: u64) -> String {
    // Rounded down: the message may say that this is too little for something.
    let tenths = bytes / (100 * MEGABYTE);
    if tenths >= 10 { format!("{}.{} GB", tenths / 10, tenths % 10) } else { format!("{} MB", bytes / MEGABYTE) }
}

/// A file, its size and the time of its last write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Time of the last write.
    pub modified: SystemTime,
    /// Size in bytes.
    pub bytes: u64,
    /// The file.
    pub path: PathBuf,
}

impl Usage {
    /// Lists the regular files with matching names in a folder, oldest first; skips links and unreadable entries.
    #[must_use]
    pub fn of(folder: &Path, matches: impl Fn(&str) -> bool) -> Vec<Self> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut files: Vec<_> = entries
            .filter(|entry| entry.file_name().to_str().is_some_and(&matches))
            .filter_map(|entry| {
                let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
                Some(Self { modified: metadata.modified().ok()?, bytes: metadata.len(), path: entry.path() })
            })
            .collect();
        files.sort_by(|a, b| (a.modified, &a.path).cmp(&(b.modified, &b.path)));
        files
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_space_is_reported_for_folders_that_do_not_exist_yet() {
        let folder = tempfile::tempdir().unwrap();
        assert!(free_bytes(&folder.path().join("not/yet")).unwrap() > 0);
        assert!(free_bytes(Path::new("relative")).unwrap() > 0);
    }

    #[test]
    fn sizes_are_rounded_down() {
        for (bytes, words) in
            [(0, "0 MB"), (999_999, "0 MB"), (40_900_000, "40 MB"), (999_999_999, "999 MB"), (1_999_999_999, "1.9 GB")]
        {
            assert_eq!(size_in_words(bytes), words);
        }
        assert_eq!(size_in_words(20_000_000_000), "20.0 GB");
    }
}
