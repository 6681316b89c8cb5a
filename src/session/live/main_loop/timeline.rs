//! Converts times of the system clock to frames on the timeline.

use std::time::{Duration, Instant};

use crate::units::{SAMPLE_RATE, frames_to_seconds, seconds_to_frames};

/// Rate at which the timeline moves towards observations that lag behind it, as a fraction of time: more than the drift
/// of any sound card's clock.
const MAX_DRIFT: f64 = 500e-6;
/// How long the minimum lag is tracked, in seconds: many blocks, so that some observation comes right after the
/// playhead has moved.
const WATCH: f64 = 1.0;
/// Lag in frames beyond which the playhead must have missed a block: 2 ms, more than the timing of observations
/// explains.
const SLIP: u64 = SAMPLE_RATE as u64 / 500;
/// Lag in frames from which the playhead counts as stopped: more than any block.
const STALL: u64 = SAMPLE_RATE as u64 / 5;

/// A smooth estimate of the playhead, which moves a block at a time and is observed whenever the thread wakes, so that
/// a single observation may lag by milliseconds.
///
/// The estimate follows the earliest observations. Times converted together keep their distance to the sample. A missed
/// block is followed within two seconds.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    anchor: Option<(Instant, u64)>,
    /// Start of tracking, and the minimum lag in frames.
    watched: Option<(Instant, u64)>,
}

impl Timeline {
    /// Records that a frame, the first of its block, has just been output.
    pub(super) fn observe(&mut self, now: Instant, head: u64) {
        let Some((at, _)) = self.anchor else {
            self.anchor = Some((now, head));
            return;
        };
        let elapsed = now.saturating_duration_since(at);
        let yielded = seconds_to_frames(elapsed.as_secs_f64() * MAX_DRIFT);
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

    /// The frame played at a time, past or future; 0 before the start.
    pub(super) fn frame(&self, time: Instant) -> u64 {
        let Some((at, frame)) = self.anchor else { return 0 };
        match time.checked_duration_since(at) {
            Some(ahead) => frame + seconds_to_frames(ahead.as_secs_f64()),
            None => frame.saturating_sub(seconds_to_frames(at.duration_since(time).as_secs_f64())),
        }
    }

    /// The time at which a frame is played; the current time until the playhead has been observed.
    pub(super) fn time(&self, frame: u64) -> Instant {
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
            assert_eq!(timeline.frame(timeline.time(frame)), frame);
        }
    }
}
