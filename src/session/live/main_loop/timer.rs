//! The timer that fades the music out.

use jiff::{SignedDuration, Timestamp};

use crate::event::ControlEvent;
use crate::event::parameter::{Param, Value};
use crate::session::live::state::SavedTimer;
use crate::units::{frames_to_seconds, seconds_to_frames};

/// Fades the music out at a frame, if the timer is running.
#[derive(Debug, Default)]
pub(in crate::session::live) struct Timer {
    end: Option<u64>,
    /// The time at which it ends or ended, for as long as the music stays off.
    ends: Option<Timestamp>,
}

impl Timer {
    /// Creates the timer; if that of the previous run has `ended` while the music was to stay off, it still has.
    pub(in crate::session::live) const fn new(ended: Option<Timestamp>) -> Self {
        Self { end: None, ends: ended }
    }

    /// Starts the timer at a frame; 0 seconds cancels it.
    pub(super) fn start(&mut self, seconds: f32, frame: u64) {
        let was_running = self.end.is_some();
        self.end = (seconds > 0.0).then(|| frame + seconds_to_frames(f64::from(seconds)));
        let length = SignedDuration::from_secs(seconds.ceil() as i64);
        self.ends = self.end.and_then(|_| Timestamp::now().checked_add(length).ok());
        if self.end.is_some() {
            tracing::info!("the music fades out in {seconds:.0} s; `melos set timer 0` cancels this");
        } else if was_running {
            tracing::info!("timer cancelled");
        }
    }

    /// Returns the frame at which the timer ends.
    pub(super) const fn next_frame(&self) -> Option<u64> {
        self.end
    }

    /// Returns the events that fade the music out if the timer has expired by a frame.
    pub(super) fn expire(&mut self, frame: u64) -> Option<[ControlEvent; 2]> {
        self.end.take_if(|end| *end <= frame)?;
        tracing::info!("the timer has ended and the music fades out; `melos set play on` resumes it");
        Some([
            ControlEvent::Set(Param::Timer, Value::Number(0.0)),
            ControlEvent::Set(Param::Play, Value::Toggle(false)),
        ])
    }

    /// Returns what is saved of it, given whether the music plays.
    pub(super) fn saved(&mut self, plays: bool) -> Option<SavedTimer> {
        self.ends = self.ends.filter(|_| self.end.is_some() || !plays);
        self.ends.map(|ends| SavedTimer { ends, stopped: false })
    }

    /// Returns what is saved of it when the performance is stopped on purpose: only a running timer.
    pub(super) fn saved_at_stop(&self) -> Option<SavedTimer> {
        self.ends.filter(|_| self.end.is_some()).map(|ends| SavedTimer { ends, stopped: true })
    }

    /// Returns whether it has ended, and the music has been off since.
    pub(super) const fn has_ended(&self) -> bool {
        self.end.is_none() && self.ends.is_some()
    }

    /// Returns the seconds left when the playhead is at a frame.
    pub(super) fn seconds_left(&self, head: u64) -> Option<f64> {
        self.end.map(|end| frames_to_seconds(end.saturating_sub(head)))
    }
}
