//! The log file being written. Other programs may move, delete, truncate or change it, which is noticed before each write.

use std::fs::{self, File};
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::rotation;
use crate::event::log::{end_line, may_be_log};
use crate::files::is_at;
use crate::units::MEGABYTE;

/// Interval between syncs to disk.
const SYNC_INTERVAL: Duration = Duration::from_secs(10);

/// The open file of a log.
pub(super) struct CurrentFile {
    path: PathBuf,
    file: File,
    /// Number of bytes written, all in complete lines.
    length: u64,
    last_sync: Instant,
}

/// Why lines were not written.
pub(super) enum AppendError {
    /// The disk refused them.
    Disk(io::Error),
    /// The file had been moved, deleted or added to. It has been written again, without these lines.
    Restored,
    /// What had been written is gone, so the rest cannot be replayed.
    Damaged,
}

impl From<io::Error> for AppendError {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

impl CurrentFile {
    /// Continues an empty file, which is at `path`.
    pub(super) fn new(file: File, path: &Path) -> Self {
        Self { path: path.to_owned(), file, length: 0, last_sync: Instant::now() }
    }

    /// Returns the number of bytes written, all in complete lines.
    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    /// Reads a range of the bytes written.
    pub(super) fn read(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; (range.end - range.start) as usize];
        self.file.read_exact_at(&mut bytes, range.start)?;
        Ok(bytes)
    }

    /// Ends the log, which continues in another file at a frame, and returns the lines after the byte `from`, which that file
    /// repeats.
    pub(super) fn end(&mut self, frame: u64, from: u64) -> io::Result<Vec<u8>> {
        let lines = self.read(from..self.length)?;
        // Without its end, the log is still readable.
        let _ = self.append(end_line(&lines, frame).as_bytes());
        Ok(lines)
    }

    /// Syncs the file to disk.
    pub(super) fn sync(&self) {
        // Data that the system has accepted survives a crash of this process; the next write reports disk errors.
        let _ = self.file.sync_data();
    }

    /// Writes either all lines or none.
    pub(super) fn append(&mut self, lines: &[u8]) -> Result<(), AppendError> {
        // A file that cannot be examined any more, perhaps because its disk is gone, counts as empty.
        let length = self.file.metadata().map_or(0, |metadata| metadata.len());
        if length < self.length {
            return Err(AppendError::Damaged);
        }
        if length > self.length || !is_at(&self.file, &self.path)? {
            self.restore()?;
            return Err(AppendError::Restored);
        }
        if let Err(error) = self.file.write_all_at(lines, self.length) {
            let _ = self.file.set_len(self.length);
            return Err(error.into());
        }
        self.length += lines.len() as u64;
        if self.last_sync.elapsed() >= SYNC_INTERVAL {
            self.last_sync = Instant::now();
            self.sync();
        }
        Ok(())
    }

    /// Writes the log to a new file at its path: an open file can still be read after it was moved or deleted.
    fn restore(&mut self) -> Result<(), AppendError> {
        if !self.is_whole() {
            return Err(AppendError::Damaged);
        }
        let mut file = rotation::replace(&self.path)?;
        if let Err(error) = self.copy_to(&mut file) {
            let _ = fs::remove_file(&self.path);
            return Err(error);
        }
        self.file = file;
        Ok(())
    }

    /// Returns whether the file still starts like a log and ends with a complete line.
    fn is_whole(&self) -> bool {
        let start = self.read(0..self.length.min(100)).and_then(|start| may_be_log(start.as_slice()));
        let last = self.read(self.length.saturating_sub(1)..self.length);
        start.is_ok_and(|is_log| is_log) && last.is_ok_and(|last| last.iter().all(|byte| *byte == b'\n'))
    }

    fn copy_to(&self, to: &mut File) -> Result<(), AppendError> {
        let mut copied = 0;
        while copied < self.length {
            let end = self.length.min(copied + MEGABYTE);
            let chunk = self.read(copied..end).map_err(|_| AppendError::Damaged)?;
            to.write_all(&chunk)?;
            copied = end;
        }
        Ok(())
    }
}
