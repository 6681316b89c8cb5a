//! Follows a MIDI clock: tempo and beats, filtered of jitter.
//!
//! A second-order delay-locked loop predicts when the next tick comes and corrects itself by a share of the error
//! (F. Adriaensen, "Using a DLL to filter time", Linux Audio Conference 2005). When several ticks in a row are far off,
//! the tempo has jumped and the loop starts again from what was just measured. When ticks stay out, nothing is said, so
//! the last tempo stands.

use crate::event::ControlEvent;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Message;

const TICKS_PER_BEAT: u64 = 24;
/// A song position counts sixteenth notes.
const TICKS_PER_SIXTEENTH: u64 = 6;
/// Bandwidth of the loop: jitter faster than this is smoothed away, tempo changes slower than this are followed.
const BANDWIDTH_HZ: f64 = 0.7;
/// A tick this share of a period off is not jitter.
const FAR: f64 = 0.25;
/// So many far ticks in a row are a new tempo.
const FAR_TICKS: usize = 3;
/// Slowest tempo followed, 20 bpm; a longer pause is a drop-out.
const LONGEST_TICK: Duration = Duration::from_millis(125);
/// Fastest, 300 bpm; anything faster is a burst after a stall.
const SHORTEST_TICK_SECONDS: f64 = 60.0 / 300.0 / TICKS_PER_BEAT as f64;
/// Tempo changes smaller than this share are not said; the beats keep the music in place anyway.
const SAID: f64 = 0.002;
/// And tempo is said at most this often, in ticks.
const SAID_TICKS: u64 = 6;

/// What a clock says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ClockEvent {
    /// Its tempo in beats per minute.
    Tempo(f64),
    /// A beat fell.
    Beat {
        /// Quarter notes since the start of the song.
        beat: u64,
        /// When, filtered; within a tick or so of now.
        at: Instant,
    },
}

impl ClockEvent {
    /// The control event for the conductor, given which frame was played when.
    pub fn on_time_line(self, frame: impl Fn(Instant) -> u64) -> ControlEvent {
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
    /// Tick since the start of the song that comes next.
    position: u64,
    said: Option<f64>,
}

#[derive(Debug)]
struct Loop {
    /// The last ticks as they came.
    raw: VecDeque<Instant>,
    /// When the next tick is expected.
    next: Instant,
    /// Length of a tick in seconds; 0 until two have come.
    period: f64,
    far: usize,
    ticks: u64,
}

impl ClockFollower {
    /// Takes a message that came at `at`; anything that is no clock does nothing. Adds what follows to `out`.
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

    /// Whether the song runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.running
    }

    /// Says the tempo again with the next ticks, to somebody who has not heard it.
    pub fn say_again(&mut self) {
        self.said = None;
    }

    fn tick(&mut self, at: Instant, out: &mut Vec<ClockEvent>) {
        let filter = match &mut self.filter {
            Some(filter) if at.saturating_duration_since(filter.last()) < LONGEST_TICK => filter,
            gone => gone.insert(Loop::new(at)),
        };
        let filtered = if filter.ticks == 0 { at } else { filter.tick(at) };
        filter.ticks += 1;
        if let Some(tempo) = filter.tempo()
            && self.said.is_none_or(|said| (tempo / said - 1.0).abs() > SAID)
        {
            self.said = Some(tempo);
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

    /// Takes a tick; gives when it fell once the jitter is taken off.
    fn tick(&mut self, at: Instant) -> Instant {
        let previous = self.last();
        self.raw.push_back(at);
        if self.raw.len() > FAR_TICKS + 1 {
            self.raw.pop_front();
        }
        if self.period == 0.0 {
            return self.restart(at, (at - previous).as_secs_f64());
        }
        let error = seconds_between(self.next, at);
        self.far = if error.abs() > FAR * self.period { self.far + 1 } else { 0 };
        if self.far >= FAR_TICKS {
            let measured = seconds_between(self.raw[0], at) / FAR_TICKS as f64;
            return self.restart(at, measured);
        }
        // Wide open at first, so that the tempo of the first ticks, jitter and all, is left behind quickly.
        let bandwidth = BANDWIDTH_HZ.max(0.5 / (self.ticks as f64 * self.period));
        let omega = (std::f64::consts::TAU * bandwidth * self.period).min(0.7);
        let filtered = shifted(self.next, std::f64::consts::SQRT_2 * omega * error);
        self.period = (self.period + omega * omega * error).max(SHORTEST_TICK_SECONDS);
        self.next = shifted(filtered, self.period);
        filtered
    }

    fn restart(&mut self, at: Instant, period: f64) -> Instant {
        self.period = period.max(SHORTEST_TICK_SECONDS);
        self.next = shifted(at, self.period);
        self.far = 0;
        self.ticks = 1;
        at
    }

    /// Beats per minute, every quarter of a beat.
    fn tempo(&self) -> Option<f64> {
        let due = self.ticks > 0 && self.ticks.is_multiple_of(SAID_TICKS);
        due.then(|| 60.0 / (self.period * TICKS_PER_BEAT as f64))
    }
}

/// Seconds from one moment to another, negative when it lies before.
fn seconds_between(from: Instant, to: Instant) -> f64 {
    match to.checked_duration_since(from) {
        Some(ahead) => ahead.as_secs_f64(),
        None => -(from - to).as_secs_f64(),
    }
}

fn shifted(moment: Instant, seconds: f64) -> Instant {
    let by = Duration::from_secs_f64(seconds.abs());
    if seconds < 0.0 { moment.checked_sub(by).unwrap_or(moment) } else { moment + by }
}

#[cfg(test)]
mod tests;
