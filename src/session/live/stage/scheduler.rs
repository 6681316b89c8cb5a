//! What is to happen when: events from outside, and where their moments lie on the performance's time line.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::agenda::Agenda;
use super::streams::Streams;
use super::timeline::Timeline;
use crate::event::health::{Loss, Losses};
use crate::event::{ControlEvent, Inbox, Incoming, LearnRequest, Source};

/// Least time between two turns, and how much longer the thread sleeps when nothing arrives; well below a block.
const TICK: Duration = Duration::from_millis(1);

/// Events that wait for their moment.
pub(in crate::session::live) struct Scheduler {
    inbox: Arc<Inbox>,
    agenda: Agenda,
    timeline: Timeline,
    streams: Streams,
    losses: Arc<Losses>,
    /// When the last turn began.
    begun: Instant,
}

impl Scheduler {
    pub(in crate::session::live) fn new(inbox: Arc<Inbox>) -> Self {
        let losses = Arc::clone(inbox.losses());
        let (agenda, timeline, streams) = (Agenda::default(), Timeline::default(), Streams::default());
        Self { inbox, agenda, timeline, streams, losses, begun: Instant::now() }
    }

    /// Sleeps until something arrives or time has passed.
    pub(super) fn wait(&mut self) {
        // What arrives alone is taken at once; a flood gathers in the inbox, where the newest value of a parameter wins,
        // and costs a turn every tick and no more.
        std::thread::sleep(TICK.saturating_sub(self.begun.elapsed()));
        self.inbox.wait(TICK);
        self.begun = Instant::now();
    }

    /// Notes that a frame, the first of its block, leaves now.
    pub(super) fn observe(&mut self, head: u64) {
        self.timeline.observe(Instant::now(), head);
    }

    pub(super) const fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// Adds what somebody does now.
    pub(super) fn push(&self, event: ControlEvent, source: Source) {
        self.inbox.push(Incoming { event, due: None, source });
    }

    /// What is asked of MIDI learn, and who gets the answer.
    pub(super) fn learn_requests(&self) -> impl Iterator<Item = (LearnRequest, Option<SocketAddr>)> {
        std::iter::from_fn(|| self.inbox.take_learn())
    }

    /// Takes in what has arrived. It is due at the horizon; what has a time to come is due `ahead` frames after the frame
    /// that is heard then.
    pub(super) fn take_in(&mut self, horizon: u64, ahead: u64) {
        let timeline = &self.timeline;
        let refused = self.agenda.take_in(&self.inbox, horizon, |due| timeline.frame(due) + ahead);
        self.losses.add(Loss::Scheduled, refused);
    }

    /// The frame of the next event.
    pub(super) fn next_frame(&self) -> Option<u64> {
        self.agenda.next_frame()
    }

    /// The next event that is due by a frame.
    pub(super) fn take(&mut self, frame: u64) -> Option<Incoming> {
        self.agenda.take(frame)
    }

    /// Whether an event only says a name once more that a program sends all the time.
    pub(super) fn repeats(&mut self, event: &ControlEvent) -> bool {
        self.streams.repeats(event, Instant::now())
    }
}
