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

/// Least time between two turns.
const TICK: Duration = Duration::from_millis(1);
/// Longest time between two turns; well below what anybody notices.
const REST: Duration = Duration::from_millis(10);
/// Share of a block after which a turn comes by itself: four a block, so that whatever the play head asks for next is worked
/// out long before it is played. It is √5 − 2, of which no small multiple is near a whole number: so the turns fall on ever
/// other places of the blocks, and the time line soon sees a block leave at the moment when it does.
const SHARE: f64 = 0.236;

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

    /// Sleeps until something arrives, or the play head, which moves on by a block at a time, may ask for more; at most for
    /// so long.
    pub(super) fn wait(&mut self, block: u64, most: Duration) {
        // What arrives alone is taken at once; a flood gathers in the inbox, where the newest value of a parameter wins,
        // and costs a turn every tick and no more.
        std::thread::sleep(TICK.saturating_sub(self.begun.elapsed()));
        let rest = Duration::from_secs_f64(frames_to_seconds(block) * SHARE).clamp(TICK, REST).min(most);
        self.inbox.wait(rest.saturating_sub(self.begun.elapsed()));
        self.begun = Instant::now();
    }

    /// Records that a frame, the first of its block, is output now.
    pub(super) fn observe(&mut self, head: u64) {
        self.timeline.observe(Instant::now(), head);
    }

    pub(super) const fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// Adds what a device does now.
    pub(super) fn push(&self, event: ControlEvent, source: Source) {
        self.inbox.add(Incoming { event, due: None, source });
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
