//! The generator's thread: keeps the engine supplied with hops, a little ahead of the play head.
//!
//! A splice that the engine got too late is moved to a later frame; music that was not ready in time is left out; a
//! network that fails is tried again. Every one of these is told as a [`WorkerEvent`]. Nothing here runs on the audio
//! thread, and nothing of the sound depends on this thread's timing unless an event says so.

mod mailbox;
mod source;
mod status;
mod thread;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use ringbuf::HeapProd;

use super::{Heard, Networks};
use crate::engine::EngineStatus;
use crate::event::health::Loss;
use crate::event::{Hop, Performed};
use crate::music::plan::Plan;
use crate::threads;

use mailbox::Mailbox;
pub use source::HopSource;
pub use status::WorkerStatus;
use thread::WorkerThread;

/// Frames that are kept ready ahead of the play head: a second, so that a busy machine is not heard. At most half of what
/// the engine's table of hops holds.
pub const AHEAD: u64 = 48_000;

/// Events that may wait until the daemon looks: 20 s.
const EVENTS: usize = 256;

/// What the worker is told.
#[derive(Debug)]
enum Order {
    Follow(Arc<Plan>),
    Replan { plan: Arc<Plan>, splice: u64 },
}

/// What happened in the worker.
#[derive(Debug, Clone, PartialEq)]
pub enum WorkerEvent {
    /// A latent was generated; one decided again is heard again.
    Heard(Heard),
    /// A change of plan was performed.
    Spliced {
        /// Frame it was planned for.
        planned: u64,
        /// How it was performed; `None` when a newer one overtook it.
        performed: Option<Performed>,
    },
    /// Other networks took over.
    Swapped {
        /// Frame they are heard from.
        at: u64,
    },
    /// The music had not been ready in time: frames are missing, it goes on after them.
    Resumed {
        /// How many splices had been ordered and taken before.
        splices: u64,
        /// First frame of the gap.
        missing: u64,
        /// First frame after the gap.
        at: u64,
    },
    /// A latent failed; it is tried again.
    Failed {
        /// Why.
        reason: String,
    },
}

/// A handle to the running thread. Dropping it ends the thread after the latent it is at.
#[derive(Debug)]
pub struct Worker {
    mailbox: Arc<Mailbox>,
    status: Arc<WorkerStatus>,
    events: Receiver<WorkerEvent>,
    sender: SyncSender<WorkerEvent>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread. It keeps `ahead` frames ready after the play head of `engine`, through `hops`.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        source: impl HopSource,
        hops: HeapProd<Hop>,
        engine: Arc<EngineStatus>,
        ahead: u64,
    ) -> std::io::Result<Self> {
        let (sender, events) = sync_channel(EVENTS);
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
            ready: VecDeque::new(),
            splice: None,
            splices: 0,
            steered: None,
            sent_until: 0,
            failures: 0,
        };
        let thread = threads::spawn("melos-generator", move || worker.run())?;
        Ok(Self { mailbox, status, events, sender, thread: Some(thread) })
    }

    /// Hands over a plan; with `splice`, one that says something else from that frame on. Never waits for the thread.
    pub fn plan(&self, plan: Arc<Plan>, splice: Option<u64>) {
        let order = match splice {
            Some(splice) => Order::Replan { plan, splice },
            None => Order::Follow(plan),
        };
        if let Some(planned) = self.mailbox.put(order) {
            tell(&self.sender, &self.status, WorkerEvent::Spliced { planned, performed: None });
        }
    }

    /// Hands over networks to go on with; see [`crate::generator::Generator::swap`]. Never waits for the thread. Networks that were handed
    /// over before and have not taken over yet never will.
    pub fn swap(&self, networks: Networks) {
        self.mailbox.put_networks(Box::new(networks));
    }

    /// What happened since this was last asked.
    pub fn events(&self) -> impl Iterator<Item = WorkerEvent> {
        self.events.try_iter()
    }

    /// What the worker tells about itself.
    #[must_use]
    pub fn status(&self) -> &Arc<WorkerStatus> {
        &self.status
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.mailbox.close();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing more to say: its panics were caught and told.
            let _ = thread.join();
        }
    }
}

fn tell(events: &SyncSender<WorkerEvent>, status: &WorkerStatus, event: WorkerEvent) {
    if matches!(event, WorkerEvent::Spliced { planned, performed } if performed.is_none_or(|it| it.heard != planned)) {
        status.losses.add(Loss::Splices, 1);
    }
    if events.try_send(event).is_err() {
        status.losses.add(Loss::GeneratorEvents, 1);
    }
}
