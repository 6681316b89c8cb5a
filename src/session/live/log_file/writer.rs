//! The thread that writes the log, however slow the disk, and continues it in another file when it becomes too large.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::take_copy::copy_beside;
use super::checkpoint_store::CheckpointStore;
use super::{MEGABYTE, Request, rotation};
use crate::event::{Part, Troubles};
use crate::files::config::ControlLogConfig;
use crate::session::checkpoint::{checkpoint_path, checkpoint_folder};
use crate::session::log::{Entry, Header, LogText};

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
    /// Maximum size of its checkpoints in megabytes.
    checkpoints_mb: u64,
    file: Option<File>,
    /// Bytes of complete lines written.
    written: u64,
    /// The line of the last checkpoint.
    mark: Option<Mark>,
    /// What precedes the file, if it does not begin at the start of the session.
    before: Option<Before>,
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
            checkpoints_mb: config.checkpoints_mb,
            file: None,
            written: 0,
            mark: None,
            before: None,
            synced: Instant::now(),
            ended,
            troubles,
        }
    }

    /// Processes requests until there are no more.
    pub(super) fn serve(mut self, header: &Header, requests: &Receiver<Request>) {
        let mut shelf = CheckpointStore::new(&self.path, &header.model, self.checkpoints_mb);
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
                    Request::Write(frame, entry) => {
                        lines.add(frame, &entry);
                        if entry == Entry::Checkpoint {
                            self.mark = Some(Mark { frame, end: self.written + lines.bytes() });
                        }
                    }
                    // The copy must contain the log up to this point and no more.
                    Request::Keep(recorded) => {
                        if !self.write_patiently(lines.take().as_bytes()) {
                            return;
                        }
                        match self.pieces(recorded.frames.start) {
                            Some(pieces) => copy_beside(&recorded, &pieces),
                            None => {
                                tracing::warn!("the control log of a take that began long ago was not copied beside it")
                            }
                        }
                    }
                    Request::Store(checkpoint) => {
                        let is_due = shelf.store(&checkpoint) && self.written > self.longest;
                        let mark = self.mark.take_if(|mark| is_due && mark.frame == checkpoint.frame);
                        if let Some(mark) = mark
                            && !(self.write_patiently(lines.take().as_bytes()) && self.continue_at(mark, header))
                        {
                            return;
                        }
                    }
                }
            }
            if !self.write_patiently(lines.take().as_bytes()) {
                return;
            }
            // With checkpoints, it continues in another file at the next one, unless none can be stored.
            if self.written > self.longest * if self.checkpoints_mb > 0 { 2 } else { 1 } {
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

    /// Continues in another file, which begins at a checkpoint; `false` when the log is lost.
    fn continue_at(&mut self, mark: Mark, header: &Header) -> bool {
        let since = self.before.as_ref().map_or(0, |before| before.until);
        let rest = match read(&self.path, mark.end, self.written) {
            Ok(rest) => rest,
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "cannot continue the control log in another file");
                return true;
            }
        };
        let text = LogText::new(&Header { begins: Some(mark.frame), ..header.clone() }).take();
        let before = Before { log: PathBuf::new(), end: mark.end, since, until: mark.frame, header: text.len() as u64 };
        (self.file, self.written, self.before) = (None, 0, Some(before));
        if !self.write_patiently(&[text.as_bytes(), &rest].concat()) {
            return false;
        }
        let Some(Before { log, .. }) = &self.before else { return true };
        let (from, to) = (checkpoint_path(&checkpoint_folder(log), mark.frame), checkpoint_path(&checkpoint_folder(&self.path), mark.frame));
        if let Err(error) = fs::create_dir_all(checkpoint_folder(&self.path)).and_then(|()| fs::rename(&from, &to)) {
            tracing::warn!(path = %from.display(), %error, "cannot move the checkpoint at which the control log begins");
        }
        tracing::info!(before = %log.display(), "the control log continues in another file");
        true
    }

    /// The parts of files that make up the log of a take from a frame on; `None` if they have been deleted.
    fn pieces(&self, start: u64) -> Option<Vec<(PathBuf, Range<u64>)>> {
        match &self.before {
            Some(before) if start < before.since => None,
            Some(before) if start < before.until => {
                Some(vec![(before.log.clone(), 0..before.end), (self.path.clone(), before.header..self.written)])
            }
            _ => Some(vec![(self.path.clone(), 0..self.written)]),
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
            let (file, renamed) = rotation::start(&self.path, self.keep)?;
            self.file = Some(file);
            if let (Some(before), Some(renamed)) = (&mut self.before, renamed) {
                before.log = renamed;
            }
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

/// The line of a checkpoint.
#[derive(Debug, Clone, Copy)]
struct Mark {
    frame: u64,
    /// Bytes of the file up to and including the line.
    end: u64,
}

/// The file that a log continues.
struct Before {
    log: PathBuf,
    /// Its bytes up to the checkpoint at which the other one begins.
    end: u64,
    /// The frame at which it begins, and that of this checkpoint.
    since: u64,
    until: u64,
    /// Bytes of the other file's header.
    header: u64,
}

/// Reads a part of a file.
fn read(path: &Path, from: u64, until: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; (until - from) as usize];
    File::open(path)?.read_exact_at(&mut bytes, from)?;
    Ok(bytes)
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
