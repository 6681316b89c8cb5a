//! Follows the tempo and beats of a MIDI clock, and filters out its jitter.
//!
//! A second-order delay-locked loop predicts the next tick and corrects itself by a fraction of the error (F.
//! Adriaensen, "Using a DLL to filter time", Linux Audio Conference 2005). Several large errors in a row mean that the
//! tempo has jumped, and the loop restarts from the latest measurements. When ticks stop, nothing is reported, so the
//! last tempo remains in effect.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Message;
use crate::event::ControlEvent;

const TICKS_PER_BEAT: u64 = 24;
/// The unit of a song position is a sixteenth note.
const TICKS_PER_SIXTEENTH: u64 = 6;
/// Loop bandwidth: the loop smooths faster jitter and follows slower changes of tempo.
const BANDWIDTH_HZ: f64 = 0.7;
/// Error, as a fraction of a tick, above which a tick counts as an outlier.
const OUTLIER_FRACTION: f64 = 0.25;
/// Number of consecutive outliers that indicate a new tempo.
const MAX_OUTLIERS: usize = 3;
/// Tick length at the slowest tempo followed, 20 bpm; a longer pause is a dropout.
const MAX_TICK: Duration = Duration::from_millis(125);
/// Tick length at the fastest tempo followed, 300 bpm; faster ticks are a burst after a stall.
const MIN_TICK_SECONDS: f64 = 60.0 / 300.0 / TICKS_PER_BEAT as f64;
/// Relative tempo change below which no new tempo is reported; the beats keep the music in phase.
const MIN_TEMPO_CHANGE: f64 = 0.002;
/// Minimum interval between tempo reports, in ticks.
const REPORT_TICKS: u64 = 6;

/// A report from the clock follower.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ClockEvent {
    /// The tempo in beats per minute.
    Tempo(f64),
    /// A beat.
    Beat {
        /// Quarter notes since the start of the song.
        beat: u64,
        /// The time of the beat with the jitter removed, within about a tick of the time at which its message arrived.
        at: Instant,
    },
}

impl ClockEvent {
    /// Converts the report to a control event; `frame` converts a time to the frame that is played then.
    pub fn to_control_event(self, frame: impl Fn(Instant) -> u64) -> ControlEvent {
        match self {
            Self::Tempo(tempo) => ControlEvent::Tempo(tempo),
            Self::Beat { beat, at } => ControlEvent::Beat { beat: beat as f64, at: frame(at) },
        }
    }
}

/// Follows one MIDI clock.
#[derive(Debug, Default)]
pub struct ClockFollower {
    filter: Option<DelayLockedLoop>,
    running: bool,
    /// Number of the next tick, counted from the start of the song.
    position: u64,
    reported_tempo: Option<f64>,
}

#[derive(Debug)]
struct DelayLockedLoop {
    /// Unfiltered times of the latest ticks.
    raw: VecDeque<Instant>,
    /// Expected time of the next tick.
    next: Instant,
    /// Tick length in seconds; 0 until two ticks have arrived.
    period: f64,
    /// Number of consecutive outliers so far.
    outliers: usize,
    /// Number of ticks since the loop started.
    ticks: u64,
}

impl ClockFollower {
    /// Processes a message that arrived at `at` and adds reports to `out`. Ignores messages unrelated to the clock.
    pub fn process(&mut self, message: Message, at: Instant, out: &mut Vec<ClockEvent>) {
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

    /// Returns whether the song is running.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.running
    }

    /// Makes [`ClockFollower::process`] report the tempo again within a few ticks, even if it is unchanged.
    pub fn repeat_tempo(&mut self) {
        self.reported_tempo = None;
    }

    fn tick(&mut self, at: Instant, out: &mut Vec<ClockEvent>) {
        let filter = match &mut self.filter {
            Some(filter) if at.saturating_duration_since(filter.last()) < MAX_TICK => filter,
            stale => stale.insert(DelayLockedLoop::new(at)),
        };
        let filtered = if filter.ticks == 0 { at } else { filter.tick(at) };
        filter.ticks += 1;
        if let Some(tempo) = filter.tempo()
            && self.reported_tempo.is_none_or(|reported| (tempo / reported - 1.0).abs() > MIN_TEMPO_CHANGE)
        {
            self.reported_tempo = Some(tempo);
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

impl DelayLockedLoop {
    fn new(at: Instant) -> Self {
        Self { raw: VecDeque::from([at]), next: at, period: 0.0, outliers: 0, ticks: 0 }
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
        self.outliers = if error.abs() > OUTLIER_FRACTION * self.period { self.outliers + 1 } else { 0 };
        if self.outliers >= MAX_OUTLIERS {
            let measured = seconds_between(self.raw[0], at) / MAX_OUTLIERS as f64;
            return self.restart(at, measured);
        }
        // A wide bandwidth at first quickly corrects for the jitter of the first ticks.
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
        self.outliers = 0;
        self.ticks = 1;
        at
    }

    /// Returns the tempo in beats per minute on every [`REPORT_TICKS`]th tick.
    fn tempo(&self) -> Option<f64> {
        let due = self.ticks > 0 && self.ticks.is_multiple_of(REPORT_TICKS);
        due.then(|| 60.0 / (self.period * TICKS_PER_BEAT as f64))
    }
}

/// Returns the seconds from one time to another; negative if `to` is earlier.
fn seconds_between(from: Instant, to: Instant) -> f64 {
    match to.checked_duration_since(from) {
        Some(ahead) => ahead.as_secs_f64(),
        None => -(from - to).as_secs_f64(),
    }
}

fn shifted(time: Instant, seconds: f64) -> Instant {
    let offset = Duration::from_secs_f64(seconds.abs());
    if seconds < 0.0 { time.checked_sub(offset).unwrap_or(time) } else { time + offset }
}

#[cfg(test)]
mod tests;
