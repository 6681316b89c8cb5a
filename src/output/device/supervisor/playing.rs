//! A playing stream, monitored through its heartbeat and its driver's reports.

use std::thread;
use std::time::{Duration, Instant};

use tracing::{debug, info};

use crate::engine::Engine;
use crate::output::device::heartbeat::{Activity, Heartbeat};
use crate::output::device::route::{Fault, Route};
use crate::output::device::stream_thread::StreamThread;

/// Time without a callback after which a stream counts as lost, whatever the driver reports.
const CALLBACK_TIMEOUT: Duration = Duration::from_millis(2500);
/// Time limit for the first callback.
const FIRST_CALLBACK_TIMEOUT: Duration = Duration::from_millis(5000);
/// Time limit for the next callback after the driver reports an error.
const ERROR_GRACE: Duration = Duration::from_millis(250);
/// Time limit for a callback to return the engine: far longer than a block takes.
const RETURN_TIMEOUT: Duration = Duration::from_secs(1);
/// Time limit for the fade-out before a stream is closed, including the device's buffer.
const FADE_TIMEOUT: Duration = Duration::from_millis(500);

/// An open stream.
pub(super) struct PlayingStream {
    pub(super) route: Route,
    pub(super) stream: StreamThread,
    heartbeat: Heartbeat,
    /// The first driver error since the last callback, and when it was reported.
    suspected_fault: Option<(Instant, String)>,
}

/// The condition of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// There has been no callback since the last check, but none is overdue.
    Unchanged,
    /// There has been at least one callback since the last check.
    Active,
    /// The next callback is overdue.
    Stalled,
    /// The stream is lost, for this reason.
    Lost(String),
}

impl PlayingStream {
    pub(super) fn new(route: Route, stream: StreamThread) -> Self {
        let heartbeat = Heartbeat::new(Instant::now(), stream.slot.requested());
        Self { route, stream, heartbeat, suspected_fault: None }
    }

    /// Checks the stream.
    pub(super) fn check(&mut self) -> Condition {
        let now = Instant::now();
        let mut lost = None;
        for fault in self.stream.faults() {
            match fault {
                Fault::Lost(reason) => lost = Some(reason),
                Fault::Suspected(reason) => {
                    debug!(reason, "the audio driver reported an error");
                    self.suspected_fault.get_or_insert((now, reason));
                }
                Fault::Notice(text) => info!(text, "the audio driver sent a message"),
            }
        }
        let activity = self.heartbeat.check(now, self.stream.slot.requested());
        if activity == Activity::Active {
            self.suspected_fault = None;
        }
        let timeout = if self.heartbeat.has_requested() { CALLBACK_TIMEOUT } else { FIRST_CALLBACK_TIMEOUT };
        if self.heartbeat.since_last_request(now) > timeout {
            lost.get_or_insert_with(|| format!("no audio callback for {} ms", timeout.as_millis()));
        }
        if let Some((_, reason)) = self.suspected_fault.take_if(|(since, _)| now.duration_since(*since) > ERROR_GRACE) {
            lost.get_or_insert(reason);
        }
        match (lost, activity) {
            (Some(reason), _) => Condition::Lost(reason),
            (None, Activity::Active) => Condition::Active,
            (None, Activity::Stalled) => Condition::Stalled,
            (None, Activity::Idle) => Condition::Unchanged,
        }
    }

    /// Gives the engine to the stream.
    pub(super) fn give_engine(&mut self, engine: Box<Engine>) {
        self.heartbeat = Heartbeat::new(Instant::now(), self.stream.slot.requested());
        self.stream.slot.insert(engine);
    }

    /// Fades out, and waits until the fade has been played or [`FADE_TIMEOUT`] has passed.
    pub(super) fn fade_out(&self) {
        let started = Instant::now();
        while !self.stream.slot.fade_out() && started.elapsed() < FADE_TIMEOUT {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Takes the engine from the stream. Returns `None` if the stream's callback has hung or crashed.
    pub(super) fn take_engine(&self) -> Option<Box<Engine>> {
        let started = Instant::now();
        loop {
            match self.stream.slot.remove() {
                None if started.elapsed() < RETURN_TIMEOUT => thread::sleep(Duration::from_micros(200)),
                engine => return engine,
            }
        }
    }
}
