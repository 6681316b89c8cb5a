//! Schedules events from outside, and converts their times to the performance's time line.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::agenda::Agenda;
use super::streams::Streams;
use super::timeline::Timeline;
use crate::event::health::{Loss, Losses};
use crate::event::{ControlEvent, Inbox, Incoming, LearnRequest, Source};
use crate::units::frames_to_seconds;

/// Shortest time between two turns.
const TICK: Duration = Duration::from_millis(1);
/// Longest time between two turns; well below what anybody notices.
const MAX_WAIT: Duration = Duration::from_millis(10);
/// Fraction of a block between turns without input: about four turns a block, so that what the playhead needs next is
/// decided long before it is played. The value is √5 − 2, no small multiple of which is close to an integer; turns
/// therefore fall on ever different points of the blocks, and the time line soon observes the exact start of a block.
const TURN_INTERVAL: f64 = 0.236;

/// Events waiting for their time.
pub(in crate::session::live) struct Scheduler {
    inbox: Arc<Inbox>,
    agenda: Agenda,
    timeline: Timeline,
    streams: Streams,
    losses: Arc<Losses>,
    /// Start of the last turn.
    begun: Instant,
}

impl Scheduler {
    pub(in crate::session::live) fn new(inbox: Arc<Inbox>) -> Self {
        let losses = Arc::clone(inbox.losses());
        let (agenda, timeline, streams) = (Agenda::default(), Timeline::default(), Streams::default());
        Self { inbox, agenda, timeline, streams, losses, begun: Instant::now() }
    }

    /// Sleeps until an event arrives, or until the playhead, which moves a block at a time, may need more; `limit` at
    /// most.
    pub(super) fn wait(&mut self, block: u64, limit: Duration) {
        // A single event is handled at once. A flood collects in the inbox, where the newest value of a parameter wins,
        // and costs one turn per tick.
        std::thread::sleep(TICK.saturating_sub(self.begun.elapsed()));
        let wait = Duration::from_secs_f64(frames_to_seconds(block) * TURN_INTERVAL).clamp(TICK, MAX_WAIT).min(limit);
        self.inbox.wait(wait.saturating_sub(self.begun.elapsed()));
        self.begun = Instant::now();
    }

    /// Records that a frame, the first of its block, is output now.
    pub(super) fn observe(&mut self, head: u64) {
        self.timeline.observe(Instant::now(), head);
    }

    pub(super) const fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// Adds an immediate event of a device.
    pub(super) fn push(&self, event: ControlEvent, source: Source) {
        self.inbox.add(Incoming { event, due: None, source });
    }

    /// Takes the MIDI learn requests, each with the address for its answer.
    pub(super) fn learn_requests(&self) -> impl Iterator<Item = (LearnRequest, Option<SocketAddr>)> {
        std::iter::from_fn(|| self.inbox.take_learn())
    }

    /// Takes events from the inbox. Immediate ones are due at the horizon; those with a time are due `ahead` frames
    /// after the frame heard at that time.
    pub(super) fn collect(&mut self, horizon: u64, ahead: u64) {
        let timeline = &self.timeline;
        let refused = self.agenda.collect(&self.inbox, horizon, |due| timeline.frame(due) + ahead);
        self.losses.add(Loss::Scheduled, refused);
    }

    /// The frame of the next event.
    pub(super) fn next_frame(&self) -> Option<u64> {
        self.agenda.next_frame()
    }

    /// Takes the next event due by a frame.
    pub(super) fn pop_due(&mut self, frame: u64) -> Option<Incoming> {
        self.agenda.pop_due(frame)
    }

    /// Whether an event merely repeats a name that a client sends continuously.
    pub(super) fn is_repeat(&mut self, event: &ControlEvent) -> bool {
        self.streams.is_repeat(event, Instant::now())
    }
}
