//! Schedules external events, and converts their times to frames.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::agenda::Agenda;
use super::repeat_filter::RepeatFilter;
use super::timeline::Timeline;
use crate::event::health::{Loss, Losses};
use crate::event::{ControlEvent, Inbox, Incoming, LearnRequest, Source};
use crate::units::frames_to_seconds;

/// Shortest time between two iterations of the loop.
const TICK: Duration = Duration::from_millis(1);
/// Longest time between two iterations, too short to be noticed.
const MAX_WAIT: Duration = Duration::from_millis(10);
/// Interval between iterations without input, as a fraction of a block: about four iterations per block, so that
/// whatever plays next is decided well in advance. Small multiples of this value, √5 − 2, are never close to an integer,
/// so iterations fall at constantly changing positions within a block, and the timeline soon observes the exact start of
/// a block.
const LOOP_INTERVAL: f64 = 0.236;

/// Queues events and delivers them when they are due.
pub(in crate::session::live) struct Scheduler {
    inbox: Arc<Inbox>,
    agenda: Agenda,
    timeline: Timeline,
    repeat_filter: RepeatFilter,
    losses: Arc<Losses>,
    /// Start of the last iteration.
    started: Instant,
}

impl Scheduler {
    pub(in crate::session::live) fn new(inbox: Arc<Inbox>) -> Self {
        let losses = Arc::clone(inbox.losses());
        let (agenda, timeline, repeat_filter) = (Agenda::default(), Timeline::default(), RepeatFilter::default());
        Self { inbox, agenda, timeline, repeat_filter, losses, started: Instant::now() }
    }

    /// Sleeps until an event arrives, but no longer than `limit` or a fraction of a block, after which more music may be
    /// needed. `block` is the block's length in frames.
    pub(super) fn wait(&mut self, block: u64, limit: Duration) {
        // A single event is handled immediately. A flood of events causes one iteration per tick and accumulates in the
        // inbox, where the newest value of a parameter wins.
        std::thread::sleep(TICK.saturating_sub(self.started.elapsed()));
        let wait = Duration::from_secs_f64(frames_to_seconds(block) * LOOP_INTERVAL).clamp(TICK, MAX_WAIT).min(limit);
        self.inbox.wait(wait.saturating_sub(self.started.elapsed()));
        self.started = Instant::now();
    }

    /// Records that the block that begins at frame `head` is being output.
    pub(super) fn observe(&mut self, head: u64) {
        self.timeline.observe(Instant::now(), head);
    }

    pub(super) const fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// Adds an immediate event from a device.
    pub(super) fn push(&self, event: ControlEvent, source: Source) {
        self.inbox.add(Incoming { event, due: None, source });
    }

    /// Removes and returns the MIDI learn requests, each with the address for the reply.
    pub(super) fn learn_requests(&self) -> impl Iterator<Item = (LearnRequest, Option<SocketAddr>)> {
        std::iter::from_fn(|| self.inbox.take_learn())
    }

    /// Drains the inbox. Immediate events are due at the horizon; events with a time are due `ahead` frames after the frame
    /// played at that time.
    pub(super) fn collect(&mut self, horizon: u64, ahead: u64) {
        let timeline = &self.timeline;
        let refused = self.agenda.collect(&self.inbox, horizon, |due| timeline.frame(due) + ahead);
        self.losses.add(Loss::Scheduled, refused);
    }

    /// Returns the frame of the next event.
    pub(super) fn next_frame(&self) -> Option<u64> {
        self.agenda.next_frame()
    }

    /// Removes and returns the next event due by `frame`.
    pub(super) fn pop_due(&mut self, frame: u64) -> Option<Incoming> {
        self.agenda.pop_due(frame)
    }

    /// Returns whether an event merely repeats a preset or scene request that a client sends continuously.
    pub(super) fn is_repeat(&mut self, event: &ControlEvent) -> bool {
        self.repeat_filter.is_repeat(event, Instant::now())
    }
}
