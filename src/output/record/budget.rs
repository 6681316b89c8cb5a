//! Limits the disk space that recordings use, and deletes old ones.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::files::config::{GIGABYTE, RecordingsConfig, WhenFull};
use crate::files::{Usage, free_bytes};

/// Seconds in a day.
const DAY: f64 = 86_400.0;

/// The limits on the size and age of the recordings in a folder.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    max_bytes: u64,
    keep_free: u64,
    max_age: Option<Duration>,
    when_full: WhenFull,
}

impl Budget {
    /// Creates a budget from the configuration.
    #[must_use]
    pub fn new(config: &RecordingsConfig) -> Self {
        Self {
            max_bytes: (config.max_gb * GIGABYTE) as u64,
            keep_free: config.keep_free_bytes(),
            max_age: config.max_days.map(|days| Duration::from_secs_f64(days * DAY)),
            when_full: config.when_full,
        }
    }

    /// Deletes expired recordings from a folder, then frees space as far as allowed, but keeps the file being written and
    /// others with the same stem. Counts and deletes only files whose names have the form that Melos uses.
    ///
    /// # Errors
    /// Returns a message if a space limit is still reached, or if the free space cannot be determined.
    pub(super) fn make_room(&self, folder: &Path, writing: Option<&Path>) -> Result<(), String> {
        let mut files = Usage::of(folder, is_recording);
        let now = SystemTime::now();
        let stem = |path: &Path| path.file_stem().map(ToOwned::to_owned);
        let current_stem = writing.and_then(stem);
        let mut total: u64 = files.iter().map(|file| file.bytes).sum();
        files.retain(|file| current_stem.is_none() || stem(&file.path) != current_stem);
        if let Some(max_age) = self.max_age {
            let is_expired = |file: &Usage| now.duration_since(file.modified).is_ok_and(|age| age > max_age);
            for file in files.extract_if(.., |file| is_expired(file)) {
                if fs::remove_file(&file.path).is_ok() {
                    tracing::info!(file = %file.path.display(), "deleted a recording older than recordings.max_days");
                    total -= file.bytes;
                }
            }
        }
        let mut files = files.into_iter();
        loop {
            let free = free_bytes(folder)
                .map_err(|error| format!("cannot determine the free space in {}: {error}", folder.display()))?;
            let reason = if total >= self.max_bytes {
                let gigabytes = self.max_bytes as f64 / GIGABYTE;
                format!("the recordings have reached recordings.max_gb = {gigabytes}")
            } else if free < self.keep_free {
                let (free, keep_free) = (free as f64 / GIGABYTE, self.keep_free as f64 / GIGABYTE);
                format!("only {free:.1} GB is free on the disk, and recordings.keep_free_gb = {keep_free}")
            } else {
                return Ok(());
            };
            let oldest = if self.when_full == WhenFull::DeleteOldest { files.next() } else { None };
            let Some(oldest) = oldest else { return Err(reason) };
            if fs::remove_file(&oldest.path).is_err() {
                continue;
            }
            tracing::info!(file = %oldest.path.display(), "deleted the oldest recording because {reason}");
            total -= oldest.bytes;
        }
    }
}

/// Returns whether a file name has the form that Melos uses for recordings, their logs, checkpoints and notes, such as
/// `2026-11-28_16.55.01_calm.wav`.
fn is_recording(name: &str) -> bool {
    const PATTERN: &[u8] = b"0000-00-00_00.00.00_";
    let matches = |(byte, pattern): (u8, u8)| if pattern == b'0' { byte.is_ascii_digit() } else { byte == pattern };
    name.len() > PATTERN.len()
        && name.bytes().zip(PATTERN.iter().copied()).all(matches)
        && [".wav", ".flac", ".log", ".checkpoint", ".mid"].iter().any(|extension| name.ends_with(extension))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// Returns a folder with three files of recordings, 1 kB each and a minute apart, and an unrelated file.
    fn folder() -> (tempfile::TempDir, [PathBuf; 4]) {
        let folder = tempfile::tempdir().unwrap();
        let names =
            ["2026-11-28_16.55.01_calm.wav", "2026-11-28_16.56.01_sad.flac", "2026-11-28_16.57.01_sad.mid", "mine.wav"];
        let paths = names.map(|name| folder.path().join(name));
        for (age, path) in paths.iter().enumerate() {
            fs::write(path, [0; 1000]).unwrap();
            let modified = SystemTime::now() - Duration::from_secs(60 * (3 - age as u64));
            fs::File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
        }
        (folder, paths)
    }

    fn budget(max_bytes: u64, keep_free: u64, when_full: WhenFull) -> Budget {
        Budget { max_bytes, keep_free, max_age: None, when_full }
    }

    /// Returns which files still exist.
    fn remaining(paths: &[PathBuf; 4]) -> [bool; 4] {
        paths.each_ref().map(|path| path.exists())
    }

    #[test]
    fn deletes_nothing_by_default() {
        let (folder, paths) = folder();
        budget(3001, 0, WhenFull::Stop).make_room(folder.path(), None).unwrap();
        let full = budget(3000, 0, WhenFull::Stop).make_room(folder.path(), None).unwrap_err();
        assert!(full.contains("recordings.max_gb"), "{full}");
        let full = budget(1 << 40, u64::MAX / 2, WhenFull::Stop).make_room(folder.path(), None).unwrap_err();
        assert!(full.contains("recordings.keep_free_gb"), "{full}");
        assert_eq!(remaining(&paths), [true; 4]);
    }

    #[test]
    fn deletes_only_the_oldest_finished_recordings() {
        let (folder, paths) = folder();
        budget(2001, 0, WhenFull::DeleteOldest).make_room(folder.path(), Some(&paths[0])).unwrap();
        assert_eq!(remaining(&paths), [true, false, true, true]);
        assert!(budget(1, 0, WhenFull::DeleteOldest).make_room(folder.path(), Some(&paths[0])).is_err());
        assert_eq!(remaining(&paths), [true, false, false, true]);
    }

    #[test]
    fn deletes_expired_recordings() {
        let (folder, paths) = folder();
        let budget = Budget { max_age: Some(Duration::from_secs(90)), ..budget(1 << 40, 0, WhenFull::Stop) };
        budget.make_room(folder.path(), None).unwrap();
        assert_eq!(remaining(&paths), [false, false, true, true]);
    }

    #[test]
    fn a_missing_folder_has_space() {
        budget(1, 0, WhenFull::Stop).make_room(Path::new("/nowhere/at/all"), None).unwrap();
    }
}
