//! Converts the system clock's times to frames on the performance's time line.

use std::time::{Duration, Instant};

use crate::units::{SAMPLE_RATE, frames_to_seconds, seconds_to_frames};

/// How fast the line yields to observations that lag behind it, as a fraction of time: more than sound cards' clocks
/// differ.
const YIELD: f64 = 500e-6;
/// How long the minimum lag is tracked, in seconds: many blocks, so that some observation comes right after the play
/// head has moved.
const WATCH: f64 = 1.0;
/// Lag in frames that unlucky observations cannot explain: 2 ms. A playhead with more has missed a block.
const SLIP: u64 = SAMPLE_RATE as u64 / 500;
/// Lag in frames from which the playhead counts as stopped: more than any block.
const STALL: u64 = SAMPLE_RATE as u64 / 5;

/// The playhead moves a block at a time and is observed whenever the thread wakes, so a single observation may lag by
/// milliseconds.
/// The line follows the earliest observations; times known at once keep their distance to the sample. A device that
/// missed a block is followed within two seconds.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    anchor: Option<(Instant, u64)>,
    /// Start of tracking, and the minimum lag in frames.
    watched: Option<(Instant, u64)>,
}

impl Timeline {
    /// Records that a frame, the first of its block, is output at a time, or has just been.
    pub(super) fn observe(&mut self, now: Instant, head: u64) {
        let Some((at, _)) = self.anchor else {
            self.anchor = Some((now, head));
            return;
        };
        let elapsed = now.saturating_duration_since(at);
        let yielded = seconds_to_frames(elapsed.as_secs_f64() * YIELD);
        let expected = self.frame(now);
        let lag = expected.saturating_sub(head);
        let (since, least) = self.watched.get_or_insert((now, lag));
        *least = lag.min(*least);
        let slipped = now.saturating_duration_since(*since).as_secs_f64() > WATCH;
        let slip = if slipped && *least > SLIP { *least } else { 0 };
        if slipped {
            self.watched = None;
        }
        if head >= expected || lag > STALL {
            self.anchor = Some((now, head));
        } else if yielded > 0 || slip > 0 {
            self.anchor = Some((now, expected.saturating_sub(yielded + slip).max(head)));
        }
    }

    /// The frame heard at a time, past or future; 0 before the start.
    pub(super) fn frame(&self, moment: Instant) -> u64 {
        let Some((at, frame)) = self.anchor else { return 0 };
        match moment.checked_duration_since(at) {
            Some(ahead) => frame + seconds_to_frames(ahead.as_secs_f64()),
            None => frame.saturating_sub(seconds_to_frames(at.duration_since(moment).as_secs_f64())),
        }
    }

    /// The time at which a frame is heard; now, before the playhead was first observed.
    pub(super) fn moment(&self, frame: u64) -> Instant {
        let Some((at, anchor)) = self.anchor else { return Instant::now() };
        let distance = Duration::from_secs_f64(frames_to_seconds(frame.abs_diff(anchor)));
        if frame < anchor { at.checked_sub(distance).unwrap_or(at) } else { at + distance }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Observes a playhead that moves in blocks of 512, at irregular times, for ten seconds.
    fn observed(start: Instant) -> Timeline {
        let mut timeline = Timeline::default();
        let mut micros = 0;
        while micros < 10_000_000 {
            let frame = micros * 48 / 1000;
            timeline.observe(start + Duration::from_micros(micros), frame / 512 * 512);
            micros += 500 + micros * 7919 % 6000;
        }
        timeline
    }

    #[test]
    fn late_observations_do_not_bend_the_line() {
        let start = Instant::now();
        let timeline = observed(start);
        for seconds in [9.0, 10.0, 11.0] {
            let frame = timeline.frame(start + Duration::from_secs_f64(seconds));
            assert!(frame.abs_diff(seconds_to_frames(seconds)) < 64, "{frame} at {seconds} s");
        }
        let [first, second] = [10_100, 10_200].map(|ms| timeline.frame(start + Duration::from_millis(ms)));
        assert_eq!(second - first, 4800);
    }

    #[test]
    fn a_stalled_playhead_is_followed() {
        let start = Instant::now();
        let mut timeline = observed(start);
        let later = start + Duration::from_secs(20);
        timeline.observe(later, 481_000);
        assert_eq!(timeline.frame(later), 481_000);
    }

    #[test]
    fn a_missed_block_is_followed_within_two_seconds() {
        let start = Instant::now();
        let mut timeline = observed(start);
        let mut micros = 10_000_000;
        while micros < 12_100_000 {
            // At ten seconds, 1024 frames were lost.
            let frame = micros * 48 / 1000 - 1024;
            timeline.observe(start + Duration::from_micros(micros), frame / 512 * 512);
            micros += 500 + micros * 7919 % 6000;
        }
        let frame = timeline.frame(start + Duration::from_secs(13));
        assert!(frame.abs_diff(seconds_to_frames(13.0) - 1024) < 64, "{frame}");
    }

    #[test]
    fn frames_and_times_are_inverse() {
        let start = Instant::now();
        let timeline = observed(start);
        for frame in [1, 24_000, 470_000, 500_001] {
            assert_eq!(timeline.frame(timeline.moment(frame)), frame);
        }
    }
}
