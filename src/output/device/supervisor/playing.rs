//! A playing stream, monitored through its heartbeat and its driver's reports.

use std::thread;
use std::time::{Duration, Instant};

use tracing::{debug, info};

use crate::engine::Engine;
use crate::output::device::heartbeat::{Heartbeat, Pulse};
use crate::output::device::route::{Fault, Route};
use crate::output::device::stream_thread::StreamThread;

/// Time without a callback after which a stream is lost, whatever the driver reports.
const CALLBACK_TIMEOUT: Duration = Duration::from_millis(2500);
/// Time limit for the first callback.
const FIRST_CALLBACK_TIMEOUT: Duration = Duration::from_millis(5000);
/// Time within which a stream must call back after the driver has reported an error.
const ERROR_GRACE: Duration = Duration::from_millis(250);
/// The longest time that a callback may hold the engine: far longer than a block takes.
const BORROW_TIMEOUT: Duration = Duration::from_secs(1);
/// Time limit for the fade-out before a stream is closed, including what the device has buffered.
const FADE_TIMEOUT: Duration = Duration::from_millis(500);

/// An open stream.
pub(super) struct PlayingStream {
    pub(super) route: Route,
    pub(super) stream: StreamThread,
    heartbeat: Heartbeat,
    /// An error reported by the driver, after which the stream has not called back yet, and when it was reported.
    suspicion: Option<(Instant, String)>,
}

/// The condition of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// It is unchanged.
    Unchanged,
    /// It has called back since the last check.
    Active,
    /// It has stopped calling back.
    Stalled,
    /// It is lost, for this reason.
    Lost(String),
}

impl PlayingStream {
    pub(super) fn new(route: Route, stream: StreamThread) -> Self {
        let heartbeat = Heartbeat::new(Instant::now(), stream.slot.requested());
        Self { route, stream, heartbeat, suspicion: None }
    }

    /// Checks the stream.
    pub(super) fn check(&mut self) -> Condition {
        let now = Instant::now();
        let mut lost = None;
        for fault in self.stream.faults() {
            match fault {
                Fault::Lost(reason) => lost = Some(reason),
                Fault::Suspected(reason) => {
                    debug!(reason, "audio driver");
                    self.suspicion.get_or_insert((now, reason));
                }
                Fault::Notice(text) => info!(text, "audio driver"),
            }
        }
        let pulse = self.heartbeat.check(now, self.stream.slot.requested());
        if pulse == Pulse::Active {
            self.suspicion = None;
        }
        let timeout = if self.heartbeat.has_requested() { CALLBACK_TIMEOUT } else { FIRST_CALLBACK_TIMEOUT };
        if self.heartbeat.since_last_request(now) > timeout {
            lost.get_or_insert_with(|| format!("no audio callback for {} ms", timeout.as_millis()));
        }
        if let Some((_, reason)) = self.suspicion.take_if(|(since, _)| now.duration_since(*since) > ERROR_GRACE) {
            lost.get_or_insert(reason);
        }
        match (lost, pulse) {
            (Some(reason), _) => Condition::Lost(reason),
            (None, Pulse::Active) => Condition::Active,
            (None, Pulse::Stalled) => Condition::Stalled,
            (None, Pulse::Idle) => Condition::Unchanged,
        }
    }

    /// Gives the engine to the stream.
    pub(super) fn give_engine(&mut self, engine: Box<Engine>) {
        self.heartbeat = Heartbeat::new(Instant::now(), self.stream.slot.requested());
        self.stream.slot.insert(engine);
    }

    /// Fades out, and waits until that has been played.
    pub(super) fn fade_out(&self) {
        let started = Instant::now();
        while !self.stream.slot.fade() && started.elapsed() < FADE_TIMEOUT {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Takes the engine from the stream. Returns `None` if its callback has hung or crashed.
    pub(super) fn take_engine(&self) -> Option<Box<Engine>> {
        let started = Instant::now();
        loop {
            match self.stream.slot.remove() {
                None if started.elapsed() < BORROW_TIMEOUT => thread::sleep(Duration::from_micros(200)),
                engine => return engine,
            }
        }
    }
}
