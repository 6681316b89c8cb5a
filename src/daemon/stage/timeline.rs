//! When frames are played, by the wall clock.

use std::time::{Duration, Instant};

use crate::units::frames_to_seconds;

/// How fast the wall clock may run away from the sound's clock, in seconds per second; real ones are ten times better.
const DRIFT: f64 = 1e-3;
/// The play head is never seen this late while it moves, in seconds: more than a block.
const STALL: f64 = 0.25;

/// Maps frames to moments. The play head moves in blocks and is looked at a little late, so the earliest look counts.
#[derive(Debug)]
pub(super) struct Timeline {
    origin: Instant,
    /// When frame 0 was played and when that was judged, in seconds since the origin.
    judged: Option<(f64, f64)>,
}

impl Timeline {
    pub(super) const fn new(origin: Instant) -> Self {
        Self { origin, judged: None }
    }

    /// The play head was seen.
    pub(super) fn see(&mut self, head: u64, now: Instant) {
        let now = now.saturating_duration_since(self.origin).as_secs_f64();
        let seen = now - frames_to_seconds(head);
        let start = match self.judged {
            Some((start, _)) if seen - start > STALL => seen,
            Some((start, then)) => seen.min(start + DRIFT * (now - then)),
            None => seen,
        };
        self.judged = Some((start, now));
    }

    /// When a frame is played.
    pub(super) fn at(&self, frame: u64) -> Instant {
        let start = self.judged.map_or(0.0, |(start, _)| start);
        self.origin + Duration::from_secs_f64((start + frames_to_seconds(frame)).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_looks_at_a_head_that_moves_in_blocks_do_not_matter() {
        let origin = Instant::now();
        let mut timeline = Timeline::new(origin);
        let block = Duration::from_secs(1) * 1024 / 48_000;
        for number in 0..200u32 {
            let late = Duration::from_micros(u64::from(number * 7919 % 2000));
            timeline.see(u64::from(number) * 1024, origin + block * number + late);
        }
        let error = timeline.at(48_000).duration_since(origin).as_secs_f64() - 1.0;
        assert!((0.0..0.0005).contains(&error), "{error}");
    }

    #[test]
    fn a_head_that_stood_still_is_taken_as_it_is() {
        let origin = Instant::now();
        let mut timeline = Timeline::new(origin);
        timeline.see(0, origin);
        timeline.see(0, origin + Duration::from_secs(2));
        assert_eq!(timeline.at(48_000), origin + Duration::from_secs(3));
    }
}
