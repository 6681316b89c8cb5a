//! The generator thread's loop.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use ringbuf::HeapProd;
use ringbuf::traits::Producer;

use super::mailbox::Mailbox;
use super::{HopSource, Order, WorkerEvent, WorkerStatus, report};
use crate::engine::EngineStatus;
use crate::event::health::Loss;
use crate::event::{Hop, Performed};
use crate::generator::future::RUN_IN;
use crate::generator::{GeneratorError, LATENT_FRAMES};
use crate::mel::HOP;

/// Frames to keep ready right after a splice. Most music further ahead would be replaced by the next splice, and moving a
/// fader causes eight a second. The lead then grows back at twice real time.
const AHEAD_STEERED: u64 = 16_384;
/// Frames from the decision to splice until the engine has the first hop: two latents' work and one device block.
const MARGIN: u64 = 1536;
/// Frames from the decision to change networks until they are played: ten latents' work, because it is not urgent.
const TAKE_OVER: u64 = 16_384;
/// Frames ahead of the playhead at which the music resumes after starvation.
const RESUME: u64 = 4096;
/// Sleep when idle: less than a hop.
const IDLE_SLEEP: Duration = Duration::from_millis(4);
/// Longest delay before a retry.
const MAX_RETRY_DELAY: Duration = Duration::from_millis(500);
/// A splice in progress.
#[derive(Debug, Clone, Copy)]
pub(super) struct Splice {
    /// Frame from which the new plan should be played; `None` for new networks.
    planned: Option<u64>,
    /// Frame from which the music is generated again.
    from: u64,
    heard: u64,
    /// Its epoch, once the first hop has been sent.
    sent: Option<u32>,
}

/// State owned by the worker thread.
pub(super) struct WorkerThread<S> {
    pub(super) source: S,
    pub(super) hops: HeapProd<Hop>,
    pub(super) engine: Arc<EngineStatus>,
    pub(super) ahead: u64,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) status: Arc<WorkerStatus>,
    pub(super) events: SyncSender<WorkerEvent>,
    /// Hops that did not fit in the ring.
    pub(super) ready: VecDeque<Hop>,
    pub(super) splice: Option<Splice>,
    /// Number of splices accepted.
    pub(super) splices: u64,
    /// The playhead at the last splice.
    pub(super) steered: Option<u64>,
    /// Frame up to which the engine has hops in any epoch.
    pub(super) sent_until: u64,
    pub(super) failures: u32,
}

impl<S: HopSource> WorkerThread<S> {
    /// Generates until the mailbox is closed.
    pub(super) fn run(&mut self) {
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
                IDLE_SLEEP
            };
        }
    }

    /// Processes messages up to the next splice, which waits until the previous one is settled.
    fn take_orders(&mut self) {
        while let Some(order) = self.mailbox.take(self.splice.is_some()) {
            match order {
                Order::Follow(plan) => self.source.follow(plan),
                Order::Save(frame) => {
                    let state = self.source.save(frame);
                    self.report(WorkerEvent::Saved { frame, splices: self.splices, state });
                }
                Order::Replan { splice: planned, .. } if self.mailbox.has_splice() => {
                    self.report(WorkerEvent::Spliced { planned, performed: None });
                }
                Order::Replan { plan, splice: planned } => {
                    let heard = planned.max((self.engine.frame() + MARGIN).next_multiple_of(HOP as u64));
                    // A late splice need not be generated from its planned frame, because catching up comes first.
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

    /// Returns the number of frames to keep ready.
    fn ahead(&self, head: u64) -> u64 {
        let since = self.steered.map_or(u64::MAX, |steered| head.saturating_sub(steered));
        self.ahead.min(since.saturating_mul(2).saturating_add(AHEAD_STEERED))
    }

    /// Sends as many hops as fit in the ring.
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

    /// Checks whether the engine accepted the splice; if it was too late, tries again further ahead.
    fn settle(&mut self) {
        let Some(Splice { planned, from, sent: Some(epoch), heard }) = self.splice else { return };
        if self.engine.rejected_epoch() == epoch {
            let heard = (self.engine.frame() + MARGIN).next_multiple_of(HOP as u64);
            self.source.resplice(heard);
            self.ready.clear();
            self.splice = Some(Splice { planned, from, heard, sent: None });
        } else if self.engine.accepted_epoch() >= epoch {
            self.report(match planned {
                Some(planned) => {
                    let known = Some(self.source.known());
                    WorkerEvent::Spliced { planned, performed: Some(Performed { heard, from, known }) }
                }
                None => WorkerEvent::Swapped { at: heard },
            });
            self.splice = None;
        }
    }

    /// Gives up on music that is already due: a late splice is moved to a later frame while the engine still has the
    /// old future, and missing music is skipped.
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
            self.report(WorkerEvent::Resumed { splices: self.splices, missing, at });
        }
    }

    /// Generates one latent and returns how long to sleep after it.
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
                self.report(WorkerEvent::Heard(heard));
                return Duration::ZERO;
            }
            Ok(Err(GeneratorError::NoPlan)) => return IDLE_SLEEP,
            Ok(Err(error)) => error.to_string(),
            Err(panic) => {
                self.source.recover();
                panic_message(panic.as_ref())
            }
        };
        self.status.losses.add(Loss::Latents, 1);
        self.report(WorkerEvent::Failed { reason });
        self.failures += 1;
        // The first failure may concern only this latent; back off on repeated ones.
        MAX_RETRY_DELAY.min(IDLE_SLEEP * 2u32.saturating_pow(self.failures - 1))
    }

    fn report(&self, event: WorkerEvent) {
        report(&self.events, &self.status, event);
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("no reason given"))
}
