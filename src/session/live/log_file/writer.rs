//! The thread that writes the log, however slow the disk.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::beside::keep_beside;
use super::{MEGABYTE, Request, earlier};
use crate::event::{Part, Troubles};
use crate::files::config::ControlLogConfig;
use crate::session::log::{Header, LogText};

/// Maximum lines per write.
const TOGETHER: usize = 4096;
/// Interval for syncing to disk.
const SYNC: Duration = Duration::from_secs(10);
/// Interval for retrying a failed write.
const RETRY: Duration = Duration::from_secs(2);

/// State owned by the thread.
pub(super) struct Log {
    path: PathBuf,
    /// Number of earlier sessions' logs to keep.
    keep: usize,
    /// Maximum size in bytes.
    longest: u64,
    file: Option<File>,
    /// Bytes of complete lines written.
    written: u64,
    synced: Instant,
    ended: Arc<AtomicBool>,
    troubles: Troubles,
}

impl Log {
    pub(super) fn new(path: &Path, config: &ControlLogConfig, ended: Arc<AtomicBool>, troubles: Troubles) -> Self {
        Self {
            path: path.to_owned(),
            keep: config.keep,
            longest: config.max_mb * MEGABYTE,
            file: None,
            written: 0,
            synced: Instant::now(),
            ended,
            troubles,
        }
    }

    /// Processes requests until there are no more.
    pub(super) fn serve(mut self, header: &Header, requests: &Receiver<Request>) {
        let mut lines = LogText::new(header);
        if !self.write_patiently(lines.take().as_bytes()) {
            return;
        }
        loop {
            // Lines that have queued up are written together.
            let first = match requests.recv_timeout(SYNC) {
                Ok(request) => Some(request),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            for request in first.into_iter().chain(requests.try_iter().take(TOGETHER)) {
                match request {
                    Request::Write(frame, entry) => lines.add(frame, &entry),
                    // The copy must contain the log up to this point and no more.
                    Request::Keep(recorded) => {
                        if !self.write_patiently(lines.take().as_bytes()) {
                            return;
                        }
                        keep_beside(&recorded, &self.path, self.written);
                    }
                }
            }
            if !self.write_patiently(lines.take().as_bytes()) {
                return;
            }
            if self.written > self.longest {
                let reason = format!(
                    "{} has reached control_log.max_mb and ends; recordings continue without a log",
                    self.path.display()
                );
                return self.troubles.set(Part::ControlLog, reason);
            }
        }
        if let Some(file) = &self.file {
            let _ = file.sync_data();
        }
    }

    /// Writes lines, retrying until the disk accepts them; `false` if the log is lost.
    fn write_patiently(&mut self, lines: &[u8]) -> bool {
        let mut refused = 0;
        loop {
            match self.append(lines) {
                Ok(()) => {
                    if !self.ended.load(Relaxed) {
                        self.troubles.clear(Part::ControlLog);
                    }
                    return true;
                }
                Err(Failure::Lost) => {
                    let reason = format!("{} was deleted; the control log of this session ends", self.path.display());
                    self.troubles.set(Part::ControlLog, reason);
                    return false;
                }
                Err(Failure::Disk(error)) => {
                    let reason = format!("{}: {error}; trying again", self.path.display());
                    self.troubles.set(Part::ControlLog, reason);
                    refused += 1;
                }
            }
            // One last attempt at the end.
            if refused > 1 && self.ended.load(Relaxed) {
                return false;
            }
            thread::park_timeout(RETRY);
        }
    }

    /// Writes whole lines or nothing.
    fn append(&mut self, lines: &[u8]) -> Result<(), Failure> {
        if self.file.is_none() {
            self.file = Some(earlier::begin(&self.path, self.keep)?);
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        if file.metadata()?.nlink() == 0 {
            return Err(Failure::Lost);
        }
        if let Err(error) = file.seek(SeekFrom::Start(self.written)).and_then(|_| file.write_all(lines)) {
            let _ = file.set_len(self.written);
            return Err(error.into());
        }
        self.written += lines.len() as u64;
        if self.synced.elapsed() >= SYNC {
            self.synced = Instant::now();
            // What the system has accepted survives a crash of this process; a disk failure shows up on the next write.
            let _ = file.sync_data();
        }
        Ok(())
    }
}

/// Why lines were not written.
enum Failure {
    /// The disk refused them.
    Disk(io::Error),
    /// What was written before is gone, so the rest is useless.
    Lost,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}
