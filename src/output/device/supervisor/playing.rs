//! A playing stream, monitored by its heartbeat and its driver's reports.

use std::thread;
use std::time::{Duration, Instant};

use tracing::{debug, info};

use crate::engine::Engine;
use crate::output::device::heartbeat::{Heartbeat, Pulse};
use crate::output::device::route::{Fault, Route};
use crate::output::device::stream_thread::StreamThread;

/// A stream without a callback for this long is lost, whatever the driver reports; the first callback may take longer.
const CALLBACK_TIMEOUT: Duration = Duration::from_millis(2500);
const FIRST_CALLBACK_TIMEOUT: Duration = Duration::from_millis(5000);
/// A stream that reported an error must call back within this time.
const ERROR_GRACE: Duration = Duration::from_millis(250);
/// Maximum time for a callback to hold the engine: far longer than a block takes.
const BORROW_TIMEOUT: Duration = Duration::from_secs(1);
/// Maximum time for fading out before a stream is closed, including what the device has buffered.
const FADE_TIMEOUT: Duration = Duration::from_millis(500);

/// An open stream.
pub(super) struct Playing {
    pub(super) route: Route,
    pub(super) stream: StreamThread,
    heartbeat: Heartbeat,
    /// An error reported by the driver, and when.
    doubt: Option<(Instant, String)>,
}

/// The condition of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// Unchanged.
    Unchanged,
    /// It has started or resumed calling back.
    Resumed,
    /// It has stopped calling back.
    Stalled,
    /// It is lost, for this reason.
    Lost(String),
}

impl Playing {
    pub(super) fn new(route: Route, stream: StreamThread) -> Self {
        let heartbeat = Heartbeat::new(Instant::now(), stream.slot.requested());
        Self { route, stream, heartbeat, doubt: None }
    }

    /// Checks the stream.
    pub(super) fn check(&mut self) -> Condition {
        let now = Instant::now();
        let mut lost = None;
        for fault in self.stream.faults() {
            match fault {
                Fault::Lost(reason) => lost = Some(reason),
                Fault::Doubtful(reason) => {
                    debug!(reason, "audio driver");
                    self.doubt.get_or_insert((now, reason));
                }
                Fault::Notice(text) => info!(text, "audio driver"),
            }
        }
        let pulse = self.heartbeat.check(now, self.stream.slot.requested());
        if pulse == Pulse::Beating {
            self.doubt = None;
        }
        let patience = if self.heartbeat.has_begun() { CALLBACK_TIMEOUT } else { FIRST_CALLBACK_TIMEOUT };
        if self.heartbeat.silent(now) > patience {
            lost.get_or_insert_with(|| format!("no audio callback for {} ms", patience.as_millis()));
        }
        if let Some((_, reason)) = self.doubt.take_if(|(since, _)| now.duration_since(*since) > ERROR_GRACE) {
            lost.get_or_insert(reason);
        }
        match (lost, pulse) {
            (Some(reason), _) => Condition::Lost(reason),
            (None, Pulse::Beating) => Condition::Resumed,
            (None, Pulse::Stalled) => Condition::Stalled,
            (None, _) => Condition::Unchanged,
        }
    }

    /// Gives the engine to the stream.
    pub(super) fn give_engine(&mut self, engine: Box<Engine>) {
        self.heartbeat = Heartbeat::new(Instant::now(), self.stream.slot.requested());
        self.stream.slot.insert(engine);
    }

    /// Fades out.
    pub(super) fn fade(&self) {
        let started = Instant::now();
        while !self.stream.slot.fade() && started.elapsed() < FADE_TIMEOUT {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Takes the engine from the stream; `None` if its callback crashed.
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
