//! Disk space.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

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
}
