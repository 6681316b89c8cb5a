//! Limits the disk space that recordings use, and deletes old ones.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::take_files::EXTENSIONS;
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

    /// Deletes the recordings that have expired by the time `now`, if it is known, then frees space as far as allowed, but keeps
    /// the take being written. Counts and deletes only files whose names have the form that Melos uses, all files of a take together.
    ///
    /// # Errors
    /// Returns a message if a space limit is still reached, or if the free space cannot be determined.
    pub(super) fn make_room(
        &self,
        folder: &Path,
        writing: Option<&Path>,
        now: Option<SystemTime>,
    ) -> Result<(), String> {
        let mut takes = Take::all(folder);
        let mut total: u64 = takes.iter().map(|take| take.bytes).sum();
        let current = writing.and_then(Path::file_stem);
        takes.retain(|take| current.is_none_or(|current| take.stem != current));
        if let (Some(max_age), Some(now)) = (self.max_age, now) {
            let is_expired = |take: &Take| now.duration_since(take.modified).is_ok_and(|age| age > max_age);
            for take in takes.extract_if(.., |take| is_expired(take)) {
                total -= take.delete("it is older than recordings.max_days");
            }
        }
        let mut takes = takes.into_iter();
        loop {
            let Err(reason) = self.check(folder, "recordings", total, 0) else { return Ok(()) };
            let oldest = if self.when_full == WhenFull::DeleteOldest { takes.next() } else { None };
            let Some(oldest) = oldest else { return Err(reason) };
            total -= oldest.delete(&format!("it is the oldest, and {reason}"));
        }
    }

    /// Checks that `added` bytes fit into a folder that contains `total` bytes of `files`, such as recordings. Deletes
    /// nothing.
    ///
    /// # Errors
    /// Returns a message if a space limit would be reached, or if the free space cannot be determined.
    pub fn check(&self, folder: &Path, files: &str, total: u64, added: u64) -> Result<(), String> {
        let free = free_bytes(folder)
            .map_err(|error| format!("cannot determine the free space in {}: {error}", folder.display()))?;
        if total.saturating_add(added) >= self.max_bytes {
            let gigabytes = self.max_bytes as f64 / GIGABYTE;
            return Err(format!("recordings.max_gb = {gigabytes} leaves no room for more {files}"));
        }
        if free < self.keep_free.saturating_add(added) {
            let (free, keep_free) = (free as f64 / GIGABYTE, self.keep_free as f64 / GIGABYTE);
            return Err(format!("only {free:.1} GB is free on the disk, and recordings.keep_free_gb = {keep_free}"));
        }
        Ok(())
    }
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
            tracing::info!("deleted the recording {} because {reason}", self.stem.display());
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
        budget(3001, 0, WhenFull::Stop).make_room(folder.path(), None, None).unwrap();
        let full = budget(3000, 0, WhenFull::Stop).make_room(folder.path(), None, None).unwrap_err();
        assert!(full.contains("recordings.max_gb"), "{full}");
        let full = budget(1 << 40, u64::MAX / 2, WhenFull::Stop).make_room(folder.path(), None, None).unwrap_err();
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
        budget(2001, 0, WhenFull::DeleteOldest).make_room(folder.path(), Some(&paths[0]), None).unwrap();
        assert_eq!(remaining(&paths), [true, false, true, true]);
        assert!(budget(1, 0, WhenFull::DeleteOldest).make_room(folder.path(), Some(&paths[0]), None).is_err());
        assert_eq!(remaining(&paths), [true, false, false, true]);
    }

    #[test]
    fn deletes_all_files_of_a_take_together() {
        let (folder, paths) = folder();
        let log = paths[0].with_extension("log");
        fs::write(&log, [0; 1000]).unwrap();
        budget(3500, 0, WhenFull::DeleteOldest).make_room(folder.path(), None, None).unwrap();
        assert_eq!((remaining(&paths), log.exists()), ([true, false, true, true], true), "the log was written last");
        budget(2500, 0, WhenFull::DeleteOldest).make_room(folder.path(), None, None).unwrap();
        assert_eq!((remaining(&paths), log.exists()), ([true, false, false, true], true));
        budget(1500, 0, WhenFull::DeleteOldest).make_room(folder.path(), None, None).unwrap();
        assert_eq!((remaining(&paths), log.exists()), ([false, false, false, true], false));
    }

    #[test]
    fn deletes_expired_recordings() {
        let (folder, paths) = folder();
        let budget = Budget { max_age: Some(Duration::from_secs(90)), ..budget(1 << 40, 0, WhenFull::Stop) };
        budget.make_room(folder.path(), None, Some(SystemTime::now())).unwrap();
        assert_eq!(remaining(&paths), [false, false, true, true]);
    }

    #[test]
    fn a_missing_folder_has_space() {
        budget(1, 0, WhenFull::Stop).make_room(Path::new("/nowhere/at/all"), None, None).unwrap();
    }
}
