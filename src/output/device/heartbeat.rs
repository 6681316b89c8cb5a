//! Detects whether a stream still consumes audio in real time.

use std::time::{Duration, Instant};

use crate::units::frames_to_seconds;

/// Delay beyond the recent norm at which a stream counts as stalled, in seconds: more than any server's jitter.
const STALL: f64 = 0.7;
/// Length of the window that counts as recent. Some servers request two seconds of audio at a time.
const WINDOW: Duration = Duration::from_secs(5);

/// Maximum time counted between two checks. If it was longer, this thread did not run, and the server may not have run
/// either.
const MAX_STEP: Duration = Duration::from_millis(60);

/// The state of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pulse {
    /// It has consumed audio since the last check.
    Beating,
    /// It has not, and need not have yet.
    Resting,
    /// It has not, but should have.
    Stalled,
}

/// Watches the number of frames that a stream has requested.
#[derive(Debug)]
pub(super) struct Heartbeat {
    started: Instant,
    first: u64,
    requested: u64,
    checked: Instant,
    last_beat: Instant,
    /// Minimum lead of the audio consumed over the elapsed time right before a request, in seconds, in this window and
    /// in the previous one.
    least: [f64; 2],
    window: Instant,
}

impl Heartbeat {
    /// Starts watching a stream that has requested this many frames so far.
    pub(super) const fn new(now: Instant, requested: u64) -> Self {
        Self { started: now, first: requested, requested, checked: now, last_beat: now, least: [0.0; 2], window: now }
    }

    /// Checks how much has been requested.
    pub(super) fn check(&mut self, now: Instant, requested: u64) -> Pulse {
        self.started += now.duration_since(self.checked).saturating_sub(MAX_STEP);
        self.checked = now;
        let lead = frames_to_seconds(self.requested - self.first) - now.duration_since(self.started).as_secs_f64();
        if requested != self.requested {
            if now.duration_since(self.window) > WINDOW {
                (self.least, self.window) = ([f64::INFINITY, self.least[0]], now);
            }
            self.least[0] = self.least[0].min(lead);
            (self.requested, self.last_beat) = (requested, now);
            return Pulse::Beating;
        }
        if lead < self.least[0].min(self.least[1]) - STALL { Pulse::Stalled } else { Pulse::Resting }
    }

    /// Time since the last request.
    pub(super) fn silent(&self, now: Instant) -> Duration {
        now.duration_since(self.last_beat)
    }

    /// Whether anything was ever requested.
    pub(super) const fn has_begun(&self) -> bool {
        self.requested != self.first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks a stream every 10 ms for a minute; it takes `block` frames at a time, at `rate`, and none during `idle`;
    /// returns the time of the first stall.
    fn stalls(block: u64, rate: u64, idle: std::ops::Range<u64>) -> Option<u64> {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(start, 0);
        let mut paused = 0;
        for ms in (0..60_000).step_by(10) {
            paused += if idle.contains(&ms) { 10 } else { 0 };
            let requested = (rate * (ms - paused) / 1000 / block + 1) * block;
            if heartbeat.check(start + Duration::from_millis(ms), requested) == Pulse::Stalled {
                return Some(ms);
            }
        }
        None
    }

    #[test]
    fn only_a_stalled_stream_is_reported() {
        for block in [64, 1024, 24_000, 96_000] {
            for rate in [47_900, 48_000, 48_100] {
                assert_eq!(stalls(block, rate, 0..0), None, "{block} frames at once, {rate} Hz");
            }
        }
        for block in [64, 1024, 4096] {
            let noticed = stalls(block, 48_000, 30_000..60_000).unwrap();
            assert!((30_600..31_000).contains(&noticed), "{block} frames at once: after {noticed} ms");
            assert_eq!(stalls(block, 48_000, 30_000..30_300), None, "a brief pause");
        }
        let noticed = stalls(96_000, 48_000, 30_000..60_000).unwrap();
        assert!(noticed < 33_000, "two seconds' worth at once: after {noticed} ms");
    }

    #[test]
    fn a_stream_that_never_starts_is_reported() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(start, 0);
        let mut check = |ms| heartbeat.check(start + Duration::from_millis(ms), 0);
        assert!((0..=700).step_by(20).all(|ms| check(ms) == Pulse::Resting));
        assert_eq!(check(720), Pulse::Stalled);
        assert!(!heartbeat.has_begun());
    }

    #[test]
    fn an_overloaded_machine_is_not_mistaken_for_a_stalled_server() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(start, 0);
        for round in 1..10 {
            let requested = 48_000 * round / 50;
            assert_eq!(heartbeat.check(start + Duration::from_millis(1000 * round), requested - 1), Pulse::Beating);
            assert_eq!(
                heartbeat.check(start + Duration::from_millis(1000 * round + 20), requested - 1),
                Pulse::Resting
            );
        }
    }
}
