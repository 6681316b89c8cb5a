//! Follows a MIDI clock: tempo and beats, with jitter filtered out.
//!
//! A second-order delay-locked loop predicts the next tick and corrects itself by a fraction of the error (F.
//! Adriaensen, "Using a DLL to filter time", Linux Audio Conference 2005). Several large errors in a row mean that the
//! tempo has jumped, and the loop restarts from the latest measurements. When ticks stop, nothing is reported, so the
//! last tempo stays.

use crate::event::ControlEvent;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Message;

const TICKS_PER_BEAT: u64 = 24;
/// A song position counts sixteenth notes.
const TICKS_PER_SIXTEENTH: u64 = 6;
/// Loop bandwidth: faster jitter is smoothed, slower tempo changes are followed.
const BANDWIDTH_HZ: f64 = 0.7;
/// An error above this fraction of a period is not jitter.
const OUTLIER: f64 = 0.25;
/// Number of consecutive large errors that mean a new tempo.
const MAX_OUTLIERS: usize = 3;
/// Tick length of the slowest tempo followed, 20 bpm; a longer pause is a drop-out.
const MAX_TICK: Duration = Duration::from_millis(125);
/// Tick length of the fastest tempo followed, 300 bpm; anything faster is a burst after a stall.
const MIN_TICK_SECONDS: f64 = 60.0 / 300.0 / TICKS_PER_BEAT as f64;
/// Relative tempo change below which nothing is reported; the beats keep the music in phase anyway.
const MIN_CHANGE: f64 = 0.002;
/// Minimum interval between tempo reports, in ticks.
const REPORT_TICKS: u64 = 6;

/// A report of the clock follower.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ClockEvent {
    /// The tempo in beats per minute.
    Tempo(f64),
    /// A beat.
    Beat {
        /// Quarter notes since the start of the song.
        beat: u64,
        /// Its filtered time, within a tick or so of now.
        at: Instant,
    },
}

impl ClockEvent {
    /// Converts to a control event; `frame` gives the frame played at a time.
    pub fn to_control_event(self, frame: impl Fn(Instant) -> u64) -> ControlEvent {
        match self {
            Self::Tempo(tempo) => ControlEvent::Tempo(tempo),
            Self::Beat { beat, at } => ControlEvent::Beat { beat: beat as f64, at: frame(at) },
        }
    }
}

/// Follows one clock.
#[derive(Debug, Default)]
pub struct ClockFollower {
    filter: Option<Loop>,
    running: bool,
    /// The next tick since the start of the song.
    position: u64,
    reported: Option<f64>,
}

#[derive(Debug)]
struct Loop {
    /// Unfiltered times of the latest ticks.
    raw: VecDeque<Instant>,
    /// Expected time of the next tick.
    next: Instant,
    /// Tick length in seconds; 0 until two ticks have arrived.
    period: f64,
    far: usize,
    ticks: u64,
}

impl ClockFollower {
    /// Processes a message that arrived at `at`, ignoring all but clock messages. Adds reports to `out`.
    pub fn message(&mut self, message: Message, at: Instant, out: &mut Vec<ClockEvent>) {
        match message {
            Message::Start => {
                self.position = 0;
                self.running = true;
            }
            Message::Continue => self.running = true,
            Message::Stop => self.running = false,
            Message::SongPosition(sixteenths) => self.position = u64::from(sixteenths) * TICKS_PER_SIXTEENTH,
            Message::Clock => self.tick(at, out),
            _ => {}
        }
    }

    /// Whether the song is running.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.running
    }

    /// Reports the tempo again on one of the next ticks, for a new listener.
    pub fn report_again(&mut self) {
        self.reported = None;
    }

    fn tick(&mut self, at: Instant, out: &mut Vec<ClockEvent>) {
        let filter = match &mut self.filter {
            Some(filter) if at.saturating_duration_since(filter.last()) < MAX_TICK => filter,
            gone => gone.insert(Loop::new(at)),
        };
        let filtered = if filter.ticks == 0 { at } else { filter.tick(at) };
        filter.ticks += 1;
        if let Some(tempo) = filter.tempo()
            && self.reported.is_none_or(|reported| (tempo / reported - 1.0).abs() > MIN_CHANGE)
        {
            self.reported = Some(tempo);
            out.push(ClockEvent::Tempo(tempo));
        }
        if self.running {
            if self.position.is_multiple_of(TICKS_PER_BEAT) {
                out.push(ClockEvent::Beat { beat: self.position / TICKS_PER_BEAT, at: filtered });
            }
            self.position += 1;
        }
    }
}

impl Loop {
    fn new(at: Instant) -> Self {
        Self { raw: VecDeque::from([at]), next: at, period: 0.0, far: 0, ticks: 0 }
    }

    fn last(&self) -> Instant {
        self.raw.back().copied().unwrap_or(self.next)
    }

    /// Processes a tick and returns its time with the jitter removed.
    fn tick(&mut self, at: Instant) -> Instant {
        let previous = self.last();
        self.raw.push_back(at);
        if self.raw.len() > MAX_OUTLIERS + 1 {
            self.raw.pop_front();
        }
        if self.period == 0.0 {
            return self.restart(at, (at - previous).as_secs_f64());
        }
        let error = seconds_between(self.next, at);
        self.far = if error.abs() > OUTLIER * self.period { self.far + 1 } else { 0 };
        if self.far >= MAX_OUTLIERS {
            let measured = seconds_between(self.raw[0], at) / MAX_OUTLIERS as f64;
            return self.restart(at, measured);
        }
        // The bandwidth is wide at first, so that the jittery tempo of the first ticks is soon forgotten.
        let bandwidth = BANDWIDTH_HZ.max(0.5 / (self.ticks as f64 * self.period));
        let omega = (std::f64::consts::TAU * bandwidth * self.period).min(0.7);
        let filtered = shifted(self.next, std::f64::consts::SQRT_2 * omega * error);
        self.period = (self.period + omega * omega * error).max(MIN_TICK_SECONDS);
        self.next = shifted(filtered, self.period);
        filtered
    }

    fn restart(&mut self, at: Instant, period: f64) -> Instant {
        self.period = period.max(MIN_TICK_SECONDS);
        self.next = shifted(at, self.period);
        self.far = 0;
        self.ticks = 1;
        at
    }

    /// The tempo in beats per minute, at most four times per beat.
    fn tempo(&self) -> Option<f64> {
        let due = self.ticks > 0 && self.ticks.is_multiple_of(REPORT_TICKS);
        due.then(|| 60.0 / (self.period * TICKS_PER_BEAT as f64))
    }
}

/// Seconds between two times; negative if `to` is earlier.
fn seconds_between(from: Instant, to: Instant) -> f64 {
    match to.checked_duration_since(from) {
        Some(ahead) => ahead.as_secs_f64(),
        None => -(from - to).as_secs_f64(),
    }
}

fn shifted(time: Instant, seconds: f64) -> Instant {
    let by = Duration::from_secs_f64(seconds.abs());
    if seconds < 0.0 { time.checked_sub(by).unwrap_or(time) } else { time + by }
}

#[cfg(test)]
mod tests;
