//! The generator thread's loop.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use ringbuf::HeapProd;
use ringbuf::traits::Producer;

use super::mailbox::Mailbox;
use super::{HopSource, Request, WorkerEvent, WorkerStatus, report};
use crate::engine::EngineStatus;
use crate::event::health::Loss;
use crate::event::{Hop, SpliceOutcome};
use crate::generator::GeneratorError;
use crate::generator::future::LEAD_IN;
use crate::mel::{HOP, LATENT_FRAMES};

/// Frames to generate ahead of the playhead right after a splice. A moving fader causes eight splices a second, and each would
/// discard most of the music generated further ahead. After the splice, the lead grows by two seconds per second.
const AHEAD_AFTER_SPLICE: u64 = 16_384;
/// Frames after a splice, in economy mode, during which the lead does not grow: half a second. Under a fader or a sensor that
/// moves all the time, the music generated further ahead would never be played.
const ECONOMY_REST: u64 = 24_000;
/// Frames from the decision to splice until the engine plays the first new hop: enough time to generate two latents, plus a
/// device block.
const MARGIN: u64 = 1536;
/// Frames from the decision to swap networks until the new networks are heard: enough time to generate ten latents, since a
/// swap is not urgent.
const SWAP_DELAY: u64 = 16_384;
/// Frames ahead of the playhead at which the music resumes after starvation.
const RESUME_LEAD: u64 = 4096;
/// Sleep time when idle: less than a hop.
const IDLE_SLEEP: Duration = Duration::from_millis(4);
/// Longest delay before a retry.
const MAX_RETRY_DELAY: Duration = Duration::from_millis(500);

/// A splice in progress.
#[derive(Debug, Clone, Copy)]
pub(super) struct Splice {
    /// Frame from which the new plan should be heard; `None` for new networks.
    planned: Option<u64>,
    /// Frame from which the music is regenerated; not used for new networks.
    from: u64,
    /// Frame from which the new future is played.
    at: u64,
    /// The splice's epoch, once its first hop has been sent.
    epoch: Option<u32>,
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
    pub(super) unsent: VecDeque<Hop>,
    pub(super) pending: Option<Splice>,
    /// Number of splices to new plans started so far.
    pub(super) splices: u64,
    /// The playhead at the last splice.
    pub(super) last_splice: Option<u64>,
    /// Whether the newest plan is in economy mode.
    pub(super) economy: bool,
    /// Frame up to which the engine has hops in any epoch.
    pub(super) sent_until: u64,
    pub(super) failures: u32,
}

impl<S: HopSource> WorkerThread<S> {
    /// Generates until the mailbox is closed.
    pub(super) fn run(&mut self) {
        let mut pause = Duration::ZERO;
        while !self.mailbox.wait(pause, self.pending.is_some()) {
            self.take_requests();
            self.send();
            self.settle_splice();
            let playhead = self.engine.frame();
            pause = if self.unsent.is_empty() && self.source.covered() < playhead + self.ahead(playhead) {
                self.catch_up(playhead);
                self.step()
            } else {
                IDLE_SLEEP
            };
        }
    }

    /// Processes requests and takes new networks. Splices, save requests and new networks wait until the pending splice is
    /// settled.
    fn take_requests(&mut self) {
        while let Some(request) = self.mailbox.take(self.pending.is_some()) {
            match request {
                Request::Follow(plan) => {
                    self.economy = plan.steering.economy;
                    self.source.follow(plan);
                }
                Request::Save { frame, buffer } => {
                    let state = self.source.save(frame, buffer);
                    self.report(WorkerEvent::Saved { frame, splices: self.splices, state });
                }
                Request::Replan { splice: planned, .. } if self.mailbox.has_splice() => {
                    self.report(WorkerEvent::Spliced { planned, outcome: None });
                }
                Request::Replan { plan, splice: planned } => {
                    self.economy = plan.steering.economy;
                    let at = planned.max((self.engine.frame() + MARGIN).next_multiple_of(HOP as u64));
                    // If the splice is late, regenerate only a lead-in before it, not everything from the planned frame.
                    let from = planned.max(at.saturating_sub(LEAD_IN * LATENT_FRAMES));
                    self.source.replan(plan, from, at);
                    self.splices += 1;
                    self.last_splice = Some(self.engine.frame());
                    self.pending = Some(Splice { planned: Some(planned), from, at, epoch: None });
                }
            }
        }
        if let Some(networks) = self.mailbox.take_networks(self.pending.is_some()) {
            let at = (self.engine.frame() + SWAP_DELAY).next_multiple_of(HOP as u64);
            self.source.swap(*networks, at);
            self.pending = Some(Splice { planned: None, from: at, at, epoch: None });
        }
    }

    /// Returns the number of frames to generate ahead of the playhead.
    fn ahead(&self, playhead: u64) -> u64 {
        let elapsed = self.last_splice.map_or(u64::MAX, |last_splice| playhead.saturating_sub(last_splice));
        let rested = if self.economy { elapsed.saturating_sub(ECONOMY_REST) } else { elapsed };
        self.ahead.min(rested.saturating_mul(2).saturating_add(AHEAD_AFTER_SPLICE))
    }

    /// Sends as many hops as fit in the ring.
    fn send(&mut self) {
        while let Some(hop) = self.unsent.pop_front() {
            if self.hops.try_push(hop).is_err() {
                self.unsent.push_front(hop);
                return;
            }
            self.sent_until = self.sent_until.max((hop.index + 1) * HOP as u64);
            if let Some(Splice { at, epoch: epoch @ None, .. }) = &mut self.pending
                && hop.index * HOP as u64 >= *at
            {
                *epoch = Some(hop.epoch);
            }
        }
    }

    /// Checks whether the engine accepted the pending splice. If the splice was too late, tries again at a later frame.
    fn settle_splice(&mut self) {
        let Some(Splice { planned, from, epoch: Some(epoch), at }) = self.pending else { return };
        if self.engine.rejected_epoch() == epoch {
            let at = (self.engine.frame() + MARGIN).next_multiple_of(HOP as u64);
            self.source.resplice(at);
            self.unsent.clear();
            self.pending = Some(Splice { planned, from, at, epoch: None });
        } else if self.engine.accepted_epoch() >= epoch {
            self.report(match planned {
                Some(planned) => {
                    let generated_to = Some(self.source.generated_to());
                    WorkerEvent::Spliced {
                        planned,
                        outcome: Some(SpliceOutcome { audible_from: at, from, generated_to }),
                    }
                }
                None => WorkerEvent::Swapped { at },
            });
            self.pending = None;
        }
    }

    /// Gives up on music that is already due: moves a late splice to a later frame if the engine still has enough of the old
    /// future; otherwise, skips the missing music.
    fn catch_up(&mut self, playhead: u64) {
        let missing = self.source.covered();
        if missing >= playhead {
            return;
        }
        let later = (playhead + MARGIN).next_multiple_of(HOP as u64);
        if let Some(splice @ Splice { epoch: None, .. }) = &mut self.pending
            && self.sent_until > later
        {
            splice.at = later;
            self.source.resplice(later);
            return;
        }
        self.source.resume_at(playhead + RESUME_LEAD);
        let at = self.source.covered();
        if at > missing {
            if let Some(splice @ Splice { epoch: None, .. }) = &mut self.pending {
                splice.at = at;
            }
            self.report(WorkerEvent::Resumed { splices: self.splices, missing, at });
        }
    }

    /// Generates one latent and returns how long to sleep afterwards.
    fn step(&mut self) -> Duration {
        let started = Instant::now();
        let mut hops = Vec::with_capacity(16);
        let result = catch_unwind(AssertUnwindSafe(|| self.source.step(&mut hops)));
        self.unsent.extend(hops);
        self.send();
        self.status.covered.store(self.source.covered(), Relaxed);
        self.status.epoch.store(self.source.epoch(), Release);
        let reason = match result {
            Ok(Ok(latent)) => {
                self.failures = 0;
                self.status.record(started.elapsed());
                self.report(WorkerEvent::Generated(latent));
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
        // A single failure may be transient, so retry soon at first, then back off.
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
