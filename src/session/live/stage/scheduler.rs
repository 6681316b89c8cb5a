//! Schedules events from outside, and converts their times to the performance's time line.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::agenda::Agenda;
use super::streams::Streams;
use super::timeline::Timeline;
use crate::event::health::{Loss, Losses};
use crate::event::{ControlEvent, Inbox, Incoming, LearnRequest, Source};

/// Minimum interval between turns, and the additional sleep when nothing arrives; well below a block.
const TICK: Duration = Duration::from_millis(1);

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

    /// Sleeps until something arrives or a tick has passed.
    pub(super) fn wait(&mut self) {
        // A single event is processed at once; a flood is coalesced in the inbox and costs one turn per tick.
        std::thread::sleep(TICK.saturating_sub(self.begun.elapsed()));
        self.inbox.wait(TICK);
        self.begun = Instant::now();
    }

    /// Records that a frame, the first of its block, is output now.
    pub(super) fn observe(&mut self, head: u64) {
        self.timeline.observe(Instant::now(), head);
    }

    pub(super) const fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// Adds an event that happens now.
    pub(super) fn push(&self, event: ControlEvent, source: Source) {
        self.inbox.push(Incoming { event, due: None, source });
    }

    /// Takes a MIDI learn request, with the address for its answer.
    pub(super) fn learn_requests(&self) -> impl Iterator<Item = (LearnRequest, Option<SocketAddr>)> {
        std::iter::from_fn(|| self.inbox.take_learn())
    }

    /// Takes events from the inbox. Immediate ones are due at the horizon; those with a time are due `ahead` frames
    /// after the frame heard at that time.
    pub(super) fn take_in(&mut self, horizon: u64, ahead: u64) {
        let timeline = &self.timeline;
        let refused = self.agenda.take_in(&self.inbox, horizon, |due| timeline.frame(due) + ahead);
        self.losses.add(Loss::Scheduled, refused);
    }

    /// The frame of the next event.
    pub(super) fn next_frame(&self) -> Option<u64> {
        self.agenda.next_frame()
    }

    /// Takes the next event due by a frame.
    pub(super) fn take(&mut self, frame: u64) -> Option<Incoming> {
        self.agenda.take(frame)
    }

    /// Whether an event merely repeats a name that a client sends continuously.
    pub(super) fn repeats(&mut self, event: &ControlEvent) -> bool {
        self.streams.repeats(event, Instant::now())
    }
}
