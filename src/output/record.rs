//! The recorder: a thread that takes everything that is played from the engine's tap and writes it to disk when asked.
//! [`Listeners`] hear it at the same time.
//!
//! It always remembers the last [`PRE_ROLL_SECONDS`], so a take may begin before it was asked for. Whatever the disk does,
//! the sound goes on: the tap is bounded, and where something did not fit a take has silence and says so.

use crate::event::health::Losses;
use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use ringbuf::HeapCons;
use thiserror::Error;

use crate::threads;

mod budget;
mod flac;
mod listeners;
mod memory;
mod tape;
mod wav;
mod worker;

pub use budget::Budget;
pub use listeners::{Listeners, MAX_LISTENERS, Part};
pub use tape::SoundFile;
use worker::{Request, Worker};

/// How far back a take may reach.
pub const PRE_ROLL_SECONDS: u32 = 30;

/// How a recording is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// WAV, or RF64 where it grows beyond what WAV can count.
    Wav,
    /// FLAC.
    Flac,
}

impl Format {
    /// The ending of a file's name.
    #[must_use]
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::Flac => "flac",
        }
    }
}

/// How a sample is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bits {
    /// Integers of 16 bits.
    Sixteen,
    /// Integers of 24 bits.
    TwentyFour,
    /// Floating point of 32 bits; WAV only.
    Float,
}

impl Bits {
    /// Bytes of a sample.
    #[must_use]
    pub const fn bytes(self) -> u16 {
        match self {
            Self::Sixteen => 2,
            Self::TwentyFour => 3,
            Self::Float => 4,
        }
    }
}

/// Where recordings go.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// The folder; it is made when it is needed.
    pub folder: PathBuf,
    /// How much room they have there.
    pub budget: Budget,
}

/// What to record, with 24 bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Take {
    /// What its file is called after the date and the time, such as the mood: `2026-11-28_16.55.01_calm.wav`. After two
    /// hours a second file follows, `…_part2.wav`.
    pub label: String,
    /// How to store it.
    pub format: Format,
    /// Frames before now that belong to it; as many as are remembered, at most [`PRE_ROLL_SECONDS`], and none that the
    /// take before has.
    pub pre_roll: u64,
    /// Frames after which it ends by itself, the pre-roll included.
    pub limit: Option<u64>,
}

/// A recording that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Its first file.
    pub path: PathBuf,
    /// What it holds, in frames of the time line.
    pub frames: Range<u64>,
    /// Which of them are missing, because the recorder was held up for seconds; there is silence in their place.
    pub gaps: Vec<Range<u64>>,
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
    /// There is no room for more.
    #[error("{0}")]
    NoRoom(String),
    /// The recorder crashed while writing.
    #[error("the recorder crashed; what was already written is kept")]
    Crashed,
    /// The recorder has more to do than it can.
    #[error("the recorder is busy; the disk may be hung")]
    Busy,
}

/// What is known of the present or last take.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// How often a take was begun, or tried to be.
    pub attempts: u64,
    /// The file being written, or written last.
    pub path: Option<PathBuf>,
    /// How many frames are missing in it.
    pub missing: u64,
    /// Why the last take ended early or did not begin, until the next one begins.
    pub trouble: Option<String>,
}

/// What the rest may know about the recorder.
#[derive(Debug, Default)]
pub struct RecorderStatus {
    recording: AtomicBool,
    frames: AtomicU64,
    /// Takes that failed and nobody was told of.
    failed: AtomicBool,
    progress: Mutex<Progress>,
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

    /// What is known of the present or last take.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress.lock().map(|progress| progress.clone()).unwrap_or_default()
    }

    /// Why the last take ended early, until the next one begins.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.progress().trouble
    }

    /// Why a take ended early or did not begin, told once.
    #[must_use]
    pub fn take_failure(&self) -> Option<String> {
        if self.failed.swap(false, Relaxed) { self.trouble() } else { None }
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

    fn change(&self, change: impl FnOnce(&mut Progress)) {
        if let Ok(mut progress) = self.progress.lock() {
            change(&mut progress);
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
    /// Starts the thread on the engine's tap; `listeners` get what it takes from there, takes go to `place`,
    /// `losses` count what fails.
    ///
    /// # Errors
    /// When there can be no more threads.
    pub fn spawn(tap: HeapCons<[f32; 2]>, listeners: Listeners, place: Place, losses: Arc<Losses>) -> io::Result<Self> {
        let status = Arc::new(RecorderStatus::default());
        let (requests, requested) = sync_channel(8);
        let mut worker = Worker::new(tap, listeners, place, Arc::clone(&status), losses);
        let thread = threads::spawn_steady("melos-record", move || worker.run(&requested))?;
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

    /// Takes go elsewhere, or have other room, from the next one on.
    ///
    /// # Errors
    /// [`RecordError::Busy`] when the recorder does not keep up; nothing was changed.
    pub fn move_to(&self, place: Place) -> Result<(), RecordError> {
        self.request(Request::Place(place))
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
