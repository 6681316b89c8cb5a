//! Stores checkpoints beside the log, evenly spaced, within a size limit.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::MEGABYTE;
use super::rotation::earlier_logs;
use crate::files::{free_bytes, replace};
use crate::session::checkpoint::{Checkpoint, CheckpointFile, checkpoint_files, checkpoint_folder, checkpoint_path};

/// Disk space that checkpoints leave free, in bytes.
const KEEP_FREE: u64 = 1 << 30;

/// The checkpoints of a log and of earlier logs.
pub(super) struct CheckpointStore {
    log: PathBuf,
    /// Name and hash of the model.
    model: String,
    /// Maximum size of all checkpoints together, in bytes.
    max_bytes: u64,
    /// The contents of the last file, kept to reuse the buffer.
    contents: Vec<u8>,
    /// Whether the last checkpoint could not be stored; only the first failure in a row is logged.
    failed: bool,
}

impl CheckpointStore {
    pub(super) fn new(log: &Path, model: &str, megabytes: u64) -> Self {
        Self {
            log: log.to_owned(),
            model: model.to_owned(),
            max_bytes: megabytes * MEGABYTE,
            contents: Vec::new(),
            failed: false,
        }
    }

    /// Stores a checkpoint, deleting others to make room; returns whether it was stored.
    pub(super) fn store(&mut self, checkpoint: &Checkpoint) -> bool {
        let result = self.write(checkpoint);
        match &result {
            Ok(path) => tracing::debug!(path = %path.display(), "stored a checkpoint"),
            Err(error) if !self.failed => tracing::warn!("cannot store a checkpoint of the control log: {error}"),
            Err(_) => {}
        }
        self.failed = result.is_err();
        result.is_ok()
    }

    fn write(&mut self, checkpoint: &Checkpoint) -> io::Result<PathBuf> {
        self.contents.clear();
        checkpoint.write(&self.model, &mut self.contents)?;
        let bytes = self.contents.len() as u64;
        let folder = checkpoint_folder(&self.log);
        fs::create_dir_all(&folder)?;
        self.delete_down_to(self.max_bytes.saturating_sub(bytes));
        let free = free_bytes(&folder)?.saturating_sub(bytes);
        if free < KEEP_FREE {
            let (free, minimum) = (free / MEGABYTE, KEEP_FREE / MEGABYTE);
            return Err(io::Error::other(format!(
                "it would leave only {free} MB free on the disk, less than {minimum} MB"
            )));
        }
        let path = checkpoint_path(&folder, checkpoint.frame);
        replace(&path, &self.contents)?;
        Ok(path)
    }

    /// Deletes checkpoints until at most `max_bytes` are left, each time the one whose neighbours are closest to each other.
    /// The first and last checkpoints of a log are deleted only if nothing else is left, and only those of earlier logs.
    fn delete_down_to(&self, max_bytes: u64) {
        let mut logs: Vec<Vec<CheckpointFile>> = earlier_logs(&self.log)
            .iter()
            .chain([&self.log])
            .map(|log| checkpoint_files(&checkpoint_folder(log)))
            .collect();
        let total = |logs: &[Vec<CheckpointFile>]| logs.iter().flatten().map(|file| file.bytes).sum::<u64>();
        while total(&logs) > max_bytes {
            let inner = logs.iter().enumerate().flat_map(|(log, files)| {
                let gaps = files.windows(3).enumerate();
                gaps.map(move |(index, around)| (around[2].frame - around[0].frame, log, index + 1))
            });
            let oldest = || {
                let earlier = logs[..logs.len() - 1].iter().position(|files| !files.is_empty());
                earlier.map(|log| (0, log, 0))
            };
            let Some((_, log, index)) = inner.min().or_else(oldest) else { return };
            let deleted = logs[log].remove(index);
            if let Err(error) = fs::remove_file(&deleted.path) {
                tracing::warn!(path = %deleted.path.display(), %error, "cannot delete a checkpoint");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::live::log_file::tests::checkpoint;

    fn frames(log: &Path) -> Vec<u64> {
        checkpoint_files(&checkpoint_folder(log)).into_iter().map(|file| file.frame).collect()
    }

    #[test]
    fn checkpoints_are_evenly_spaced_and_stay_below_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("session.log");
        let mut store = CheckpointStore::new(&log, "m", 1);
        let mut size = Vec::new();
        checkpoint(64).write("m", &mut size).unwrap();
        let size = size.len() as u64;
        store.max_bytes = 6 * size + size / 2;
        for number in 1..=40 {
            assert!(store.store(&checkpoint(6400 * number)), "{number}");
            let total: u64 = checkpoint_files(&checkpoint_folder(&log)).iter().map(|file| file.bytes).sum();
            assert!(total <= store.max_bytes, "{number}");
        }
        let kept = frames(&log);
        let gaps: Vec<u64> = kept.windows(2).map(|pair| (pair[1] - pair[0]) / 6400).collect();
        assert!((kept[0], kept.last()) == (6400, Some(&(40 * 6400))) && kept.len() >= 5, "{kept:?}");
        assert!(gaps.iter().max() <= Some(&16), "{gaps:?}");
        let earlier = folder.path().join("session-2026-11-28T16-55-01.log");
        fs::write(&earlier, "").unwrap();
        fs::rename(checkpoint_folder(&log), checkpoint_folder(&earlier)).unwrap();
        for number in 1..=40 {
            assert!(store.store(&checkpoint(6400 * number)));
        }
        let (earlier, kept) = (frames(&earlier), frames(&log));
        assert!(earlier.len() >= 2 && kept.len() >= 3 && earlier.len() + kept.len() <= 6, "{earlier:?} {kept:?}");
    }

    #[test]
    fn store_returns_false_if_the_folder_cannot_be_created() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("session.log");
        fs::write(checkpoint_folder(&log), "in the way").unwrap();
        assert!(!CheckpointStore::new(&log, "m", 1).store(&checkpoint(64)));
    }
}
