//! Writes the log on its own thread, and continues it in another file when it becomes too large.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use super::checkpoint_store::CheckpointStore;
use super::take_copy::copy_beside;
use super::{MEGABYTE, Request, rotation};
use crate::event::{Part, Troubles};
use crate::files::config::ControlLogConfig;
use crate::output::record::Recorded;
use crate::session::checkpoint::{Checkpoint, checkpoint_folder, checkpoint_path};
use crate::session::log::{Entry, Header, LogText};

/// Maximum number of queued requests processed before their lines are written.
const MAX_BATCH: usize = 4096;
/// Interval between syncs to disk.
const SYNC_INTERVAL: Duration = Duration::from_secs(10);
/// Interval between attempts to write lines or a checkpoint after a failure.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// Writes the log of a session; owned by the log's thread.
pub(super) struct Writer {
    header: Header,
    path: PathBuf,
    /// Number of earlier logs to keep.
    keep: usize,
    /// Size in bytes above which the log continues in another file or, without checkpoints, ends.
    max_bytes: u64,
    /// Whether checkpoints are stored.
    has_checkpoints: bool,
    store: CheckpointStore,
    /// Lines not written yet.
    lines: LogText,
    file: Option<File>,
    /// Number of bytes written to the current file, all in complete lines.
    written: u64,
    /// The last checkpoint in the log.
    last_checkpoint: Option<CheckpointLine>,
    /// A checkpoint that has not been stored yet, perhaps because storing it failed.
    pending_checkpoint: Option<Box<Checkpoint>>,
    /// When storing a checkpoint was last attempted.
    last_attempt: Instant,
    /// Returns checkpoints that are no longer needed, so that their buffers can be reused.
    returned: SyncSender<Box<Checkpoint>>,
    /// Size of the current file's header in bytes.
    header_bytes: u64,
    /// The files that the current file continues, oldest first; empty if it starts with the session.
    previous: VecDeque<PreviousFile>,
    last_sync: Instant,
    ended: Arc<AtomicBool>,
    troubles: Troubles,
    /// Called when the log has been copied beside a recording.
    pub(super) on_copied: Box<dyn Fn() + Send>,
}

/// Signals that no more lines can be written; the reason has been reported.
struct LogEnded;

impl Writer {
    pub(super) fn new(
        path: &Path,
        header: Header,
        config: &ControlLogConfig,
        keep_free: u64,
        ended: Arc<AtomicBool>,
        troubles: Troubles,
        returned: SyncSender<Box<Checkpoint>>,
    ) -> Self {
        Self {
            path: path.to_owned(),
            keep: config.keep,
            max_bytes: config.max_mb * MEGABYTE,
            has_checkpoints: config.checkpoints_mb > 0,
            store: CheckpointStore::new(path, &header.model, config.checkpoints_mb, keep_free, troubles.clone()),
            lines: LogText::new(&header),
            header,
            file: None,
            written: 0,
            last_checkpoint: None,
            pending_checkpoint: None,
            last_attempt: Instant::now(),
            returned,
            header_bytes: 0,
            previous: VecDeque::new(),
            last_sync: Instant::now(),
            ended,
            troubles,
            on_copied: Box::new(|| ()),
        }
    }

    /// Processes requests until the sender is dropped or the log ends.
    pub(super) fn run(mut self, requests: &Receiver<Request>) {
        if self.process_all(requests).is_ok()
            && let Some(file) = &self.file
        {
            let _ = file.sync_data();
        }
    }

    fn process_all(&mut self, requests: &Receiver<Request>) -> Result<(), LogEnded> {
        self.write_lines()?;
        loop {
            let interval = if self.pending_checkpoint.is_some() { RETRY_INTERVAL } else { SYNC_INTERVAL };
            let first = match requests.recv_timeout(interval) {
                Ok(request) => Some(request),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            for request in first.into_iter().chain(requests.try_iter().take(MAX_BATCH)) {
                self.process(request)?;
            }
            self.write_lines()?;
            if self.last_attempt.elapsed() >= RETRY_INTERVAL {
                self.store_checkpoint()?;
            }
            self.check_size()?;
        }
    }

    fn process(&mut self, request: Request) -> Result<(), LogEnded> {
        match request {
            Request::Write(frame, entry) => {
                self.add_line(frame, &entry);
                Ok(())
            }
            Request::CopyBeside(recorded) => self.copy_beside(&recorded),
            Request::KeepFree(bytes) => {
                self.store.keep_free(bytes);
                Ok(())
            }
            Request::Store(checkpoint) => {
                if let Some(superseded) = self.pending_checkpoint.replace(checkpoint) {
                    let _ = self.returned.try_send(superseded);
                }
                self.store_checkpoint()
            }
        }
    }

    /// Adds a line to the batch.
    fn add_line(&mut self, frame: u64, entry: &Entry) {
        self.lines.add(frame, entry);
        if *entry == Entry::Checkpoint {
            self.last_checkpoint = Some(CheckpointLine { frame, end: self.written + self.lines.bytes() });
        }
    }

    /// Copies the log up to this point beside a recording.
    fn copy_beside(&mut self, recorded: &Recorded) -> Result<(), LogEnded> {
        self.write_lines()?;
        match self.parts_from(recorded.frames.start) {
            Some(parts) => {
                copy_beside(recorded, &parts);
                (self.on_copied)();
            }
            None => tracing::warn!(
                take = %recorded.path.display(),
                "the control log was not copied beside this take: the beginning of the log has been deleted (see control_log.keep)"
            ),
        }
        Ok(())
    }

    /// Stores the pending checkpoint, if any. If the log has become too large, continues it in another file that starts at
    /// the checkpoint.
    fn store_checkpoint(&mut self) -> Result<(), LogEnded> {
        let Some(checkpoint) = self.pending_checkpoint.take() else { return Ok(()) };
        self.last_attempt = Instant::now();
        if !self.store.store(&checkpoint) {
            self.pending_checkpoint = Some(checkpoint);
            return Ok(());
        }
        let (frame, is_due) = (checkpoint.frame, self.written > self.max_bytes);
        let _ = self.returned.try_send(checkpoint);
        let Some(start) = self.last_checkpoint.take_if(|line| is_due && line.frame == frame) else { return Ok(()) };
        self.write_lines()?;
        self.continue_at(start)
    }

    /// Ends the log if it is too large. With checkpoints, that happens only if none can be stored: otherwise, the log
    /// continues in another file first.
    fn check_size(&self) -> Result<(), LogEnded> {
        let limit = if self.has_checkpoints { 2 * self.max_bytes } else { self.max_bytes };
        if self.written <= limit {
            return Ok(());
        }
        let path = self.path.display();
        let reason =
            format!("{path} has reached control_log.max_mb and has been closed; recordings continue without a log");
        self.troubles.set(Part::ControlLog, reason);
        Err(LogEnded)
    }

    /// Continues in another file, which starts at a checkpoint.
    fn continue_at(&mut self, start: CheckpointLine) -> Result<(), LogEnded> {
        let rest = match read(&self.path, start.end..self.written) {
            Ok(rest) => rest,
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "cannot continue the control log in another file");
                return Ok(());
            }
        };
        let first_frame = self.previous.back().map_or(0, |previous| previous.frames.end);
        let header = LogText::new(&Header { start_frame: Some(start.frame), ..self.header.clone() }).take();
        self.previous.push_back(PreviousFile {
            path: PathBuf::new(),
            header_bytes: self.header_bytes,
            end: start.end,
            frames: first_frame..start.frame,
        });
        // Rotation keeps no more files than this.
        while self.previous.len() > self.keep.max(1) {
            self.previous.pop_front();
        }
        (self.file, self.written, self.header_bytes) = (None, 0, header.len() as u64);
        self.write_until_accepted(&[header.as_bytes(), &rest].concat())?;
        if let Some(previous) = self.previous.back() {
            self.move_checkpoint(&previous.path, start.frame);
            tracing::info!(previous = %previous.path.display(), "the control log continues in another file");
        }
        Ok(())
    }

    /// Moves a checkpoint of another log to this log's checkpoints.
    fn move_checkpoint(&self, other: &Path, frame: u64) {
        let folder = checkpoint_folder(&self.path);
        let (from, to) = (checkpoint_path(&checkpoint_folder(other), frame), checkpoint_path(&folder, frame));
        if let Err(error) = fs::create_dir_all(folder).and_then(|()| fs::rename(&from, &to)) {
            tracing::warn!(path = %from.display(), %error, "cannot move the checkpoint at which the control log starts");
        }
    }

    /// Returns the byte ranges of files that make up the log of a take that starts at a frame; `None` if any of
    /// them has been deleted.
    fn parts_from(&self, frame: u64) -> Option<Vec<(PathBuf, Range<u64>)>> {
        let is_recent = self.previous.back().is_none_or(|previous| frame >= previous.frames.end);
        let first = self.previous.iter().position(|previous| previous.frames.contains(&frame));
        if !is_recent && first.is_none() {
            return None;
        }
        let previous = self.previous.iter().skip(first.unwrap_or(self.previous.len()));
        let mut parts: Vec<_> =
            previous.map(|previous| (previous.path.clone(), previous.header_bytes..previous.end)).collect();
        parts.push((self.path.clone(), self.header_bytes..self.written));
        parts[0].1.start = 0;
        parts.iter().all(|(path, _)| path.exists()).then_some(parts)
    }

    /// Writes the lines added so far.
    fn write_lines(&mut self) -> Result<(), LogEnded> {
        let lines = self.lines.take();
        self.write_until_accepted(lines.as_bytes())
    }

    /// Writes whole lines, retrying until the disk accepts them.
    fn write_until_accepted(&mut self, lines: &[u8]) -> Result<(), LogEnded> {
        let mut failures = 0;
        loop {
            match self.append(lines) {
                Ok(()) => {
                    if !self.ended.load(Relaxed) {
                        self.troubles.clear(Part::ControlLog);
                    }
                    return Ok(());
                }
                Err(AppendError::Deleted) => {
                    let reason =
                        format!("{} was deleted, so the control log of this session has ended", self.path.display());
                    self.troubles.set(Part::ControlLog, reason);
                    return Err(LogEnded);
                }
                Err(AppendError::Disk(error)) => {
                    let reason = format!("cannot write {}: {error}; retrying", self.path.display());
                    self.troubles.set(Part::ControlLog, reason);
                    failures += 1;
                }
            }
            // On shutdown, one more attempt is made.
            if failures > 1 && self.ended.load(Relaxed) {
                return Err(LogEnded);
            }
            thread::park_timeout(RETRY_INTERVAL);
        }
    }

    /// Writes either all lines or none.
    fn append(&mut self, lines: &[u8]) -> Result<(), AppendError> {
        if self.file.is_none() {
            let (file, renamed) = rotation::start(&self.path, self.keep)?;
            self.file = Some(file);
            if let (Some(previous), Some(renamed)) = (self.previous.back_mut(), renamed) {
                previous.path = renamed;
            }
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        if file.metadata()?.nlink() == 0 {
            return Err(AppendError::Deleted);
        }
        if let Err(error) = file.seek(SeekFrom::Start(self.written)).and_then(|_| file.write_all(lines)) {
            let _ = file.set_len(self.written);
            return Err(error.into());
        }
        self.written += lines.len() as u64;
        if self.last_sync.elapsed() >= SYNC_INTERVAL {
            self.last_sync = Instant::now();
            // Data that the system has accepted survives a crash of this process; the next write reports disk errors.
            let _ = file.sync_data();
        }
        Ok(())
    }
}

/// The line of a checkpoint in the log.
#[derive(Debug, Clone, Copy)]
struct CheckpointLine {
    frame: u64,
    /// Size in bytes of the file up to and including the checkpoint's line.
    end: u64,
}

/// An earlier file of the same log.
struct PreviousFile {
    path: PathBuf,
    /// Size of its header in bytes.
    header_bytes: u64,
    /// Size in bytes up to the checkpoint at which the next file starts.
    end: u64,
    /// The frames from its start up to that checkpoint.
    frames: Range<u64>,
}

/// Reads a range of a file's bytes.
fn read(path: &Path, range: Range<u64>) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; (range.end - range.start) as usize];
    File::open(path)?.read_exact_at(&mut bytes, range.start)?;
    Ok(bytes)
}

/// Why lines were not written.
enum AppendError {
    /// The disk refused them.
    Disk(io::Error),
    /// The file was deleted, so the rest cannot be replayed.
    Deleted,
}

impl From<io::Error> for AppendError {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}
