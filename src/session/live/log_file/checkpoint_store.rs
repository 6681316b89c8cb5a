//! Stores checkpoints beside the log, evenly spaced, within a size limit.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::rotation::earlier_logs;
use crate::event::{Part, Troubles};
use crate::files::config::too_little_free;
use crate::files::{create_folder, free_bytes, replace};
use crate::session::checkpoint::{Checkpoint, CheckpointFile, checkpoint_files, checkpoint_folder, checkpoint_path};
use crate::units::MEGABYTE;

/// The checkpoints of a log and of earlier logs.
pub(super) struct CheckpointStore {
    log: PathBuf,
    /// Name and hash of the model.
    model: String,
    /// Maximum size of all checkpoints together, in bytes.
    max_bytes: u64,
    /// Disk space to leave free, in bytes.
    keep_free: u64,
    /// The contents of the last file, kept so that the buffer can be reused.
    contents: Vec<u8>,
    troubles: Troubles,
}

impl CheckpointStore {
    pub(super) fn new(log: &Path, model: &str, megabytes: u64, keep_free: u64, troubles: Troubles) -> Self {
        Self {
            log: log.to_owned(),
            model: model.to_owned(),
            max_bytes: megabytes * MEGABYTE,
            keep_free,
            contents: Vec::new(),
            troubles,
        }
    }

    /// Changes the disk space to leave free, in bytes.
    pub(super) const fn keep_free(&mut self, bytes: u64) {
        self.keep_free = bytes;
    }

    /// Stores a checkpoint, deleting others to make room; returns whether it was stored.
    pub(super) fn store(&mut self, checkpoint: &Checkpoint) -> bool {
        let result = self.write(checkpoint);
        match &result {
            Ok(path) => {
                tracing::debug!(path = %path.display(), "stored a checkpoint");
                self.troubles.clear(Part::Checkpoints);
            }
            Err(error) => {
                let reason =
                    format!("cannot store checkpoints of the control log: {error}; rendering starts from earlier ones");
                self.troubles.set(Part::Checkpoints, reason);
            }
        }
        result.is_ok()
    }

    fn write(&mut self, checkpoint: &Checkpoint) -> io::Result<PathBuf> {
        let folder = checkpoint_folder(&self.log);
        create_folder(&folder)?;
        let free = free_bytes(&folder)?;
        if free < self.keep_free {
            return Err(io::Error::other(too_little_free(free, self.keep_free)));
        }
        self.contents.clear();
        checkpoint.write(&self.model, &mut self.contents)?;
        self.delete_down_to(self.max_bytes.saturating_sub(self.contents.len() as u64));
        let path = checkpoint_path(&folder, checkpoint.frame);
        replace(&path, &self.contents)?;
        Ok(path)
    }

    /// Deletes checkpoints until at most `max_bytes` bytes are left, each time choosing the one whose neighbours are
    /// closest together. The first and last checkpoints of a log are deleted only when no others are left, and only
    /// those of earlier logs.
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
                gaps.map(move |(index, window)| (window[2].frame - window[0].frame, log, index + 1))
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
    fn checkpoints_stay_evenly_spaced_and_within_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("session.log");
        let mut store = CheckpointStore::new(&log, "m", 1, 0, Troubles::default());
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
    fn a_missing_folder_that_cannot_be_created_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("session.log");
        fs::write(checkpoint_folder(&log), "in the way").unwrap();
        let troubles = Troubles::default();
        assert!(!CheckpointStore::new(&log, "m", 1, 0, troubles.clone()).store(&checkpoint(64)));
        assert!(troubles.now().0[&Part::Checkpoints].contains("cannot store checkpoints"));
    }

    #[test]
    fn disk_space_is_left_free_for_recordings() {
        let folder = tempfile::tempdir().unwrap();
        let (log, troubles) = (folder.path().join("session.log"), Troubles::default());
        let mut store = CheckpointStore::new(&log, "m", 1, 1 << 60, troubles.clone());
        assert!(!store.store(&checkpoint(64)) && frames(&log).is_empty());
        let trouble = troubles.now().0[&Part::Checkpoints].clone();
        assert!(trouble.contains("recordings.keep_free_gb = 1152921504.6"), "{trouble}");
        assert!(!store.store(&checkpoint(128)));
        assert_eq!(troubles.now().0[&Part::Checkpoints], trouble, "the reason should not change");
        store.keep_free(0);
        assert!(store.store(&checkpoint(192)) && troubles.now().0.is_empty());
    }
}
