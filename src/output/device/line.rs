//! A stream on a thread of its own: opening it, tending it and closing it may each hang with the sound server, and hold
//! nobody up.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use super::home::Home;
use super::jack_client;
use super::route::{AudioError, Fault, Route, Running, find};
use super::status::OutputStatus;
use crate::threads;

/// Longest time between two looks at the stream.
const LOOK: Duration = Duration::from_millis(50);
/// Faults that may wait for the supervisor.
const FAULTS: usize = 16;
/// Threads that may hang at a time.
const THREADS: usize = 8;

/// A stream, from the attempt to open it on; dropping it closes the stream whenever the server lets go of it.
pub(super) struct Line {
    pub(super) home: Arc<Home>,
    begun: Instant,
    answer: Receiver<Result<String, AudioError>>,
    faults: Receiver<Fault>,
    /// The thread lives as long as this.
    open: SyncSender<()>,
}

/// Counts the threads of lines, those that hang included.
pub(super) type Threads = Arc<()>;

impl Line {
    /// Begins to open a stream; does not wait for it.
    ///
    /// # Errors
    /// When there can be no more threads.
    pub(super) fn open(
        route: &Route,
        block_frames: Option<u32>,
        status: &Arc<OutputStatus>,
        threads: &Threads,
    ) -> Result<Self, AudioError> {
        if Arc::strong_count(threads) > THREADS {
            return Err(AudioError::Hung);
        }
        let home = Arc::new(Home::default());
        let (told, answer) = sync_channel(1);
        let (report, faults) = sync_channel(FAULTS);
        let (open, closed) = sync_channel(0);
        let (route, alive) = (route.clone(), Arc::clone(threads));
        let (own, status, last) = (Arc::clone(&home), Arc::clone(status), report.clone());
        let run = move || {
            match start(&route, block_frames, &own, &status, &report) {
                Ok(running) => serve(running, &told, &closed, &report),
                Err(error) => drop(told.try_send(Err(error))),
            }
            drop(alive);
        };
        let lost = move || drop(last.try_send(Fault::Lost("what tends the stream panicked".to_owned())));
        threads::spawn_mortal("melos-stream", run, lost).map_err(AudioError::Thread)?;
        Ok(Self { home, begun: Instant::now(), answer, faults, open })
    }

    /// What became of the attempt: what plays, or why nothing does; `None` as long as the server says nothing.
    pub(super) fn answer(&self) -> Option<Result<String, AudioError>> {
        match self.answer.try_recv() {
            Ok(answer) => Some(answer),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(AudioError::Hung)),
        }
    }

    /// How long ago the attempt began.
    pub(super) fn age(&self) -> Duration {
        self.begun.elapsed()
    }

    /// What the driver has reported since the last call.
    pub(super) fn faults(&self) -> impl Iterator<Item = Fault> {
        self.faults.try_iter()
    }

    /// Closes the stream; what is returned says when that is done.
    pub(super) fn close(self) -> Closing {
        drop(self.open);
        Closing(self.answer)
    }
}

/// A stream that is being closed.
pub(super) struct Closing(Receiver<Result<String, AudioError>>);

impl Closing {
    /// Whether the server has let go of it.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.0.try_recv(), Err(TryRecvError::Disconnected))
    }
}

fn start(
    route: &Route,
    block_frames: Option<u32>,
    home: &Arc<Home>,
    status: &Arc<OutputStatus>,
    report: &SyncSender<Fault>,
) -> Result<Running, AudioError> {
    match route {
        Route::Null => Err(AudioError::NoRoute(Vec::new())),
        Route::Jack => jack_client::start(Arc::clone(home), status, report),
        Route::Device { host, device } => {
            let opening = find(*host, device.as_deref())?;
            let [first, second] = opening.blocks(block_frames);
            let start = |block| opening.start(block, Arc::clone(home), status, report.clone());
            start(first).or_else(|_| start(second))
        }
    }
}

/// Keeps a stream open until nobody wants it any more.
fn serve(
    mut running: Running,
    told: &SyncSender<Result<String, AudioError>>,
    closed: &Receiver<()>,
    report: &SyncSender<Fault>,
) {
    let _ = told.try_send(Ok(running.name.clone()));
    while let Err(RecvTimeoutError::Timeout) = closed.recv_timeout(LOOK) {
        if running.lost.swap(false, Relaxed) {
            let _ = report.try_send(Fault::Lost("the server is gone".to_owned()));
        }
        running.stream.tend();
    }
}
