//! The recorder: a thread that takes everything that is played from the engine's tap and writes it to disk when asked.
//! [`Listeners`] hear it at the same time.
//!
//! It always remembers the last [`PRE_ROLL_SECONDS`], so a take may begin before it was asked for. Whatever the disk does,
//! the sound goes on: the tap is bounded, and what does not fit is dropped and counted by the engine.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use ringbuf::HeapCons;
use thiserror::Error;

use crate::event::health::Losses;

mod flac;
mod listeners;
mod memory;
mod tape;
mod worker;

pub use listeners::{Listeners, MAX_LISTENERS, Part};
use worker::{Request, Worker};

/// How far back a take may reach.
pub const PRE_ROLL_SECONDS: u32 = 30;

/// How a recording is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// WAV, 24 bits.
    Wav,
    /// FLAC, 24 bits.
    Flac,
}

/// What to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Take {
    /// Where to; folders are made, an existing file is replaced. After two hours a second file follows, `…-2`.
    pub path: PathBuf,
    /// How to store it.
    pub format: Format,
    /// Frames before now that belong to it; as many as are remembered, at most [`PRE_ROLL_SECONDS`].
    pub pre_roll: u64,
    /// Frames after which it ends by itself, the pre-roll included.
    pub limit: Option<u64>,
}

/// A complete recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Its first file.
    pub path: PathBuf,
    /// What it holds, counted in frames that came through the tap; those are the time line's as long as none was dropped.
    pub frames: Range<u64>,
}

/// Complete recordings that are remembered until somebody asks.
const MAX_RECORDED: usize = 16;

/// Why a recording failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The file cannot be made or written; what was written before stays.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The recorder has more to do than it can.
    #[error("the recorder is busy; the disk may be stuck")]
    Busy,
}

/// What the rest may know about the recorder.
#[derive(Debug, Default)]
pub struct RecorderStatus {
    recording: AtomicBool,
    frames: AtomicU64,
    trouble: Mutex<Option<String>>,
    recorded: Mutex<VecDeque<Recorded>>,
}

impl RecorderStatus {
    /// Whether a take is being written.
    #[must_use]
    pub fn recording(&self) -> bool {
        self.recording.load(Relaxed)
    }

    /// Frames of the present or last take.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.frames.load(Relaxed)
    }

    /// Why the last take ended early, until the next one begins.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().ok()?.clone()
    }

    /// Recordings completed since this was last asked, at most the sixteen newest.
    #[must_use]
    pub fn take_recorded(&self) -> VecDeque<Recorded> {
        self.recorded.lock().map(|mut recorded| std::mem::take(&mut *recorded)).unwrap_or_default()
    }

    fn add_recorded(&self, new: Recorded) {
        if let Ok(mut recorded) = self.recorded.lock() {
            if recorded.len() == MAX_RECORDED {
                recorded.pop_front();
            }
            recorded.push_back(new);
        }
    }

    fn set_trouble(&self, trouble: Option<String>) {
        if let Ok(mut current) = self.trouble.lock() {
            *current = trouble;
        }
    }
}

/// The recorder's handle; dropping it ends the take and the thread.
#[derive(Debug)]
pub struct Recorder {
    requests: Option<SyncSender<Request>>,
    status: Arc<RecorderStatus>,
    thread: Option<JoinHandle<()>>,
}

impl Recorder {
    /// Starts the thread on the engine's tap; `listeners` get what it takes from there, `losses` count what fails.
    ///
    /// # Errors
    /// When there can be no more threads.
    pub fn spawn(tap: HeapCons<[f32; 2]>, listeners: Listeners, losses: Arc<Losses>) -> io::Result<Self> {
        let status = Arc::new(RecorderStatus::default());
        let (requests, requested) = sync_channel(8);
        let worker = Worker::new(tap, listeners, Arc::clone(&status), losses);
        let thread = thread::Builder::new().name("melos-record".to_owned()).spawn(move || worker.run(&requested))?;
        Ok(Self { requests: Some(requests), status, thread: Some(thread) })
    }

    /// What the recorder tells about itself.
    #[must_use]
    pub fn status(&self) -> &Arc<RecorderStatus> {
        &self.status
    }

    /// Begins a take; one that is going on ends. Never waits for the disk: trouble shows in the status and the log.
    ///
    /// # Errors
    /// [`RecordError::Busy`] when the recorder does not keep up; nothing was changed.
    pub fn start(&self, take: Take) -> Result<(), RecordError> {
        self.request(Request::Start(take))
    }

    /// Ends the take, if there is one; the file is complete soon after.
    ///
    /// # Errors
    /// [`RecordError::Busy`] when the recorder does not keep up; nothing was changed.
    pub fn stop(&self) -> Result<(), RecordError> {
        self.request(Request::Stop)
    }

    fn request(&self, request: Request) -> Result<(), RecordError> {
        match self.requests.as_ref().map(|requests| requests.try_send(request)) {
            Some(Ok(())) => Ok(()),
            Some(Err(TrySendError::Full(_) | TrySendError::Disconnected(_))) | None => Err(RecordError::Busy),
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
