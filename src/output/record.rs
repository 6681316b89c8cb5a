//! The recorder: a thread that reads all output from the engine's tap and writes takes to disk. [`Listeners`] receive
//! the same audio.
//!
//! The recorder always keeps the last [`PRE_ROLL_SECONDS`] seconds in memory, so that a take can begin before it was
//! requested. The audio never waits for the disk: frames that do not fit into the tap become silence in the take and are
//! reported.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, Weak};
use std::thread::JoinHandle;

use ringbuf::HeapCons;
use thiserror::Error;

use crate::event::health::Losses;
use crate::threads;

mod budget;
mod flac;
mod listeners;
mod pre_roll;
mod sound_file;
pub mod take_files;
mod wav;
mod worker;

pub use budget::Budget;
pub use listeners::{Chunk, Listeners, MAX_LISTENERS};
pub use sound_file::SoundFile;
use worker::{Request, Worker};

/// Maximum pre-roll of a take, in seconds.
pub const PRE_ROLL_SECONDS: u32 = 30;

/// The file format of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// WAV, or RF64 beyond WAV's size limit.
    Wav,
    /// FLAC.
    Flac,
}

impl Format {
    /// Returns the file extension.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::Flac => "flac",
        }
    }
}

/// The sample format of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bits {
    /// 16-bit integers.
    Sixteen,
    /// 24-bit integers.
    TwentyFour,
    /// 32-bit floating point; WAV only.
    Float,
}

impl Bits {
    /// Returns the number of bytes per sample.
    #[must_use]
    pub const fn bytes(self) -> u16 {
        match self {
            Self::Sixteen => 2,
            Self::TwentyFour => 3,
            Self::Float => 4,
        }
    }
}

/// Where recordings are stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Destination {
    /// The folder; created if needed.
    pub folder: PathBuf,
    /// Limits on the disk space used.
    pub budget: Budget,
}

/// A take to record, with 24-bit samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Take {
    /// The label, such as the mood, that follows the date and time in the file name: `2026-11-28_16.55.01_calm.wav`. Every
    /// two hours, the take continues in another file, the second being `…_part2.wav`.
    pub label: String,
    /// The file format.
    pub format: Format,
    /// Number of frames of pre-roll; limited to [`PRE_ROLL_SECONDS`], to what is in memory, and to the frames since the end
    /// of the last take whose `limit` was `None`.
    pub pre_roll: u64,
    /// Maximum length in frames, including the pre-roll; `None` for no limit.
    pub limit: Option<u64>,
}

/// A finished recording. Its file counts as in use ([`RecorderStatus::is_in_use`]) as long as this or a clone of the path
/// exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The first file.
    pub path: Arc<Path>,
    /// The range of frames on the timeline.
    pub frames: Range<u64>,
    /// Ranges of frames on the timeline that were replaced with silence because the recorder did not keep up.
    pub gaps: Vec<Range<u64>>,
}

/// A finished file of a recording. It counts as in use ([`RecorderStatus::is_in_use`]) as long as this or a clone of the
/// path exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedFile {
    /// The file.
    pub path: Arc<Path>,
    /// Its frames on the timeline.
    pub frames: Range<u64>,
}

/// Maximum number of finished recordings, and of finished files, kept until they are fetched.
const MAX_RECORDED: usize = 16;

/// Why a recording failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// A file or its folder cannot be created or written to; what was already written is kept.
    #[error("cannot write {path}: {source}")]
    File {
        /// The path of the file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A space limit has been reached, or the free space cannot be determined; the message says which.
    #[error("{0}")]
    NoSpace(String),
    /// The recorder crashed while writing.
    #[error("the recorder crashed; what was already written is kept")]
    Crashed,
    /// The recorder does not keep up.
    #[error("the recorder is busy; the disk may have stopped responding")]
    Busy,
}

/// The state of the current or last take.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// Number of takes requested, including those that failed.
    pub attempts: u64,
    /// The file being written, or the last one written.
    pub path: Option<PathBuf>,
    /// Number of frames missing from the take.
    pub missing: u64,
    /// Why the last take failed, until the next one starts.
    pub trouble: Option<String>,
}

/// The recorder's public status.
#[derive(Debug, Default)]
pub struct RecorderStatus {
    recording: AtomicBool,
    frames: AtomicU64,
    /// Whether a failed take has not been reported yet.
    failed: AtomicBool,
    progress: Mutex<Progress>,
    recorded: Mutex<VecDeque<Recorded>>,
    recorded_files: Mutex<VecDeque<RecordedFile>>,
    /// All files of the take being written.
    writing: Mutex<Vec<Arc<Path>>>,
    /// The files in use: those being written, and finished ones whose log or notes have yet to be written.
    in_use: Mutex<Vec<Weak<Path>>>,
}

impl RecorderStatus {
    /// Returns whether a take is being written.
    #[must_use]
    pub fn is_recording(&self) -> bool {
        self.recording.load(Relaxed)
    }

    /// Returns the number of frames in the current or last take.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.frames.load(Relaxed)
    }

    /// Returns the state of the current or last take.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress.lock().map(|progress| progress.clone()).unwrap_or_default()
    }

    /// Returns why the last take failed, until the next one starts.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.progress().trouble
    }

    /// Returns why a take failed, once per failure.
    #[must_use]
    pub fn take_failure(&self) -> Option<String> {
        if self.failed.swap(false, Relaxed) { self.trouble() } else { None }
    }

    /// Returns the recordings finished since the last call, at most the latest sixteen.
    #[must_use]
    pub fn take_recorded(&self) -> VecDeque<Recorded> {
        self.recorded.lock().map(|mut recorded| std::mem::take(&mut *recorded)).unwrap_or_default()
    }

    /// Returns the files finished since the last call, in order, at most the latest sixteen. Each take has at least one.
    #[must_use]
    pub fn take_recorded_files(&self) -> VecDeque<RecordedFile> {
        self.recorded_files.lock().map(|mut files| std::mem::take(&mut *files)).unwrap_or_default()
    }

    /// Returns whether a file belongs to the take being written.
    #[must_use]
    pub fn is_writing(&self, file: &Path) -> bool {
        self.writing.lock().is_ok_and(|writing| writing.iter().any(|path| **path == *file))
    }

    /// Returns whether a file must keep its name: it belongs to the take being written, or its log or notes have yet to be
    /// written beside it.
    #[must_use]
    pub fn is_in_use(&self, file: &Path) -> bool {
        let is_same = |path: &Weak<Path>| path.upgrade().is_some_and(|path| *path == *file);
        self.in_use.lock().is_ok_and(|in_use| in_use.iter().any(is_same))
    }

    /// Adds a file to the take being written.
    fn add_file(&self, path: PathBuf) -> Arc<Path> {
        let path = Arc::<Path>::from(path);
        if let Ok(mut writing) = self.writing.lock() {
            writing.push(Arc::clone(&path));
        }
        if let Ok(mut in_use) = self.in_use.lock() {
            in_use.retain(|path| path.strong_count() > 0);
            in_use.push(Arc::downgrade(&path));
        }
        path
    }

    /// Ends the take being written.
    fn end_take(&self) {
        if let Ok(mut writing) = self.writing.lock() {
            writing.clear();
        }
        self.recording.store(false, Relaxed);
    }

    fn push_recorded(&self, recorded: Recorded) {
        push_bounded(&self.recorded, recorded);
    }

    fn push_recorded_file(&self, file: RecordedFile) {
        push_bounded(&self.recorded_files, file);
    }

    fn update(&self, update: impl FnOnce(&mut Progress)) {
        if let Ok(mut progress) = self.progress.lock() {
            update(&mut progress);
        }
    }
}

/// Adds an item, dropping the oldest if there are too many.
fn push_bounded<T>(items: &Mutex<VecDeque<T>>, new: T) {
    if let Ok(mut items) = items.lock() {
        if items.len() == MAX_RECORDED {
            items.pop_front();
        }
        items.push_back(new);
    }
}

/// A handle to the recorder; dropping it ends the take and the thread.
#[derive(Debug)]
pub struct Recorder {
    requests: Option<SyncSender<Request>>,
    status: Arc<RecorderStatus>,
    thread: Option<JoinHandle<()>>,
}

impl Recorder {
    /// Starts the thread, which reads the engine's tap. `listeners` receive the same audio, takes are stored in
    /// `destination`, and `losses` counts failed takes and the listeners that fell behind.
    ///
    /// # Errors
    /// If the thread cannot be created.
    pub fn spawn(
        tap: HeapCons<[f32; 2]>,
        listeners: Listeners,
        destination: Destination,
        losses: Arc<Losses>,
    ) -> io::Result<Self> {
        let status = Arc::new(RecorderStatus::default());
        let (requests, receiver) = sync_channel(8);
        let mut worker = Worker::new(tap, listeners, destination, Arc::clone(&status), losses);
        let thread = threads::spawn_restarting("melos-record", move || worker.run(&receiver))?;
        Ok(Self { requests: Some(requests), status, thread: Some(thread) })
    }

    /// Returns the recorder's status.
    #[must_use]
    pub fn status(&self) -> &Arc<RecorderStatus> {
        &self.status
    }

    /// Starts a take, ending the current one, if any. Never waits for the disk: failures appear in the status and the log.
    ///
    /// # Errors
    /// [`RecordError::Busy`] if the recorder does not keep up; in that case, nothing changes.
    pub fn start(&self, take: Take) -> Result<(), RecordError> {
        self.request(Request::Start(take))
    }

    /// Changes where takes are stored, or their space limits, starting with the next take.
    ///
    /// # Errors
    /// [`RecordError::Busy`] if the recorder does not keep up; in that case, nothing changes.
    pub fn set_destination(&self, destination: Destination) -> Result<(), RecordError> {
        self.request(Request::SetDestination(destination))
    }

    /// Ends the take, if any; the file is complete shortly afterwards.
    ///
    /// # Errors
    /// [`RecordError::Busy`] if the recorder does not keep up; in that case, nothing changes.
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
