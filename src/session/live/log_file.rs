//! The control log of a live performance, written on its own thread so that a hung disk does not block the performance.

mod checkpoint_store;
mod current_file;
mod rotation;
mod take_copy;
mod writer;

use std::io;
use std::path::{self, Path};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::event::health::Losses;
use crate::event::log::{Entry, Header};
use crate::event::{Part, Troubles};
use crate::files::config::ControlLogConfig;
use crate::output::record::Recorded;
use crate::session::checkpoint::Checkpoint;
use crate::threads;

use take_copy::report_missing;
use writer::Writer;

/// Capacity of the request queue.
const QUEUE_CAPACITY: usize = 65_536;
/// Maximum time to wait for the disk on shutdown.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// A control log on disk. A failed write is retried while lines queue up. If the queue overflows, the log ends, the loss
/// is reported, and the music continues.
#[derive(Debug)]
pub(super) struct LogFile {
    /// `None` if logging is off, or once lines have been lost.
    requests: Option<SyncSender<Request>>,
    /// Receives checkpoints that the writer no longer needs.
    unused: Option<Receiver<Box<Checkpoint>>>,
    /// `None` if logging is off.
    thread: Option<thread::JoinHandle<()>>,
    shared: Arc<Shared>,
}

/// What the performance and the log's thread share.
#[derive(Debug, Default)]
struct Shared {
    /// Whether the log has ended, on shutdown or because lines were lost or cannot be written.
    ended: AtomicBool,
    /// Whether the log can continue only from a new checkpoint.
    needs_checkpoint: AtomicBool,
    troubles: Troubles,
    /// Counts the takes without a log.
    losses: Arc<Losses>,
}

/// A request to the writer.
#[derive(Debug)]
enum Request {
    /// Add a line at a frame.
    Write(u64, Entry),
    /// Copy the log so far beside a recording.
    CopyBeside(Recorded),
    /// Leave this many bytes of disk space free when storing checkpoints.
    KeepFree(u64),
    /// Store a checkpoint.
    Store(Box<Checkpoint>),
}

impl LogFile {
    /// Starts a log; the previous session's log is renamed with its date. Checkpoints leave `keep_free` bytes of disk space
    /// free. `losses` counts the takes without a log, and `on_copied` is called when the log has been copied beside a recording.
    ///
    /// # Errors
    /// When the path is empty, or no thread can be created.
    pub(super) fn open(
        path: &Path,
        header: Header,
        config: &ControlLogConfig,
        keep_free: u64,
        troubles: Troubles,
        losses: Arc<Losses>,
        on_copied: impl Fn() + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared { troubles, losses, ..Shared::default() });
        if !config.write {
            return Ok(Self { requests: None, unused: None, thread: None, shared });
        }
        // A bare file name has no parent folder in which earlier logs could be found.
        let path = path::absolute(path)?;
        let (sender, requests) = sync_channel(QUEUE_CAPACITY);
        let (returned, unused) = sync_channel(1);
        let mut writer = Writer::new(&path, header, config, keep_free, Arc::clone(&shared), returned);
        writer.on_copied = Box::new(on_copied);
        let panic_troubles = shared.troubles.clone();
        // The panic may have lost a line, without which the rest cannot be replayed.
        let report_panic = move || {
            panic_troubles
                .set(Part::ControlLog, "the writer thread panicked; the control log of this session ends here");
        };
        let thread = threads::spawn_unrestartable("melos-log", move || writer.run(&requests), report_panic)?;
        Ok(Self { requests: Some(sender), unused: Some(unused), thread: Some(thread), shared })
    }

    /// Adds a line at a frame.
    pub(super) fn write(&mut self, frame: u64, entry: Entry) {
        self.request(Request::Write(frame, entry));
    }

    /// Returns whether lines are still written.
    pub(super) fn is_open(&self) -> bool {
        self.requests.is_some() && !self.shared.ended.load(Relaxed)
    }

    /// Returns, once each time, whether the log can continue only from a new checkpoint.
    pub(super) fn needs_checkpoint(&self) -> bool {
        self.shared.needs_checkpoint.swap(false, Relaxed)
    }

    /// Stores a checkpoint beside the log.
    pub(super) fn store(&mut self, checkpoint: Checkpoint) {
        self.request(Request::Store(Box::new(checkpoint)));
    }

    /// Returns a checkpoint whose buffers can be reused: one that the writer no longer needs, or an empty one.
    pub(super) fn unused_checkpoint(&self) -> Checkpoint {
        self.unused
            .as_ref()
            .and_then(|unused| unused.try_recv().ok())
            .map_or_else(Checkpoint::default, |unused| *unused)
    }

    /// Changes how many bytes of disk space checkpoints leave free.
    pub(super) fn keep_free(&mut self, bytes: u64) {
        self.request(Request::KeepFree(bytes));
    }

    /// Copies the log so far to a file beside a recording.
    pub(super) fn copy_beside(&mut self, recorded: Recorded) {
        let take = recorded.path.clone();
        if !self.request(Request::CopyBeside(recorded)) && self.thread.is_some() {
            report_missing(&take, "the control log of this session has ended", &self.shared.losses);
        }
    }

    /// Sends a request; returns `false` if the log is off or has ended.
    fn request(&mut self, request: Request) -> bool {
        let Some(requests) = &self.requests else { return false };
        let Err(error) = requests.try_send(request) else { return true };
        if matches!(error, TrySendError::Full(_)) {
            self.shared.ended.store(true, Relaxed);
            self.shared.troubles.set(
                Part::ControlLog,
                "the disk cannot keep up; the control log of this session is incomplete and ends here",
            );
        }
        self.requests = None;
        false
    }
}

impl Drop for LogFile {
    fn drop(&mut self) {
        self.requests = None;
        self.shared.ended.store(true, Relaxed);
        let Some(thread) = self.thread.take() else { return };
        thread.thread().unpark();
        let started = Instant::now();
        while !thread.is_finished() {
            if started.elapsed() > CLOSE_TIMEOUT {
                return tracing::error!("the disk is not responding; the end of the control log may be missing");
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

#[cfg(test)]
mod tests;
