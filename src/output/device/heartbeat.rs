//! Whether a stream still takes sound as fast as time passes.

use std::time::{Duration, Instant};

use crate::units::frames_to_seconds;

/// A stream that is so much further behind than lately stands still: more than any server's jitter.
const STALL: f64 = 0.6;
/// How long "lately" is. Some servers take two seconds' worth at a time.
const WINDOW: Duration = Duration::from_secs(5);

/// What a stream does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pulse {
    /// It has taken sound since the last look.
    Beats,
    /// It has not, and need not yet.
    Rests,
    /// It should have.
    Stalls,
}

/// Watches how many frames a stream has asked for.
#[derive(Debug)]
pub(super) struct Heartbeat {
    begun: Instant,
    first: u64,
    asked: u64,
    beaten: Instant,
    /// Least seconds by which the sound taken led the time passed, right before more was taken: in this window and in
    /// the one before.
    least: [f64; 2],
    window: Instant,
}

impl Heartbeat {
    /// A stream that has asked for so many frames and is to take sound from now on.
    pub(super) const fn new(now: Instant, asked: u64) -> Self {
        Self { begun: now, first: asked, asked, beaten: now, least: [0.0; 2], window: now }
    }

    /// Looks at how much has been asked for.
    pub(super) fn look(&mut self, now: Instant, asked: u64) -> Pulse {
        let lead = frames_to_seconds(self.asked - self.first) - now.duration_since(self.begun).as_secs_f64();
        if asked != self.asked {
            if now.duration_since(self.window) > WINDOW {
                (self.least, self.window) = ([f64::INFINITY, self.least[0]], now);
            }
            self.least[0] = self.least[0].min(lead);
            (self.asked, self.beaten) = (asked, now);
            return Pulse::Beats;
        }
        if lead < self.least[0].min(self.least[1]) - STALL { Pulse::Stalls } else { Pulse::Rests }
    }

    /// Since when nothing has been asked for.
    pub(super) fn silent(&self, now: Instant) -> Duration {
        now.duration_since(self.beaten)
    }

    /// Whether anything has ever been asked for.
    pub(super) const fn has_begun(&self) -> bool {
        self.asked != self.first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks every 10 ms for some seconds at a stream that takes `block` frames at once, at a rate a little off; the time
    /// of the first stall.
    fn stalls(block: u64, rate: u64, stands: std::ops::Range<u64>) -> Option<u64> {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(start, 0);
        let mut stood = 0;
        for ms in (0..60_000).step_by(10) {
            stood += if stands.contains(&ms) { 10 } else { 0 };
            let asked = (rate * (ms - stood) / 1000 / block + 1) * block;
            if heartbeat.look(start + Duration::from_millis(ms), asked) == Pulse::Stalls {
                return Some(ms);
            }
        }
        None
    }

    #[test]
    fn a_stream_that_stands_still_is_noticed_within_a_second_and_no_other() {
        for block in [64, 1024, 24_000, 96_000] {
            for rate in [47_900, 48_000, 48_100] {
                assert_eq!(stalls(block, rate, 0..0), None, "{block} frames at once, {rate} Hz");
            }
        }
        for block in [64, 1024, 4096] {
            let noticed = stalls(block, 48_000, 30_000..60_000).unwrap();
            assert!((30_600..31_000).contains(&noticed), "{block} frames at once: after {noticed} ms");
            assert_eq!(stalls(block, 48_000, 30_000..30_300), None, "a hiccup");
        }
        let noticed = stalls(96_000, 48_000, 30_000..60_000).unwrap();
        assert!(noticed < 33_000, "two seconds' worth at once: after {noticed} ms");
    }

    #[test]
    fn one_that_never_begins_is_noticed_too() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(start, 0);
        assert_eq!(heartbeat.look(start + Duration::from_millis(500), 0), Pulse::Rests);
        assert_eq!(heartbeat.look(start + Duration::from_millis(700), 0), Pulse::Stalls);
        assert!(!heartbeat.has_begun());
    }
}
