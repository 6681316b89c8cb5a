//! The generator thread: keeps the engine supplied with hops ahead of the playhead.
//!
//! A splice that reaches the engine too late is moved to a later frame, music that is not ready in time is skipped, and a
//! failed latent is retried; each is reported as a [`WorkerEvent`]. Otherwise, the sound does not depend on the thread's
//! timing. Nothing here runs on the audio thread.

mod mailbox;
mod source;
mod status;
mod thread;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use ringbuf::HeapProd;

use super::{GeneratedLatent, Networks};
use crate::engine::EngineStatus;
use crate::event::health::Loss;
use crate::event::{Hop, SpliceOutcome};
use crate::music::plan::Plan;
use crate::threads;

use mailbox::Mailbox;
pub use source::HopSource;
pub use status::WorkerStatus;
use thread::WorkerThread;

/// Frames to generate ahead of the playhead: one second, so that a busy machine causes no gaps. Must not exceed half
/// the engine's hop table.
pub const AHEAD: u64 = 48_000;

/// Capacity for unread events: enough for 20 s.
const EVENT_CAPACITY: usize = 256;

/// A request to the worker.
#[derive(Debug)]
enum Request {
    Follow(Arc<Plan>),
    Replan {
        plan: Arc<Plan>,
        splice: u64,
    },
    /// Save the state for an engine at `frame` to `buffer`.
    Save {
        frame: u64,
        buffer: Vec<u8>,
    },
}

/// A report from the worker.
#[derive(Debug, Clone, PartialEq)]
pub enum WorkerEvent {
    /// A latent was generated or regenerated.
    Generated(GeneratedLatent),
    /// A new plan was spliced in, or its splice was dropped.
    Spliced {
        /// Frame for which the splice was planned.
        planned: u64,
        /// How the splice took effect; `None` if it was dropped, because a newer one superseded it or the queue of requests
        /// was full.
        outcome: Option<SpliceOutcome>,
    },
    /// New networks took over.
    Swapped {
        /// Frame at which they took over.
        at: u64,
    },
    /// The music was not ready in time and resumes after a gap.
    Resumed {
        /// Number of splices to new plans started so far.
        splices: u64,
        /// First frame of the gap.
        missing: u64,
        /// First frame after the gap.
        at: u64,
    },
    /// The state was saved. It includes all plans sent before the request and none sent after it.
    Saved {
        /// The requested frame.
        frame: u64,
        /// Number of splices to new plans started so far.
        splices: u64,
        /// The state; see [`crate::generator::Generator::save`].
        state: Vec<u8>,
    },
    /// A latent could not be generated and is retried.
    Failed {
        /// The cause.
        reason: String,
    },
}

/// A handle to the generator thread. Dropping it stops the thread after the current latent.
#[derive(Debug)]
pub struct Worker {
    mailbox: Arc<Mailbox>,
    status: Arc<WorkerStatus>,
    events: Receiver<WorkerEvent>,
    sender: SyncSender<WorkerEvent>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread, which sends hops through `hops` to stay `ahead` frames ahead of the playhead of `engine`.
    ///
    /// # Errors
    /// If the system cannot create a thread.
    pub fn start(
        source: impl HopSource,
        hops: HeapProd<Hop>,
        engine: Arc<EngineStatus>,
        ahead: u64,
    ) -> std::io::Result<Self> {
        let (sender, events) = sync_channel(EVENT_CAPACITY);
        let mailbox = Arc::new(Mailbox::default());
        let status = Arc::new(WorkerStatus::new(Arc::clone(engine.losses())));
        let mut worker = WorkerThread {
            source,
            hops,
            engine,
            ahead,
            mailbox: mailbox.clone(),
            status: status.clone(),
            events: sender.clone(),
            unsent: VecDeque::new(),
            pending: None,
            splices: 0,
            last_splice: None,
            economy: false,
            sent_until: 0,
            failures: 0,
        };
        let thread = threads::spawn("melos-generator", move || worker.run())?;
        Ok(Self { mailbox, status, events, sender, thread: Some(thread) })
    }

    /// Sends a plan to the thread. With `splice`, the plan differs from the previous one from that frame on. Never blocks.
    pub fn plan(&self, plan: Arc<Plan>, splice: Option<u64>) {
        let request = match splice {
            Some(splice) => Request::Replan { plan, splice },
            None => Request::Follow(plan),
        };
        self.put(request);
    }

    /// Requests that the generator's state for an engine at `frame` be saved to `buffer`, without plans sent after the
    /// request. Never blocks. [`WorkerEvent::Saved`] follows once no splice is in progress.
    pub fn save(&self, frame: u64, buffer: Vec<u8>) {
        self.put(Request::Save { frame, buffer });
    }

    fn put(&self, request: Request) {
        if let Some(planned) = self.mailbox.put(request) {
            report(&self.sender, &self.status, WorkerEvent::Spliced { planned, outcome: None });
        }
    }

    /// Sends new networks to the thread, replacing any that are still pending. Never blocks. See
    /// [`crate::generator::Generator::swap`].
    pub fn swap(&self, networks: Networks) {
        self.mailbox.put_networks(Box::new(networks));
    }

    /// Returns the reports since the last call.
    pub fn events(&self) -> impl Iterator<Item = WorkerEvent> {
        self.events.try_iter()
    }

    /// Returns the worker's status.
    #[must_use]
    pub fn status(&self) -> &Arc<WorkerStatus> {
        &self.status
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.mailbox.close();
        if let Some(thread) = self.thread.take() {
            // Panics during generation have already been caught and reported.
            let _ = thread.join();
        }
    }
}

fn report(events: &SyncSender<WorkerEvent>, status: &WorkerStatus, event: WorkerEvent) {
    if let WorkerEvent::Spliced { planned, outcome } = event
        && outcome.is_none_or(|outcome| outcome.is_late(planned))
    {
        status.losses.add(Loss::Splices, 1);
    }
    if events.try_send(event).is_err() {
        status.losses.add(Loss::GeneratorEvents, 1);
    }
}
