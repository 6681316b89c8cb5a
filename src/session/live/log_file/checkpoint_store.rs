//! Stores checkpoints beside the log, evenly spaced within their budget.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::MEGABYTE;
use super::rotation::logs;
use crate::files::{free_bytes, replace};
use crate::session::checkpoint::{Checkpoint, Stored, checkpoint_path, checkpoint_folder, stored};

/// Disk space that checkpoints leave free, in bytes.
const KEEP_FREE: u64 = 1 << 30;

/// The checkpoints of a log and of earlier ones.
pub(super) struct CheckpointStore {
    log: PathBuf,
    /// Name and hash of the model.
    model: String,
    /// Maximum size of all checkpoints together, in bytes.
    most: u64,
    /// Whether the last one could not be stored, which is reported once.
    failed: bool,
}

impl CheckpointStore {
    pub(super) fn new(log: &Path, model: &str, megabytes: u64) -> Self {
        Self { log: log.to_owned(), model: model.to_owned(), most: megabytes * MEGABYTE, failed: false }
    }

    /// Stores a checkpoint and makes room for it; returns whether it is stored.
    pub(super) fn store(&mut self, checkpoint: &Checkpoint) -> bool {
        let stored = self.write(checkpoint);
        match &stored {
            Ok(path) => tracing::debug!(path = %path.display(), "checkpoint"),
            Err(error) if !self.failed => tracing::warn!("cannot store a checkpoint of the control log: {error}"),
            Err(_) => {}
        }
        self.failed = stored.is_err();
        stored.is_ok()
    }

    fn write(&self, checkpoint: &Checkpoint) -> io::Result<PathBuf> {
        let mut bytes = Vec::new();
        checkpoint.write(&self.model, &mut bytes)?;
        let folder = checkpoint_folder(&self.log);
        fs::create_dir_all(&folder)?;
        self.thin(self.most.saturating_sub(bytes.len() as u64));
        let free = free_bytes(&folder)?.saturating_sub(bytes.len() as u64);
        if free < KEEP_FREE {
            return Err(io::Error::other(format!("only {} MB are free on the disk", free / MEGABYTE)));
        }
        let path = checkpoint_path(&folder, checkpoint.frame);
        replace(&path, &bytes)?;
        Ok(path)
    }

    /// Deletes checkpoints until at most some bytes are left: always the one whose neighbours are closest to each other. The
    /// first and the last of each log stay, since others may depend on them, unless their log is an earlier one and
    /// nothing else is left.
    fn thin(&self, most: u64) {
        let mut logs: Vec<Vec<Stored>> =
            logs(&self.log).iter().chain([&self.log]).map(|log| stored(&checkpoint_folder(log))).collect();
        let total = |logs: &[Vec<Stored>]| logs.iter().flatten().map(|stored| stored.bytes).sum::<u64>();
        while total(&logs) > most {
            let inner = logs.iter().enumerate().flat_map(|(log, stored)| {
                let gaps = stored.windows(3).enumerate();
                gaps.map(move |(at, around)| (around[2].frame - around[0].frame, log, at + 1))
            });
            let oldest = || {
                let earlier = logs[..logs.len() - 1].iter().position(|stored| !stored.is_empty());
                earlier.map(|log| (0, log, 0))
            };
            let Some((_, log, at)) = inner.min().or_else(oldest) else { return };
            let gone = logs[log].remove(at);
            if let Err(error) = fs::remove_file(&gone.path) {
                tracing::warn!(path = %gone.path.display(), %error, "cannot delete a checkpoint");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::live::log_file::tests::checkpoint;

    fn frames(log: &Path) -> Vec<u64> {
        stored(&checkpoint_folder(log)).into_iter().map(|stored| stored.frame).collect()
    }

    #[test]
    fn checkpoints_stay_evenly_spaced_within_their_budget() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("session.log");
        let mut shelf = CheckpointStore::new(&log, "m", 1);
        let mut size = Vec::new();
        checkpoint(64).write("m", &mut size).unwrap();
        let size = size.len() as u64;
        shelf.most = 6 * size + size / 2;
        for number in 1..=40 {
            assert!(shelf.store(&checkpoint(6400 * number)), "{number}");
            let total: u64 = stored(&checkpoint_folder(&log)).iter().map(|stored| stored.bytes).sum();
            assert!(total <= shelf.most, "{number}");
        }
        let kept = frames(&log);
        let gaps: Vec<u64> = kept.windows(2).map(|pair| (pair[1] - pair[0]) / 6400).collect();
        assert!((kept[0], kept.last()) == (6400, Some(&(40 * 6400))) && kept.len() >= 5, "{kept:?}");
        assert!(gaps.iter().max() <= Some(&16), "{gaps:?}");
        let earlier = folder.path().join("session-2026-11-28T16-55-01.log");
        fs::write(&earlier, "").unwrap();
        fs::rename(checkpoint_folder(&log), checkpoint_folder(&earlier)).unwrap();
        for number in 1..=40 {
            assert!(shelf.store(&checkpoint(6400 * number)));
        }
        let (earlier, kept) = (frames(&earlier), frames(&log));
        assert!(earlier.len() >= 2 && kept.len() >= 3 && earlier.len() + kept.len() <= 6, "{earlier:?} {kept:?}");
    }

    #[test]
    fn a_checkpoint_that_cannot_be_stored_is_reported_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("session.log");
        fs::write(checkpoint_folder(&log), "in the way").unwrap();
        assert!(!CheckpointStore::new(&log, "m", 1).store(&checkpoint(64)));
    }
}
