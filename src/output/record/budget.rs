//! Limits the disk space that recordings use, and deletes old ones.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::take_files::EXTENSIONS;
use crate::files::config::{RecordingsConfig, WhenFull, too_little_free};
use crate::files::{Usage, free_bytes};
use crate::units::GIGABYTE;

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

    /// Deletes the recordings in a folder that have expired by the time `now`. Deletes only files whose names have the form that
    /// Melos uses, all files of a take together.
    pub(super) fn delete_expired(&self, folder: &Path, now: SystemTime) {
        let Some(max_age) = self.max_age else { return };
        for take in Take::all(folder) {
            if now.duration_since(take.modified).is_ok_and(|age| age > max_age) {
                take.delete("it is older than recordings.max_days");
            }
        }
    }

    /// Frees space as far as allowed, but keeps the take being written. Deletes nothing if that could not free enough. Counts and
    /// deletes only files whose names have the form that Melos uses, all files of a take together.
    ///
    /// # Errors
    /// Returns a message if a space limit is still reached, or if the free space cannot be determined.
    pub(super) fn make_room(&self, folder: &Path, writing: Option<&Path>) -> Result<(), String> {
        let mut takes = Take::all(folder);
        let mut total: u64 = takes.iter().map(|take| take.bytes).sum();
        let current = writing.and_then(Path::file_stem);
        takes.retain(|take| current.is_none_or(|current| take.stem != current));
        let mut deletable: u64 = takes.iter().map(|take| take.bytes).sum();
        let mut oldest_first = takes.into_iter();
        loop {
            let free = free_space(folder)?;
            let Some(reason) = self.shortage("recordings", total, free) else { return Ok(()) };
            if self.when_full == WhenFull::Stop {
                return Err(reason);
            }
            let left = self.shortage("recordings", total.saturating_sub(deletable), free.saturating_add(deletable));
            let Some(oldest) = oldest_first.next().filter(|_| left.is_none()) else {
                return Err(format!("{reason}, and deleting all finished recordings would not free enough"));
            };
            deletable = deletable.saturating_sub(oldest.bytes);
            total = total.saturating_sub(oldest.delete(&format!("it is the oldest, and {reason}")));
        }
    }

    /// Checks that `added` bytes fit into a folder that contains `total` bytes of `files`, such as recordings. Deletes
    /// nothing.
    ///
    /// # Errors
    /// Returns a message if a space limit would be reached, or if the free space cannot be determined.
    pub fn check(&self, folder: &Path, files: &str, total: u64, added: u64) -> Result<(), String> {
        let free = free_space(folder)?.saturating_sub(added);
        self.shortage(files, total.saturating_add(added), free).map_or(Ok(()), Err)
    }

    /// Returns which limit is reached, if any, by `total` bytes of `files` with `free` bytes free on the disk.
    fn shortage(&self, files: &str, total: u64, free: u64) -> Option<String> {
        if total >= self.max_bytes {
            let gigabytes = self.max_bytes as f64 / GIGABYTE;
            Some(format!("recordings.max_gb = {gigabytes} leaves no room for more {files}"))
        } else {
            (free < self.keep_free).then(|| too_little_free(free, self.keep_free))
        }
    }
}

/// Returns the free space of a folder's file system, in bytes.
fn free_space(folder: &Path) -> Result<u64, String> {
    free_bytes(folder).map_err(|error| format!("cannot determine the free space in {}: {error}", folder.display()))
}

/// A take's sound and its companions.
#[derive(Debug)]
struct Take {
    stem: OsString,
    paths: Vec<PathBuf>,
    bytes: u64,
    /// Time of the last write to any of the files.
    modified: SystemTime,
}

impl Take {
    /// Lists the takes in a folder, oldest first.
    fn all(folder: &Path) -> Vec<Self> {
        let mut takes = BTreeMap::<OsString, Self>::new();
        for Usage { modified, bytes, path } in Usage::of(folder, is_recording) {
            let stem = path.file_stem().unwrap_or_default().to_owned();
            let empty = Self { stem: stem.clone(), paths: Vec::new(), bytes: 0, modified };
            let take = takes.entry(stem).or_insert(empty);
            take.paths.push(path);
            take.bytes += bytes;
            take.modified = take.modified.max(modified);
        }
        let mut takes: Vec<_> = takes.into_values().collect();
        takes.sort_by_key(|take| take.modified);
        takes
    }

    /// Deletes the files; returns the number of bytes freed.
    fn delete(self, reason: &str) -> u64 {
        let deleted = self.paths.iter().filter_map(|path| {
            let bytes = fs::metadata(path).ok()?.len();
            fs::remove_file(path).ok().map(|()| bytes)
        });
        let freed = deleted.sum();
        if freed > 0 {
            tracing::info!("deleted the recording {}: {reason}", self.stem.display());
        }
        freed
    }
}

/// Returns whether a file name has the form that Melos uses for recordings and their companions, such as
/// `2026-11-28_16.55.01_calm.wav`.
fn is_recording(name: &str) -> bool {
    const PATTERN: &[u8] = b"0000-00-00_00.00.00_";
    let matches = |(byte, pattern): (u8, u8)| if pattern == b'0' { byte.is_ascii_digit() } else { byte == pattern };
    name.len() > PATTERN.len()
        && name.bytes().zip(PATTERN.iter().copied()).all(matches)
        && name.rsplit_once('.').is_some_and(|(_, extension)| EXTENSIONS.contains(&extension))
}

#[cfg(test)]
mod tests {
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
    fn what_is_planned_counts_too() {
        let folder = tempfile::tempdir().unwrap();
        let check = |budget: Budget, added| budget.check(folder.path(), "pieces", 600, added);
        check(budget(1000, 0, WhenFull::DeleteOldest), 399).unwrap();
        let full = check(budget(1000, 0, WhenFull::DeleteOldest), 400).unwrap_err();
        assert!(full.contains("recordings.max_gb") && full.contains("pieces"), "{full}");
        let free = free_bytes(folder.path()).unwrap();
        let full = check(budget(u64::MAX, free / 2, WhenFull::Stop), free).unwrap_err();
        assert!(full.contains("recordings.keep_free_gb"), "{full}");
    }

    #[test]
    fn deletes_only_the_oldest_finished_recordings() {
        let (folder, paths) = folder();
        budget(2001, 0, WhenFull::DeleteOldest).make_room(folder.path(), Some(&paths[0])).unwrap();
        assert_eq!(remaining(&paths), [true, false, true, true]);
        budget(1001, 0, WhenFull::DeleteOldest).make_room(folder.path(), Some(&paths[0])).unwrap();
        assert_eq!(remaining(&paths), [true, false, false, true]);
    }

    #[test]
    fn deletes_nothing_if_that_would_not_free_enough() {
        let (folder, paths) = folder();
        let free = free_bytes(folder.path()).unwrap();
        for (max_bytes, keep_free, limit) in
            [(1000, 0, "recordings.max_gb = 0.000001"), (1 << 40, 2 * free, "recordings.keep_free_gb = ")]
        {
            let budget = budget(max_bytes, keep_free, WhenFull::DeleteOldest);
            let reason = budget.make_room(folder.path(), Some(&paths[0])).unwrap_err();
            assert!(reason.contains(limit) && reason.ends_with("would not free enough"), "{reason}");
            assert_eq!(remaining(&paths), [true; 4], "{limit}");
        }
    }

    #[test]
    fn deletes_all_files_of_a_take_together() {
        let (folder, paths) = folder();
        let log = paths[0].with_extension("log");
        fs::write(&log, [0; 1000]).unwrap();
        budget(3500, 0, WhenFull::DeleteOldest).make_room(folder.path(), None).unwrap();
        assert_eq!((remaining(&paths), log.exists()), ([true, false, true, true], true), "the log was written last");
        budget(2500, 0, WhenFull::DeleteOldest).make_room(folder.path(), None).unwrap();
        assert_eq!((remaining(&paths), log.exists()), ([true, false, false, true], true));
        budget(1500, 0, WhenFull::DeleteOldest).make_room(folder.path(), None).unwrap();
        assert_eq!((remaining(&paths), log.exists()), ([false, false, false, true], false));
    }

    #[test]
    fn deletes_expired_recordings() {
        let (folder, paths) = folder();
        let budget = Budget { max_age: Some(Duration::from_secs(90)), ..budget(1 << 40, 0, WhenFull::Stop) };
        budget.delete_expired(folder.path(), SystemTime::now());
        assert_eq!(remaining(&paths), [false, false, true, true]);
    }

    #[test]
    fn a_missing_folder_has_space() {
        budget(1, 0, WhenFull::Stop).make_room(Path::new("/nowhere/at/all"), None).unwrap();
    }
}
