//! Disk space.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Bytes available to write below a path, which need not exist yet.
///
/// # Errors
/// When the system does not report it.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let there = path.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    let there = if there.as_os_str().is_empty() { Path::new(".") } else { there };
    let disk = rustix::fs::statvfs(there)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// A file and its size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Time of the last write.
    pub modified: SystemTime,
    /// Its size.
    pub bytes: u64,
    /// Its path.
    pub path: PathBuf,
}

impl Usage {
    /// The regular files of a folder whose names match, oldest first, without links and unreadable entries.
    #[must_use]
    pub fn of(folder: &Path, fits: impl Fn(&str) -> bool) -> Vec<Self> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut files: Vec<_> = entries
            .filter(|entry| entry.file_name().to_str().is_some_and(&fits))
            .filter_map(|entry| {
                let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
                Some(Self { modified: metadata.modified().ok()?, bytes: metadata.len(), path: entry.path() })
            })
            .collect();
        files.sort_by(|one, other| (one.modified, &one.path).cmp(&(other.modified, &other.path)));
        files
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_space_is_known_for_folders_that_do_not_exist_yet() {
        let folder = tempfile::tempdir().unwrap();
        assert!(free_bytes(&folder.path().join("not/yet")).unwrap() > 0);
        assert!(free_bytes(Path::new("relative")).unwrap() > 0);
    }
}
