//! A stream that carries the sound, and what its heartbeat and its driver say about it.

use std::thread;
use std::time::{Duration, Instant};

use tracing::{debug, info};

use crate::engine::Engine;
use crate::output::device::heartbeat::{Heartbeat, Pulse};
use crate::output::device::line::Line;
use crate::output::device::route::{Fault, Route};

/// A stream that has not asked for sound for so long is lost, whatever it says; its first time may take longer.
const QUIET: Duration = Duration::from_millis(2500);
const FIRST: Duration = Duration::from_millis(5000);
/// A stream that reported an error must ask for sound again within this time.
const DOUBT: Duration = Duration::from_millis(250);
/// How long a callback may keep the engine: far longer than a block takes.
const BORROWED: Duration = Duration::from_secs(1);
/// How long the fade before a stream is left may take.
const FADING: Duration = Duration::from_millis(100);

/// A stream that was opened.
pub(super) struct Playing {
    pub(super) route: Route,
    pub(super) line: Line,
    heartbeat: Heartbeat,
    /// An error that the driver reported, and when.
    doubt: Option<(Instant, String)>,
}

/// How a stream fares.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// It goes on as before.
    Unchanged,
    /// It has begun to ask for sound, or does so again.
    Beats,
    /// It has stopped asking for sound.
    Stalls,
    /// It is lost, for this reason.
    Lost(String),
}

impl Playing {
    pub(super) fn new(route: Route, line: Line) -> Self {
        let heartbeat = Heartbeat::new(Instant::now(), line.home.asked());
        Self { route, line, heartbeat, doubt: None }
    }

    /// Looks at the stream.
    pub(super) fn look(&mut self) -> Condition {
        let now = Instant::now();
        let mut lost = None;
        for fault in self.line.faults() {
            match fault {
                Fault::Lost(reason) => lost = Some(reason),
                Fault::Doubtful(reason) => {
                    debug!(reason, "audio driver");
                    self.doubt.get_or_insert((now, reason));
                }
                Fault::Notice(text) => info!(text, "audio driver"),
            }
        }
        let pulse = self.heartbeat.look(now, self.line.home.asked());
        if pulse == Pulse::Beats {
            self.doubt = None;
        }
        let patience = if self.heartbeat.has_begun() { QUIET } else { FIRST };
        if self.heartbeat.silent(now) > patience {
            lost.get_or_insert_with(|| format!("no sound was asked for in {} ms", patience.as_millis()));
        }
        if let Some((_, reason)) = self.doubt.take_if(|(since, _)| now.duration_since(*since) > DOUBT) {
            lost.get_or_insert(reason);
        }
        match (lost, pulse) {
            (Some(reason), _) => Condition::Lost(reason),
            (None, Pulse::Beats) => Condition::Beats,
            (None, Pulse::Stalls) => Condition::Stalls,
            (None, _) => Condition::Unchanged,
        }
    }

    /// Hands the engine to the stream.
    pub(super) fn settle(&mut self, engine: Box<Engine>) {
        self.heartbeat = Heartbeat::new(Instant::now(), self.line.home.asked());
        self.line.home.settle(engine);
    }

    /// Lets the sound fade out.
    pub(super) fn fade(&self) {
        let begun = Instant::now();
        while !self.line.home.fade() && begun.elapsed() < FADING {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Takes the engine out of the stream; `None` when its callback crashed.
    pub(super) fn evict(&self) -> Option<Box<Engine>> {
        let begun = Instant::now();
        loop {
            match self.line.home.vacate() {
                None if begun.elapsed() < BORROWED => thread::sleep(Duration::from_micros(200)),
                engine => return engine,
            }
        }
    }
}
