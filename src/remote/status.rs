//! The running daemon in figures, for whoever asks.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::event::Part;
use crate::event::health::LossReport;
use crate::event::parameter::{Param, Value};
use crate::music::emotion::Mood;
use crate::output::record::RecorderStatus;
use crate::units::frames_to_seconds;

/// The running daemon in figures; counters only grow.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Status {
    /// `playing`, `starved`, `no-device`, or `silent`.
    pub state: String,
    /// Seconds played.
    pub seconds: f64,
    /// What carries the sound.
    pub output: String,
    /// Seconds of work per second of music in the generator; above 1 it cannot keep up.
    pub load: f32,
    /// Levels in decibels below full scale.
    pub rms_db: f32,
    /// Seconds for which the generator was late and its last texture was sustained.
    pub starved_seconds: f64,
    /// OSC datagrams received.
    pub osc_received: u64,
    /// Everything that was lost or late, by the names of [`Loss`](crate::event::health::Loss).
    pub losses: serde_json::Map<String, serde_json::Value>,
    /// Times the limiter had to turn down what was too loud.
    pub limited: u64,
    /// The recording that goes on, or the last one.
    pub recording: RecordingFigures,
    /// What does not work now, by part, in words; the music goes on.
    pub troubles: BTreeMap<Part, String>,
    /// Every parameter that has a value.
    pub parameters: serde_json::Map<String, serde_json::Value>,
    /// Where in its plans the performance is.
    pub show: ShowFigures,
}

/// What happens by plan, for `melos status`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ShowFigures {
    /// What the setlist's entry brought that was gone to last, such as `preset storm`.
    pub entry: Option<String>,
    /// What comes next in it.
    pub next_entry: Option<String>,
    /// Seconds until the timer fades the music out.
    pub timer_seconds_left: Option<f64>,
    /// Whether it is open or closed, and until when.
    pub schedule: Option<String>,
}

/// What is known of recording, for `melos status`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RecordingFigures {
    /// Whether a take is being written.
    pub on: bool,
    /// The file being written, or written last.
    pub file: Option<String>,
    /// Seconds in it.
    pub seconds: f64,
    /// Seconds missing in it, because the disk held the recorder up.
    pub missing_seconds: f64,
    /// How often a take was begun, or tried to be.
    pub attempts: u64,
    /// Why the last one ended early or did not begin.
    pub trouble: Option<String>,
}

impl RecordingFigures {
    pub(crate) fn of(status: &RecorderStatus) -> Self {
        let progress = status.progress();
        Self {
            on: status.recording(),
            file: progress.path.map(|path| path.display().to_string()),
            seconds: frames_to_seconds(status.frames()),
            missing_seconds: frames_to_seconds(progress.missing),
            attempts: progress.attempts,
            trouble: progress.trouble,
        }
    }
}

/// The newest figures, for whoever asks.
#[derive(Debug, Default)]
pub struct Figures {
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) values: Vec<(Param, Value)>,
    pub(crate) mood: Option<Mood>,
    pub(crate) status: Status,
    pub(crate) losses: LossReport,
}

impl Figures {
    /// The newest figures.
    #[must_use]
    pub fn status(&self) -> Status {
        self.told().status.clone()
    }

    pub(crate) fn told(&self) -> MutexGuard<'_, Told> {
        // Figures are replaced as a whole; a panic elsewhere leaves them readable.
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
