//! Runs a stream on its own thread, because opening, polling or closing it can hang if the audio server does.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use super::engine_slot::EngineSlot;
use super::route::{AudioError, Fault, OpenStream, Route};
use super::status::OutputStatus;
use crate::threads;

/// Interval between polls of the stream.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Capacity of the fault queue.
const FAULT_CAPACITY: usize = 16;
/// Maximum number of stream threads, including hung ones.
const MAX_THREADS: usize = 8;

/// A stream that is being opened or is playing. When this is dropped, the stream closes as soon as the server allows.
pub(super) struct StreamThread {
    pub(super) slot: Arc<EngineSlot>,
    started: Instant,
    result: Receiver<Result<String, AudioError>>,
    faults: Receiver<Fault>,
    /// Dropped to close the stream.
    keep_open: SyncSender<()>,
}

/// Counts the stream threads, including hung ones.
pub(super) type ThreadCount = Arc<()>;

impl StreamThread {
    /// Starts opening a stream without waiting for it.
    ///
    /// # Errors
    /// If no thread can be started, or if too many have hung.
    pub(super) fn open(
        route: &Route,
        block_frames: Option<u32>,
        status: &Arc<OutputStatus>,
        threads: &ThreadCount,
    ) -> Result<Self, AudioError> {
        if Arc::strong_count(threads) > MAX_THREADS {
            return Err(AudioError::Hung);
        }
        let slot = Arc::new(EngineSlot::default());
        let (opened, result) = sync_channel(1);
        let (report, faults) = sync_channel(FAULT_CAPACITY);
        let (keep_open, closed) = sync_channel(0);
        let (route, thread_count) = (route.clone(), Arc::clone(threads));
        let (thread_slot, status, report_panic) = (Arc::clone(&slot), Arc::clone(status), report.clone());
        let run = move || {
            match route.start(block_frames, &thread_slot, &status, &report) {
                Ok(open_stream) => serve(open_stream, &opened, &closed, &report),
                Err(error) => drop(opened.try_send(Err(error))),
            }
            drop(thread_count);
        };
        let panicked = move || drop(report_panic.try_send(Fault::Lost("the stream thread panicked".to_owned())));
        threads::spawn_unrestartable("melos-stream", run, panicked).map_err(AudioError::Thread)?;
        Ok(Self { slot, started: Instant::now(), result, faults, keep_open })
    }

    /// Returns the result of opening the stream, once: the name of the output, or why it could not be opened. Returns
    /// `None` until the server responds.
    pub(super) fn result(&self) -> Option<Result<String, AudioError>> {
        match self.result.try_recv() {
            Ok(result) => Some(result),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(AudioError::Hung)),
        }
    }

    /// Returns the time since opening began.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Returns the faults reported since the last call.
    pub(super) fn faults(&self) -> impl Iterator<Item = Fault> {
        self.faults.try_iter()
    }

    /// Starts closing the stream without waiting for it; [`Closing::is_done`] reports when it is closed.
    pub(super) fn close(self) -> Closing {
        drop(self.keep_open);
        Closing(self.result)
    }
}

/// A stream that is being closed.
pub(super) struct Closing(Receiver<Result<String, AudioError>>);

impl Closing {
    /// Returns whether the stream is closed.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.0.try_recv(), Err(TryRecvError::Disconnected))
    }
}

/// Maintains an open stream until `closed` disconnects.
fn serve(
    mut open_stream: OpenStream,
    opened: &SyncSender<Result<String, AudioError>>,
    closed: &Receiver<()>,
    report: &SyncSender<Fault>,
) {
    let _ = opened.try_send(Ok(open_stream.name.clone()));
    while let Err(RecvTimeoutError::Timeout) = closed.recv_timeout(POLL_INTERVAL) {
        if open_stream.lost.swap(false, Relaxed) {
            let _ = report.try_send(Fault::Lost("the server has stopped or changed its sample rate".to_owned()));
        }
        open_stream.stream.maintain();
    }
}
