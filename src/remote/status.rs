//! The running daemon in figures, for whoever asks.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::event::health::LossReport;
use crate::event::parameter::{Param, Value};
use crate::music::emotion::Mood;

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
    /// Every parameter that has a value.
    pub parameters: serde_json::Map<String, serde_json::Value>,
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
