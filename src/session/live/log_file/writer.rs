//! Writes the log on its own thread, and continues it in another file when it becomes too large.

use std::collections::VecDeque;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use super::checkpoint_store::CheckpointStore;
use super::current_file::{AppendError, CurrentFile};
use super::take_copy::{copy_beside, report_missing};
use super::{Request, Shared, rotation};
use crate::event::Part;
use crate::event::log::{Entry, Header, LogText};
use crate::files::config::ControlLogConfig;
use crate::files::create_folder;
use crate::output::record::Recorded;
use crate::session::checkpoint::{Checkpoint, checkpoint_folder, checkpoint_path};
use crate::units::MEGABYTE;

/// Maximum number of queued requests processed before their lines are written.
const MAX_BATCH: usize = 4096;
/// Maximum interval between checks of whether another program has changed the log.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
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
    /// `None` until it can be created, and while the log is lost.
    file: Option<CurrentFile>,
    /// The frame at which the current file starts.
    start_frame: u64,
    /// Frames before this one cannot be replayed, because another program damaged their log; `u64::MAX` while the log is
    /// lost, until it continues at a checkpoint.
    lost_before: u64,
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
    shared: Arc<Shared>,
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
        shared: Arc<Shared>,
        returned: SyncSender<Box<Checkpoint>>,
    ) -> Self {
        Self {
            path: path.to_owned(),
            keep: config.keep,
            max_bytes: config.max_mb * MEGABYTE,
            has_checkpoints: config.checkpoints_mb > 0,
            store: CheckpointStore::new(path, &header.model, config.checkpoints_mb, keep_free, shared.troubles.clone()),
            lines: LogText::new(&header),
            header,
            file: None,
            start_frame: 0,
            lost_before: 0,
            last_checkpoint: None,
            pending_checkpoint: None,
            last_attempt: Instant::now(),
            returned,
            header_bytes: 0,
            previous: VecDeque::new(),
            shared,
            on_copied: Box::new(|| ()),
        }
    }

    /// Processes requests until the sender is dropped. Once the log has ended, only reports the takes that get none.
    pub(super) fn run(mut self, requests: &Receiver<Request>) {
        if self.process_all(requests).is_err() {
            self.shared.ended.store(true, Relaxed);
            for request in requests {
                if let Request::CopyBeside(recorded) = request {
                    self.report_missing(&recorded, "the control log of this session has ended");
                }
            }
        } else if let Some(file) = &self.file {
            file.sync();
        }
    }

    fn process_all(&mut self, requests: &Receiver<Request>) -> Result<(), LogEnded> {
        self.write_lines()?;
        loop {
            let first = match requests.recv_timeout(CHECK_INTERVAL) {
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
            if self.is_lost() {
                // The log can continue with the lines after this one.
                let _ = self.lines.take();
            }
            self.last_checkpoint = Some(CheckpointLine { frame, end: self.written() + self.lines.bytes() });
        }
    }

    /// Copies the log up to this point beside a recording.
    fn copy_beside(&mut self, recorded: &Recorded) -> Result<(), LogEnded> {
        self.write_lines()
            .inspect_err(|LogEnded| self.report_missing(recorded, "the control log of this session has ended"))?;
        let parts = self.parts_from(recorded.frames.start).map_err(str::to_owned);
        match parts.and_then(|parts| copy_beside(recorded, &parts).map_err(|error| error.to_string())) {
            Ok(()) => (self.on_copied)(),
            Err(reason) => self.report_missing(recorded, &reason),
        }
        Ok(())
    }

    fn report_missing(&self, recorded: &Recorded, reason: &str) {
        report_missing(&recorded.path, reason, &self.shared.losses);
    }

    /// Stores the pending checkpoint, if any. If the log is lost or has become too large, continues it in another file that
    /// starts at the checkpoint.
    fn store_checkpoint(&mut self) -> Result<(), LogEnded> {
        let Some(checkpoint) = self.pending_checkpoint.take() else { return Ok(()) };
        self.last_attempt = Instant::now();
        if !self.store.store(&checkpoint) {
            self.pending_checkpoint = Some(checkpoint);
            return Ok(());
        }
        let (frame, is_due) = (checkpoint.frame, self.is_lost() || self.written() > self.max_bytes);
        let _ = self.returned.try_send(checkpoint);
        let Some(start) = self.last_checkpoint.take_if(|line| is_due && line.frame == frame) else { return Ok(()) };
        if self.is_lost() {
            return self.resume_at(start.frame);
        }
        self.write_lines()?;
        if self.is_lost() { Ok(()) } else { self.continue_at(start) }
    }

    /// Ends the log if it is too large. With checkpoints, that happens only if none can be stored: otherwise, the log
    /// continues in another file first.
    fn check_size(&self) -> Result<(), LogEnded> {
        let limit = if self.has_checkpoints { 2 * self.max_bytes } else { self.max_bytes };
        if self.written() + self.lines.bytes() <= limit {
            return Ok(());
        }
        let path = self.path.display();
        let reason =
            format!("{path} has reached control_log.max_mb and has been closed; recordings continue without a log");
        self.shared.troubles.set(Part::ControlLog, reason);
        Err(LogEnded)
    }

    /// Continues in another file, which starts at a checkpoint.
    fn continue_at(&mut self, start: CheckpointLine) -> Result<(), LogEnded> {
        let rest = match self.file.as_mut().map(|file| file.end(start.frame, start.end)) {
            None => return Ok(()),
            Some(Ok(rest)) => rest,
            Some(Err(error)) => {
                tracing::warn!(path = %self.path.display(), %error, "cannot continue the control log in another file");
                return Ok(());
            }
        };
        self.previous.push_back(PreviousFile {
            path: PathBuf::new(),
            header_bytes: self.header_bytes,
            end: start.end,
            frames: self.start_frame..start.frame,
        });
        // Rotation keeps no more files than this.
        while self.previous.len() > self.keep.max(1) {
            self.previous.pop_front();
        }
        self.begin_file(start.frame, &rest)?;
        if let Some(previous) = self.previous.back() {
            self.move_checkpoint(&previous.path, start.frame);
            tracing::info!(previous = %previous.path.display(), "the control log continues in another file");
        }
        Ok(())
    }

    /// Resumes a lost log at a checkpoint.
    fn resume_at(&mut self, frame: u64) -> Result<(), LogEnded> {
        self.lost_before = frame;
        let rest = self.lines.take();
        self.begin_file(frame, rest.as_bytes())
    }

    /// Begins a file that starts at the checkpoint of a frame; `rest` are the lines since then.
    fn begin_file(&mut self, frame: u64, rest: &[u8]) -> Result<(), LogEnded> {
        let header = LogText::new(&Header { start_frame: Some(frame), ..self.header.clone() }).take();
        (self.file, self.start_frame, self.header_bytes) = (None, frame, header.len() as u64);
        self.write_until_accepted(&[header.as_bytes(), rest].concat())
    }

    /// Gives up what has been written, because another program has damaged it, and waits for a checkpoint at which the log can
    /// continue. Without checkpoints, the log ends.
    fn lose(&mut self) -> Result<(), LogEnded> {
        let consequence = if self.has_checkpoints {
            "the control log continues at the next checkpoint"
        } else {
            "the control log of this session has ended"
        };
        let reason = format!("another program has truncated or changed {}; {consequence}", self.path.display());
        self.shared.troubles.set(Part::ControlLog, reason);
        if !self.has_checkpoints {
            return Err(LogEnded);
        }
        if let Err(error) = rotation::retire(&self.path, self.keep) {
            tracing::warn!(path = %self.path.display(), %error, "cannot set the damaged control log aside");
        }
        (self.file, self.last_checkpoint, self.lost_before) = (None, None, u64::MAX);
        self.previous.clear();
        self.shared.needs_checkpoint.store(true, Relaxed);
        Ok(())
    }

    /// Returns whether the log has been damaged and has not continued yet.
    const fn is_lost(&self) -> bool {
        self.lost_before == u64::MAX
    }

    /// Returns the number of bytes written to the current file, all in complete lines.
    fn written(&self) -> u64 {
        self.file.as_ref().map_or(0, CurrentFile::length)
    }

    /// Moves a checkpoint of another log to this log's checkpoints.
    fn move_checkpoint(&self, other: &Path, frame: u64) {
        let folder = checkpoint_folder(&self.path);
        let (from, to) = (checkpoint_path(&checkpoint_folder(other), frame), checkpoint_path(&folder, frame));
        if let Err(error) = create_folder(&folder).and_then(|()| fs::rename(&from, &to)) {
            tracing::warn!(path = %from.display(), %error, "cannot move the checkpoint at which the control log starts");
        }
    }

    /// Returns the byte ranges of files that make up the log of a take that starts at a frame, or why it is incomplete.
    fn parts_from(&self, frame: u64) -> Result<Vec<(PathBuf, Range<u64>)>, &'static str> {
        const DELETED: &str = "the beginning of the log has been deleted (see control_log.keep)";
        if frame < self.lost_before {
            return Err("another program has truncated or changed the log");
        }
        let first = self.previous.iter().position(|previous| previous.frames.contains(&frame));
        if frame < self.start_frame && first.is_none() {
            return Err(DELETED);
        }
        let previous = self.previous.iter().skip(first.unwrap_or(self.previous.len()));
        let mut parts: Vec<_> =
            previous.map(|previous| (previous.path.clone(), previous.header_bytes..previous.end)).collect();
        parts.push((self.path.clone(), self.header_bytes..self.written()));
        parts[0].1.start = 0;
        if parts.iter().all(|(path, _)| path.exists()) { Ok(parts) } else { Err(DELETED) }
    }

    /// Writes the lines added so far. While the log is lost, keeps those since the last checkpoint instead.
    fn write_lines(&mut self) -> Result<(), LogEnded> {
        if self.is_lost() && self.last_checkpoint.is_some() {
            return Ok(());
        }
        let lines = self.lines.take();
        if self.is_lost() { Ok(()) } else { self.write_until_accepted(lines.as_bytes()) }
    }

    /// Writes whole lines, retrying until the disk accepts them.
    fn write_until_accepted(&mut self, lines: &[u8]) -> Result<(), LogEnded> {
        let mut failures = 0;
        loop {
            let reason = match self.append(lines) {
                Ok(()) => {
                    if !self.shared.ended.load(Relaxed) {
                        self.shared.troubles.clear(Part::ControlLog);
                    }
                    return Ok(());
                }
                Err(AppendError::Damaged) => return self.lose(),
                Err(AppendError::Restored) => {
                    format!(
                        "another program has moved, deleted or changed {}; it has been written again",
                        self.path.display()
                    )
                }
                Err(AppendError::Disk(error)) => format!("cannot write {}: {error}; retrying", self.path.display()),
            };
            self.shared.troubles.set(Part::ControlLog, reason);
            failures += 1;
            // On shutdown, one more attempt is made.
            if failures > 1 && self.shared.ended.load(Relaxed) {
                return Err(LogEnded);
            }
            thread::park_timeout(RETRY_INTERVAL);
        }
    }

    /// Writes either all lines or none.
    fn append(&mut self, lines: &[u8]) -> Result<(), AppendError> {
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let (file, renamed) = rotation::start(&self.path, self.keep)?;
                if let (Some(previous), Some(renamed)) = (self.previous.back_mut(), renamed) {
                    previous.path = renamed;
                }
                self.file.insert(CurrentFile::new(file, &self.path))
            }
        };
        file.append(lines)
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
