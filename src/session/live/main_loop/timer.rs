//! The timer that fades the music out.

use crate::event::ControlEvent;
use crate::event::parameter::{Param, Value};
use crate::units::{frames_to_seconds, seconds_to_frames};

/// Fades the music out at a frame, if the timer is running.
#[derive(Debug, Default)]
pub(in crate::session::live) struct Timer {
    end: Option<u64>,
}

impl Timer {
    /// Starts the timer at a frame; 0 seconds cancels it.
    pub(super) fn start(&mut self, seconds: f32, frame: u64) {
        let was_running = self.end.is_some();
        self.end = (seconds > 0.0).then(|| frame + seconds_to_frames(f64::from(seconds)));
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

    /// Returns the seconds left when the playhead is at a frame.
    pub(super) fn seconds_left(&self, head: u64) -> Option<f64> {
        self.end.map(|end| frames_to_seconds(end.saturating_sub(head)))
    }
}
