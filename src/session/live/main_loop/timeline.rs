//! Converts between times of the monotonic clock and frames on the timeline.

use std::time::{Duration, Instant};

use crate::units::{SAMPLE_RATE, frames_to_seconds, seconds_to_frames};

/// Rate at which the estimate is corrected towards observations that lag behind it, relative to real time: more than the
/// drift of any sound card's clock.
const MAX_DRIFT: f64 = 500e-6;
/// Length of the window in which the minimum lag is tracked, in seconds: many blocks, so that at least one observation
/// falls right after the playhead has moved.
const LAG_WINDOW: f64 = 1.0;
/// Minimum lag in a window, in frames, above which the playhead must have missed a block: 2 ms, more than late
/// observations can explain.
const MISSED_BLOCK_LAG: u64 = SAMPLE_RATE as u64 / 500;
/// Lag, in frames, above which the playhead is considered stalled: more than any block.
const STALL_LAG: u64 = SAMPLE_RATE as u64 / 5;

/// A smooth estimate of the playhead, which moves a block at a time and is observed whenever the thread wakes, so a
/// single observation may lag by milliseconds.
///
/// The estimate follows the observations that lag least. Conversions between two observations are sample-accurate
/// relative to each other. After a missed block, the estimate is correct again within two seconds.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    anchor: Option<(Instant, u64)>,
    /// Start of the current lag window, and the minimum lag in it, in frames.
    lag_window: Option<(Instant, u64)>,
}

impl Timeline {
    /// Records that the block that begins at frame `head` is being output.
    pub(super) fn observe(&mut self, now: Instant, head: u64) {
        let Some((at, _)) = self.anchor else {
            self.anchor = Some((now, head));
            return;
        };
        let elapsed = now.saturating_duration_since(at);
        let correction = seconds_to_frames(elapsed.as_secs_f64() * MAX_DRIFT);
        let expected = self.frame(now);
        let lag = expected.saturating_sub(head);
        let (since, min_lag) = self.lag_window.get_or_insert((now, lag));
        *min_lag = lag.min(*min_lag);
        let window_ended = now.saturating_duration_since(*since).as_secs_f64() > LAG_WINDOW;
        let missed = if window_ended && *min_lag > MISSED_BLOCK_LAG { *min_lag } else { 0 };
        if window_ended {
            self.lag_window = None;
        }
        if head >= expected || lag > STALL_LAG {
            self.anchor = Some((now, head));
        } else if correction > 0 || missed > 0 {
            self.anchor = Some((now, expected.saturating_sub(correction + missed).max(head)));
        }
    }

    /// Returns the frame played at a time, past or future; 0 before the start.
    pub(super) fn frame(&self, time: Instant) -> u64 {
        let Some((at, frame)) = self.anchor else { return 0 };
        match time.checked_duration_since(at) {
            Some(ahead) => frame + seconds_to_frames(ahead.as_secs_f64()),
            None => frame.saturating_sub(seconds_to_frames(at.duration_since(time).as_secs_f64())),
        }
    }

    /// Returns the time at which a frame is played; the current time if the playhead has not been observed yet.
    pub(super) fn time(&self, frame: u64) -> Instant {
        let Some((at, anchor)) = self.anchor else { return Instant::now() };
        let distance = Duration::from_secs_f64(frames_to_seconds(frame.abs_diff(anchor)));
        if frame < anchor { at.checked_sub(distance).unwrap_or(at) } else { at + distance }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a timeline after ten seconds of irregular observations of a playhead that moves in blocks of 512 frames.
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
    fn late_observations_do_not_distort_the_estimate() {
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
    fn the_estimate_follows_a_stalled_playhead() {
        let start = Instant::now();
        let mut timeline = observed(start);
        let later = start + Duration::from_secs(20);
        timeline.observe(later, 481_000);
        assert_eq!(timeline.frame(later), 481_000);
    }

    #[test]
    fn the_estimate_recovers_from_a_missed_block_within_two_seconds() {
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
    fn frames_and_times_round_trip() {
        let start = Instant::now();
        let timeline = observed(start);
        for frame in [1, 24_000, 470_000, 500_001] {
            assert_eq!(timeline.frame(timeline.time(frame)), frame);
        }
    }
}
