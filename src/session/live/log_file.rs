//! The control log of a running performance, written by a thread of its own: a disk that hangs holds nothing up.

mod beside;
mod earlier;
mod writer;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::event::{Part, Troubles};
use crate::files::config::ControlLogConfig;
use crate::output::record::Recorded;
use crate::session::log::{Entry, Header};

use writer::Log;

/// Lines that may wait for the disk.
const WAITING: usize = 65_536;
/// Bytes of a megabyte.
const MEGABYTE: u64 = 1 << 20;
/// Longest that the end waits for a disk that hangs.
const LAST: Duration = Duration::from_secs(5);

/// A control log on disk. When the disk takes nothing it is tried again while the lines wait; when too many wait the log
/// ends there, which is said, and the music goes on.
#[derive(Debug)]
pub(super) struct LogFile {
    /// `None` once the log is not complete any more, or when none is wanted.
    requests: Option<SyncSender<Request>>,
    thread: Option<thread::JoinHandle<()>>,
    /// Whether nothing more comes: at the end, or because lines were lost.
    ended: Arc<AtomicBool>,
    troubles: Troubles,
}

#[derive(Debug)]
enum Request {
    Write(u64, Entry),
    Keep(Recorded),
}

impl LogFile {
    /// Begins a log; the one of the session before is kept under its date.
    ///
    /// # Errors
    /// When the thread cannot be made.
    pub(super) fn open(path: &Path, header: Header, config: &ControlLogConfig, troubles: Troubles) -> io::Result<Self> {
        let ended = Arc::new(AtomicBool::new(false));
        if !config.write {
            return Ok(Self { requests: None, thread: None, ended, troubles });
        }
        let (sender, requests) = sync_channel(WAITING);
        let log = Log::new(path, config, Arc::clone(&ended), troubles.clone());
        let thread =
            thread::Builder::new().name("melos-log".to_owned()).spawn(move || log.serve(&header, &requests))?;
        Ok(Self { requests: Some(sender), thread: Some(thread), ended, troubles })
    }

    /// Adds a line.
    pub(super) fn write(&mut self, frame: u64, entry: Entry) {
        self.request(Request::Write(frame, entry));
    }

    /// Puts a copy of the log so far beside a recording.
    pub(super) fn keep(&mut self, recorded: Recorded) {
        self.request(Request::Keep(recorded));
    }

    fn request(&mut self, request: Request) {
        let Some(requests) = &self.requests else { return };
        if let Err(error) = requests.try_send(request) {
            if matches!(error, TrySendError::Full(_)) {
                self.ended.store(true, Relaxed);
                self.troubles.set(Part::ControlLog, "the disk does not keep up; the control log of this session ends");
            }
            self.requests = None;
        }
    }
}

impl Drop for LogFile {
    fn drop(&mut self) {
        self.requests = None;
        self.ended.store(true, Relaxed);
        let Some(thread) = self.thread.take() else { return };
        thread.thread().unpark();
        let begun = Instant::now();
        while !thread.is_finished() {
            if begun.elapsed() > LAST {
                return tracing::error!("the disk does not answer; the end of the control log may be missing");
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

#[cfg(test)]
mod tests;
