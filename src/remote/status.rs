//! The status of the running daemon.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::event::Part;
use crate::event::health::LossReport;
use crate::event::parameter::{Param, Value};
use crate::music::emotion::Mood;
use crate::output::record::RecorderStatus;
use crate::units::frames_to_seconds;

/// The status of the running daemon; counters only increase.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Status {
    /// `playing`, `starved`, `no-device` or `silent`.
    pub state: String,
    /// Seconds of audio output since the start, including silence.
    pub seconds: f64,
    /// Description of the audio output.
    pub output: String,
    /// Length of an output block in milliseconds; the latency is at least one block.
    pub block_ms: f64,
    /// Generator time in seconds per second of audio; above 1, the generator cannot keep up.
    pub load: f32,
    /// Output level (RMS), in dBFS.
    pub rms_db: f32,
    /// Seconds of output for which the generator was late, so that the last sound was sustained.
    pub starved_seconds: f64,
    /// OSC packets received over UDP, WebSocket and HTTP.
    pub osc_received: u64,
    /// Loss counts, keyed by the ids of [`Loss`](crate::event::health::Loss).
    pub losses: serde_json::Map<String, serde_json::Value>,
    /// Number of times the limiter has begun to reduce the gain.
    pub limited: u64,
    /// The current or last recording.
    pub recording: RecordingMetrics,
    /// Current troubles by part; none of them stops the music.
    pub troubles: BTreeMap<Part, String>,
    /// Parameter values by id; triggers have none.
    pub parameters: serde_json::Map<String, serde_json::Value>,
    /// The setlist, the timer and the opening hours.
    pub show: ShowMetrics,
}

/// The state of the setlist, the timer and the opening hours.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ShowMetrics {
    /// The current entry of the setlist, such as `preset storm`.
    pub entry: Option<String>,
    /// The next entry.
    pub next_entry: Option<String>,
    /// Seconds until the timer fades the music out.
    pub timer_seconds_left: Option<f64>,
    /// `open` or `closed`, and until when.
    pub schedule: Option<String>,
}

/// The state of the recorder.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RecordingMetrics {
    /// Whether a take is being written.
    pub on: bool,
    /// The file being written, or the last one written.
    pub file: Option<String>,
    /// The recording's length in seconds.
    pub seconds: f64,
    /// Seconds of audio missing from the recording because the recorder did not keep up.
    pub missing_seconds: f64,
    /// Number of recordings started or attempted.
    pub attempts: u64,
    /// Why the last recording failed, until the next one starts.
    pub trouble: Option<String>,
}

impl RecordingMetrics {
    pub(crate) fn of(status: &RecorderStatus) -> Self {
        let progress = status.progress();
        Self {
            on: status.is_recording(),
            file: progress.path.map(|path| path.display().to_string()),
            seconds: frames_to_seconds(status.frames()),
            missing_seconds: frames_to_seconds(progress.missing),
            attempts: progress.attempts,
            trouble: progress.trouble,
        }
    }
}

/// The latest status, shared between threads.
#[derive(Debug, Default)]
pub struct Metrics {
    last_sent: Mutex<LastSent>,
}

/// What was last published: the status for HTTP clients, and the rest to detect changes.
#[derive(Debug, Default)]
pub(crate) struct LastSent {
    pub(crate) values: Vec<(Param, Value)>,
    pub(crate) mood: Option<Mood>,
    pub(crate) status: Status,
    pub(crate) losses: LossReport,
}

impl Metrics {
    /// Returns the latest status.
    #[must_use]
    pub fn status(&self) -> Status {
        self.last_sent().status.clone()
    }

    pub(crate) fn last_sent(&self) -> MutexGuard<'_, LastSent> {
        // A partial change leaves the status readable, so a panic elsewhere does no harm.
        self.last_sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
