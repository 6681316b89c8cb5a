//! Runs a stream on its own thread, since opening, polling and closing it can each hang together with the audio server.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use super::engine_slot::EngineSlot;
use super::route::{AudioError, Fault, Route, Running};
use super::status::OutputStatus;
use crate::threads;

/// Maximum interval between polls of the stream.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Capacity of the fault queue.
const FAULT_CAPACITY: usize = 16;
/// Maximum threads that may hang at a time.
const MAX_THREADS: usize = 8;

/// A stream, from the attempt to open it onwards; dropping this closes the stream once the server releases it.
pub(super) struct StreamThread {
    pub(super) slot: Arc<EngineSlot>,
    started: Instant,
    answer: Receiver<Result<String, AudioError>>,
    faults: Receiver<Fault>,
    /// Held until the thread ends.
    open: SyncSender<()>,
}

/// Counts stream threads, including those that hang.
pub(super) type Threads = Arc<()>;

impl StreamThread {
    /// Starts opening a stream without waiting for it.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(super) fn open(
        route: &Route,
        block_frames: Option<u32>,
        status: &Arc<OutputStatus>,
        threads: &Threads,
    ) -> Result<Self, AudioError> {
        if Arc::strong_count(threads) > MAX_THREADS {
            return Err(AudioError::Hung);
        }
        let slot = Arc::new(EngineSlot::default());
        let (opened, answer) = sync_channel(1);
        let (report, faults) = sync_channel(FAULT_CAPACITY);
        let (open, closed) = sync_channel(0);
        let (route, alive) = (route.clone(), Arc::clone(threads));
        let (own, status, last) = (Arc::clone(&slot), Arc::clone(status), report.clone());
        let run = move || {
            match route.start(block_frames, &own, &status, &report) {
                Ok(running) => serve(running, &opened, &closed, &report),
                Err(error) => drop(opened.try_send(Err(error))),
            }
            drop(alive);
        };
        let lost = move || drop(last.try_send(Fault::Lost("the stream's thread panicked".to_owned())));
        threads::spawn_unrestartable("melos-stream", run, lost).map_err(AudioError::Thread)?;
        Ok(Self { slot, started: Instant::now(), answer, faults, open })
    }

    /// The result of the attempt: the stream, or why there is none; `None` while the server has not responded.
    pub(super) fn answer(&self) -> Option<Result<String, AudioError>> {
        match self.answer.try_recv() {
            Ok(answer) => Some(answer),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(AudioError::Hung)),
        }
    }

    /// Time since the attempt began.
    pub(super) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// The driver's reports since the last call.
    pub(super) fn faults(&self) -> impl Iterator<Item = Fault> {
        self.faults.try_iter()
    }

    /// Closes the stream; the returned value reports when it is closed.
    pub(super) fn close(self) -> Closing {
        drop(self.open);
        Closing(self.answer)
    }
}

/// A stream that is being closed.
pub(super) struct Closing(Receiver<Result<String, AudioError>>);

impl Closing {
    /// Whether the server has released it.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.0.try_recv(), Err(TryRecvError::Disconnected))
    }
}

/// Keeps a stream open until it is no longer needed.
fn serve(
    mut running: Running,
    opened: &SyncSender<Result<String, AudioError>>,
    closed: &Receiver<()>,
    report: &SyncSender<Fault>,
) {
    let _ = opened.try_send(Ok(running.name.clone()));
    while let Err(RecvTimeoutError::Timeout) = closed.recv_timeout(POLL_INTERVAL) {
        if running.lost.swap(false, Relaxed) {
            let _ = report.try_send(Fault::Lost("the server has stopped".to_owned()));
        }
        running.stream.maintain();
    }
}
