//! The timer that fades the music out.

use jiff::{SignedDuration, Timestamp};

use crate::event::ControlEvent;
use crate::event::parameter::{Param, Value};
use crate::session::live::state::{SavedTimer, boot_id};
use crate::units::{frames_to_seconds, seconds_to_frames};

/// Difference between the clock and the playhead that is ignored, so that the state is not saved all the time.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(2);

/// The timer, which fades the music out when it ends.
#[derive(Debug, Default)]
pub(in crate::session::live) struct Timer {
    /// The frame at which the timer ends; `None` if it is not running.
    end_frame: Option<u64>,
    /// The time at which it ends or ended; kept while the music stays off.
    end_time: Option<Timestamp>,
    /// The seconds for which it was set; 0 if it is not running.
    seconds: u32,
}

impl Timer {
    /// Creates the timer; `ended` is when the timer of the previous run ended, if the music is still off because of it.
    pub(in crate::session::live) const fn new(ended: Option<Timestamp>) -> Self {
        Self { end_frame: None, end_time: ended, seconds: 0 }
    }

    /// Starts the timer at a frame; 0 seconds cancels it.
    pub(super) fn start(&mut self, seconds: f32, frame: u64) {
        let was_running = self.end_frame.is_some();
        self.end_frame = (seconds > 0.0).then(|| frame + seconds_to_frames(f64::from(seconds)));
        self.end_time = self.end_frame.and_then(|_| time_in(seconds.into(), Timestamp::now()));
        self.seconds = seconds.ceil() as u32;
        if self.end_frame.is_some() {
            tracing::info!(
                "the music will begin to fade out {seconds:.0} s from now; `melos set timer 0` cancels this"
            );
        } else if was_running {
            tracing::info!("timer cancelled");
        }
    }

    /// Returns the frame at which the timer ends.
    pub(super) const fn next_frame(&self) -> Option<u64> {
        self.end_frame
    }

    /// Returns the events that fade the music out if the timer has expired by `frame`.
    pub(super) fn expire(&mut self, frame: u64) -> Option<[ControlEvent; 2]> {
        self.end_frame.take_if(|end| *end <= frame)?;
        self.seconds = 0;
        tracing::info!("the timer has ended, and the music is fading out; `melos set play on` resumes it");
        Some([
            ControlEvent::Set(Param::Timer, Value::Number(0.0)),
            ControlEvent::Set(Param::Play, Value::Toggle(false)),
        ])
    }

    /// Returns the state to save when the playhead is at a frame. Once the music is playing again, forgets a timer that has
    /// ended.
    pub(super) fn saved(&mut self, head: u64, is_playing: bool) -> Option<SavedTimer> {
        self.follow_clock(head, Timestamp::now());
        self.end_time = self.end_time.filter(|_| self.end_frame.is_some() || !is_playing);
        self.saved_as(false)
    }

    /// Computes again when a running timer ends, if the clock has been set or the playhead was held up.
    fn follow_clock(&mut self, head: u64, now: Timestamp) {
        let Some(expected) = self.seconds_left(head).and_then(|left| time_in(left, now)) else { return };
        if self.end_time.is_none_or(|end| end.duration_since(expected).abs() > TOLERANCE) {
            self.end_time = Some(expected);
        }
    }

    /// Returns the state to save when the performance is stopped on purpose; `None` unless the timer is running.
    pub(super) fn saved_at_stop(&self) -> Option<SavedTimer> {
        self.saved_as(true).filter(|_| self.end_frame.is_some())
    }

    fn saved_as(&self, stopped: bool) -> Option<SavedTimer> {
        self.end_time.map(|ends| SavedTimer { ends, seconds: self.seconds, stopped, boot: boot_id() })
    }

    /// Returns whether the timer has ended and the music has been off since.
    pub(super) const fn has_ended(&self) -> bool {
        self.end_frame.is_none() && self.end_time.is_some()
    }

    /// Returns the seconds left when the playhead is at a frame.
    pub(super) fn seconds_left(&self, head: u64) -> Option<f64> {
        self.end_frame.map(|end| frames_to_seconds(end.saturating_sub(head)))
    }
}

/// Returns the time a number of seconds from now.
fn time_in(seconds: f64, now: Timestamp) -> Option<Timestamp> {
    now.checked_add(SignedDuration::try_from_secs_f64(seconds).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_follows_a_clock_that_is_set() {
        let mut timer = Timer::default();
        timer.start(600.0, 0);
        let started = Timestamp::now();
        let in_seconds = |seconds: i64| started + SignedDuration::from_secs(seconds);
        let mut ends = |head: u64, clock: i64| {
            timer.follow_clock(seconds_to_frames(head as f64), in_seconds(clock));
            let left = timer.saved_as(false).unwrap().ends.duration_since(started);
            left.as_secs_f64().round() as i64
        };
        assert_eq!(ends(100, 101), 600, "a small difference is ignored");
        assert_eq!(ends(100, 3700), 4200, "set forward by an hour");
        assert_eq!(ends(200, 3800), 4200);
        assert_eq!(ends(300, 300), 600, "set back again");
        assert_eq!(ends(300, 400), 700, "no sound was played for a while");
    }

    #[test]
    fn a_timer_that_has_ended_has_no_time_left() {
        let mut timer = Timer::default();
        timer.start(1.5, 0);
        assert_eq!(timer.saved_at_stop().map(|saved| (saved.seconds, saved.stopped)), Some((2, true)));
        assert!(timer.expire(seconds_to_frames(1.5)).is_some() && timer.has_ended());
        assert_eq!(timer.saved(seconds_to_frames(2.0), false).map(|saved| saved.seconds), Some(0));
        assert_eq!(timer.saved_at_stop(), None);
        assert_eq!(timer.saved(seconds_to_frames(3.0), true), None, "the music is playing again");
    }
}
