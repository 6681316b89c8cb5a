//! The generator's thread: keeps the engine supplied with hops, a little ahead of the play head.
//!
//! A splice that the engine got too late is moved to a later frame; music that was not ready in time is left out; a
//! network that fails is tried again. Every one of these is told as a [`WorkerEvent`]. Nothing here runs on the audio
//! thread, and nothing of the sound depends on this thread's timing unless an event says so.

mod mailbox;
mod status;

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ringbuf::HeapProd;
use ringbuf::traits::Producer;

use super::{Generator, GeneratorError, Heard, LATENT_FRAMES, Networks, RUN_IN};
use crate::engine::EngineStatus;
use crate::event::health::Loss;
use crate::event::{Hop, Performed};
use crate::mel::HOP;
use crate::music::plan::Plan;

use mailbox::Mailbox;
pub use status::WorkerStatus;

/// Frames that are kept ready ahead of the play head: a second, so that a busy machine is not heard. At most half of what
/// the engine's table of hops holds.
pub const AHEAD: u64 = 48_000;

/// Frames that are kept ready right after a splice was ordered, for most of what lies further ahead will be replaced when
/// another follows: fingers on a fader order eight a second. It grows back as the music goes on, twice as fast as that.
const AHEAD_STEERED: u64 = 16_384;
/// From the decision to splice until the engine has the first hop: two latents' work and a block of the device.
const MARGIN: u64 = 2048;
/// From the decision to change over to other networks until they are heard: ten latents' work, and that there is no hurry.
const TAKE_OVER: u64 = 16_384;
/// Where the music goes on after it was not ready in time.
const RESUME: u64 = 4096;
/// How long the worker sleeps when there is nothing to do: less than a hop.
const NAP: Duration = Duration::from_millis(4);
/// Longest pause after a failure.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// Events that may wait until the daemon looks: 20 s.
const EVENTS: usize = 256;

/// What the worker drives: the generator, or a stand-in for tests.
pub trait HopSource: Send + 'static {
    /// See [`Generator::follow`].
    fn follow(&mut self, plan: Arc<Plan>);
    /// See [`Generator::replan`].
    fn replan(&mut self, plan: Arc<Plan>, planned: u64, heard: u64);
    /// See [`Generator::swap`].
    fn swap(&mut self, networks: Networks, heard: u64);
    /// See [`Generator::resplice`].
    fn resplice(&mut self, heard: u64);
    /// See [`Generator::resume_at`].
    fn resume_at(&mut self, frame: u64);
    /// See [`Generator::recover`].
    fn recover(&mut self);
    /// See [`Generator::step`].
    ///
    /// # Errors
    /// When no hops could be made.
    fn step(&mut self, out: &mut Vec<Hop>) -> Result<Heard, GeneratorError>;
    /// See [`Generator::covered`].
    fn covered(&self) -> u64;
    /// See [`Generator::known`].
    fn known(&self) -> u64;
    /// See [`Generator::epoch`].
    fn epoch(&self) -> u32;
}

impl HopSource for Generator {
    fn follow(&mut self, plan: Arc<Plan>) {
        Self::follow(self, plan);
    }
    fn replan(&mut self, plan: Arc<Plan>, planned: u64, heard: u64) {
        Self::replan(self, plan, planned, heard);
    }
    fn swap(&mut self, networks: Networks, heard: u64) {
        Self::swap(self, networks, heard);
    }
    fn resplice(&mut self, heard: u64) {
        Self::resplice(self, heard);
    }
    fn resume_at(&mut self, frame: u64) {
        Self::resume_at(self, frame);
    }
    fn recover(&mut self) {
        Self::recover(self);
    }
    fn step(&mut self, out: &mut Vec<Hop>) -> Result<Heard, GeneratorError> {
        Self::step(self, out)
    }
    fn covered(&self) -> u64 {
        Self::covered(self)
    }
    fn known(&self) -> u64 {
        Self::known(self)
    }
    fn epoch(&self) -> u32 {
        Self::epoch(self)
    }
}

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
        let mut bench = Bench {
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
        let thread = std::thread::Builder::new().name("generator".to_owned()).spawn(move || bench.run())?;
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

    /// Hands over networks to go on with; see [`Generator::swap`]. Never waits for the thread. Networks that were handed
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

/// A splice on its way to being heard.
#[derive(Debug, Clone, Copy)]
struct Splice {
    /// Frame that the new plan was to be heard from; `None` when it is other networks that come.
    planned: Option<u64>,
    /// Frame that the music is decided anew from.
    from: u64,
    heard: u64,
    /// The epoch it opens, once its first hop was sent.
    sent: Option<u32>,
}

/// What stands on the thread.
struct Bench<S> {
    source: S,
    hops: HeapProd<Hop>,
    engine: Arc<EngineStatus>,
    ahead: u64,
    mailbox: Arc<Mailbox>,
    status: Arc<WorkerStatus>,
    events: SyncSender<WorkerEvent>,
    /// Hops that found the ring full.
    ready: VecDeque<Hop>,
    splice: Option<Splice>,
    /// Splices taken so far.
    splices: u64,
    /// Where the play head was when the last was taken.
    steered: Option<u64>,
    /// Frames up to here the engine has in some epoch.
    sent_until: u64,
    failures: u32,
}

impl<S: HopSource> Bench<S> {
    fn run(&mut self) {
        let mut pause = Duration::ZERO;
        while !self.mailbox.wait(pause, self.splice.is_some()) {
            self.take_orders();
            self.send();
            self.settle();
            let head = self.engine.frame();
            pause = if self.ready.is_empty() && self.source.covered() < head + self.ahead(head) {
                self.catch_up(head);
                self.step()
            } else {
                NAP
            };
        }
    }

    /// Takes what was ordered, up to the next splice; that waits until the one before is settled.
    fn take_orders(&mut self) {
        while let Some(order) = self.mailbox.take(self.splice.is_some()) {
            match order {
                Order::Follow(plan) => self.source.follow(plan),
                Order::Replan { splice: planned, .. } if self.mailbox.has_splice() => {
                    self.tell(WorkerEvent::Spliced { planned, performed: None });
                }
                Order::Replan { plan, splice: planned } => {
                    let heard = planned.max((self.engine.frame() + MARGIN).next_multiple_of(HOP as u64));
                    // What is heard late need not be decided anew from where it was planned: catching up comes first.
                    let from = planned.max(heard.saturating_sub(RUN_IN * LATENT_FRAMES));
                    self.source.replan(plan, from, heard);
                    self.splices += 1;
                    self.steered = Some(self.engine.frame());
                    self.splice = Some(Splice { planned: Some(planned), from, heard, sent: None });
                }
            }
        }
        if let Some(networks) = self.mailbox.take_networks(self.splice.is_some()) {
            let heard = (self.engine.frame() + TAKE_OVER).next_multiple_of(HOP as u64);
            self.source.swap(*networks, heard);
            self.splice = Some(Splice { planned: None, from: heard, heard, sent: None });
        }
    }

    /// Frames that are to be kept ready.
    fn ahead(&self, head: u64) -> u64 {
        let since = self.steered.map_or(u64::MAX, |steered| head.saturating_sub(steered));
        self.ahead.min(since.saturating_mul(2).saturating_add(AHEAD_STEERED))
    }

    /// Sends as many hops as the ring takes.
    fn send(&mut self) {
        while let Some(hop) = self.ready.pop_front() {
            if self.hops.try_push(hop).is_err() {
                self.ready.push_front(hop);
                return;
            }
            self.sent_until = self.sent_until.max((hop.index + 1) * HOP as u64);
            if let Some(Splice { heard, sent: sent @ None, .. }) = &mut self.splice
                && hop.index * HOP as u64 >= *heard
            {
                *sent = Some(hop.epoch);
            }
        }
    }

    /// Learns whether the engine took the splice; if it came too late, tries again further on.
    fn settle(&mut self) {
        let Some(Splice { planned, from, sent: Some(epoch), heard }) = self.splice else { return };
        if self.engine.rejected_epoch() == epoch {
            let heard = (self.engine.frame() + MARGIN).next_multiple_of(HOP as u64);
            self.source.resplice(heard);
            self.ready.clear();
            self.splice = Some(Splice { planned, from, heard, sent: None });
        } else if self.engine.accepted_epoch() >= epoch {
            self.tell(match planned {
                Some(planned) => {
                    let known = Some(self.source.known());
                    WorkerEvent::Spliced { planned, performed: Some(Performed { heard, from, known }) }
                }
                None => WorkerEvent::Swapped { at: heard },
            });
            self.splice = None;
        }
    }

    /// Gives up what should have been playing by now: a late splice is heard later as long as the engine has the old future,
    /// and missing music is left out.
    fn catch_up(&mut self, head: u64) {
        let missing = self.source.covered();
        if missing >= head {
            return;
        }
        let later = (head + MARGIN).next_multiple_of(HOP as u64);
        if let Some(splice @ Splice { sent: None, .. }) = &mut self.splice
            && self.sent_until > later
        {
            splice.heard = later;
            self.source.resplice(later);
            return;
        }
        self.source.resume_at(head + RESUME);
        let at = self.source.covered();
        if at > missing {
            if let Some(splice @ Splice { sent: None, .. }) = &mut self.splice {
                splice.heard = at;
            }
            self.tell(WorkerEvent::Resumed { splices: self.splices, missing, at });
        }
    }

    /// Makes one latent; returns how long to rest after it.
    fn step(&mut self) -> Duration {
        let started = Instant::now();
        let mut hops = Vec::with_capacity(16);
        let result = catch_unwind(AssertUnwindSafe(|| self.source.step(&mut hops)));
        self.ready.extend(hops);
        self.send();
        self.status.covered.store(self.source.covered(), Relaxed);
        self.status.epoch.store(self.source.epoch(), Relaxed);
        let reason = match result {
            Ok(Ok(heard)) => {
                self.failures = 0;
                self.status.took(started.elapsed());
                self.tell(WorkerEvent::Heard(heard));
                return Duration::ZERO;
            }
            Ok(Err(GeneratorError::NoPlan)) => return NAP,
            Ok(Err(error)) => error.to_string(),
            Err(panic) => {
                self.source.recover();
                told_by(panic.as_ref())
            }
        };
        self.status.losses.add(Loss::Latents, 1);
        self.tell(WorkerEvent::Failed { reason });
        self.failures += 1;
        // The first failure may be a matter of this latent alone; repeated ones are not worth the processor.
        LONGEST_PAUSE.min(NAP * 2u32.saturating_pow(self.failures - 1))
    }

    fn tell(&self, event: WorkerEvent) {
        tell(&self.events, &self.status, event);
    }
}

fn told_by(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("for no stated reason"))
}
