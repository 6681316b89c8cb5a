//! Detects whether a stream still consumes audio in real time.

use std::time::{Duration, Instant};

use crate::units::frames_to_seconds;

/// Delay in seconds, relative to a stream's recent requests, after which the stream counts as stalled: more than any
/// server's jitter.
const STALL_DELAY: f64 = 0.7;
/// Duration of a window of recent requests: longer than the two seconds of audio that some servers request at once.
const WINDOW: Duration = Duration::from_secs(5);

/// Limit on the time counted between two checks. If more has passed, this thread was probably not running, and perhaps the
/// server was not either.
const MAX_CHECK_INTERVAL: Duration = Duration::from_millis(60);

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activity {
    /// The stream has requested audio since the last check.
    Active,
    /// The stream has requested nothing since the last check, but the next request is not overdue.
    Idle,
    /// The next request is overdue.
    Stalled,
}

/// Monitors how many frames a stream requests.
#[derive(Debug)]
pub(super) struct Heartbeat {
    started: Instant,
    /// Frames requested at the start and up to the last check.
    initial: u64,
    requested: u64,
    last_check: Instant,
    last_request: Instant,
    /// The smallest lead of the requested audio over the elapsed time just before a request, in seconds, in this window
    /// and the previous one.
    min_lead: [f64; 2],
    window_start: Instant,
}

impl Heartbeat {
    /// Starts monitoring a stream that has requested `requested` frames so far.
    pub(super) const fn new(now: Instant, requested: u64) -> Self {
        Self {
            started: now,
            initial: requested,
            requested,
            last_check: now,
            last_request: now,
            min_lead: [0.0; 2],
            window_start: now,
        }
    }

    /// Checks the stream, given the number of frames that it has requested so far.
    pub(super) fn check(&mut self, now: Instant, requested: u64) -> Activity {
        self.started += now.duration_since(self.last_check).saturating_sub(MAX_CHECK_INTERVAL);
        self.last_check = now;
        let lead = frames_to_seconds(self.requested - self.initial) - now.duration_since(self.started).as_secs_f64();
        if requested != self.requested {
            if now.duration_since(self.window_start) > WINDOW {
                (self.min_lead, self.window_start) = ([f64::INFINITY, self.min_lead[0]], now);
            }
            self.min_lead[0] = self.min_lead[0].min(lead);
            (self.requested, self.last_request) = (requested, now);
            return Activity::Active;
        }
        if lead < self.min_lead[0].min(self.min_lead[1]) - STALL_DELAY { Activity::Stalled } else { Activity::Idle }
    }

    /// Returns the time since the last request, or since [`Heartbeat::new`] if there was none.
    pub(super) fn since_last_request(&self, now: Instant) -> Duration {
        now.duration_since(self.last_request)
    }

    /// Returns whether the stream has requested anything since [`Heartbeat::new`].
    pub(super) const fn has_requested(&self) -> bool {
        self.requested != self.initial
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Simulates a minute of a stream that requests `block` frames at a time, at a rate of `rate` Hz, and none during
    /// `pause` (in milliseconds). Checks it every 10 ms and returns the time of the first stall detected, in milliseconds.
    fn first_stall(block: u64, rate: u64, pause: std::ops::Range<u64>) -> Option<u64> {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(start, 0);
        let mut paused = 0;
        for ms in (0..60_000).step_by(10) {
            paused += if pause.contains(&ms) { 10 } else { 0 };
            let requested = (rate * (ms - paused) / 1000 / block + 1) * block;
            if heartbeat.check(start + Duration::from_millis(ms), requested) == Activity::Stalled {
                return Some(ms);
            }
        }
        None
    }

    #[test]
    fn detects_stalls_at_all_block_sizes() {
        for block in [64, 1024, 24_000, 96_000] {
            for rate in [47_900, 48_000, 48_100] {
                assert_eq!(first_stall(block, rate, 0..0), None, "{block} frames at once, {rate} Hz");
            }
        }
        for block in [64, 1024, 4096] {
            let detected = first_stall(block, 48_000, 30_000..60_000).unwrap();
            assert!((30_600..31_000).contains(&detected), "{block} frames at once: after {detected} ms");
            assert_eq!(first_stall(block, 48_000, 30_000..30_300), None, "a brief pause should not count as a stall");
        }
        let detected = first_stall(96_000, 48_000, 30_000..60_000).unwrap();
        assert!(detected < 33_000, "two seconds of audio at once: after {detected} ms");
    }

    #[test]
    fn a_stream_that_never_starts_is_stalled() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(start, 0);
        let mut check = |ms| heartbeat.check(start + Duration::from_millis(ms), 0);
        assert!((0..=700).step_by(20).all(|ms| check(ms) == Activity::Idle));
        assert_eq!(check(720), Activity::Stalled);
        assert!(!heartbeat.has_requested());
    }

    #[test]
    fn an_overloaded_machine_is_not_a_stall() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(start, 0);
        for round in 1..10 {
            let requested = 48_000 * round / 50;
            assert_eq!(heartbeat.check(start + Duration::from_millis(1000 * round), requested - 1), Activity::Active);
            assert_eq!(
                heartbeat.check(start + Duration::from_millis(1000 * round + 20), requested - 1),
                Activity::Idle
            );
        }
    }
}
