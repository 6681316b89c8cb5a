//! The timer that fades the music out.

use jiff::{SignedDuration, Timestamp};

use crate::event::ControlEvent;
use crate::event::parameter::{Param, Value};
use crate::session::live::state::SavedTimer;
use crate::units::{frames_to_seconds, seconds_to_frames};

/// The timer, which fades the music out when it ends.
#[derive(Debug, Default)]
pub(in crate::session::live) struct Timer {
    /// The frame at which the timer ends; `None` if it is not running.
    end_frame: Option<u64>,
    /// The time at which it ends or ended; kept while the music stays off.
    end_time: Option<Timestamp>,
}

impl Timer {
    /// Creates the timer; `ended` is when the timer of the previous run ended, if the music is still off because of it.
    pub(in crate::session::live) const fn new(ended: Option<Timestamp>) -> Self {
        Self { end_frame: None, end_time: ended }
    }

    /// Starts the timer at a frame; 0 seconds cancels it.
    pub(super) fn start(&mut self, seconds: f32, frame: u64) {
        let was_running = self.end_frame.is_some();
        self.end_frame = (seconds > 0.0).then(|| frame + seconds_to_frames(f64::from(seconds)));
        let length = SignedDuration::from_secs(seconds.ceil() as i64);
        self.end_time = self.end_frame.and_then(|_| Timestamp::now().checked_add(length).ok());
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
        tracing::info!("the timer has ended, and the music is fading out; `melos set play on` resumes it");
        Some([
            ControlEvent::Set(Param::Timer, Value::Number(0.0)),
            ControlEvent::Set(Param::Play, Value::Toggle(false)),
        ])
    }

    /// Returns the state to save. Once the music is playing again, forgets a timer that has ended.
    pub(super) fn saved(&mut self, is_playing: bool) -> Option<SavedTimer> {
        self.end_time = self.end_time.filter(|_| self.end_frame.is_some() || !is_playing);
        self.end_time.map(|ends| SavedTimer { ends, stopped: false })
    }

    /// Returns the state to save when the performance is stopped on purpose; `None` unless the timer is running.
    pub(super) fn saved_at_stop(&self) -> Option<SavedTimer> {
        self.end_time.filter(|_| self.end_frame.is_some()).map(|ends| SavedTimer { ends, stopped: true })
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
