//! What the rest may know about the output.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use crate::event::health::Losses;

/// The output's state; counters are written by the callback, the rest by the supervisor.
#[derive(Debug, Default)]
pub struct OutputStatus {
    pub(super) connected: AtomicBool,
    pub(super) failed: AtomicBool,
    pub(super) null: AtomicBool,
    pub(super) callbacks: AtomicU64,
    pub(super) block_frames: AtomicU32,
    pub(super) losses: Arc<Losses>,
    /// Never touched by the callback.
    pub(super) name: Mutex<String>,
}

impl OutputStatus {
    pub(super) fn new(losses: Arc<Losses>) -> Self {
        Self { losses, ..Self::default() }
    }

    /// Whether the sound goes where it shall: a device takes it, or the null output was chosen.
    #[must_use]
    pub fn connected(&self) -> bool {
        self.connected.load(Relaxed)
    }

    /// Whether the output is beyond repair: a driver did not give the engine back, so only a restart helps.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.failed.load(Relaxed)
    }

    /// Whether nobody hears it: the null output.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.null.load(Relaxed)
    }

    /// How often sound was asked for.
    #[must_use]
    pub fn callbacks(&self) -> u64 {
        self.callbacks.load(Relaxed)
    }

    /// Frames of the newest callback, at 48 kHz: how far ahead of the play head the next one may reach.
    #[must_use]
    pub fn block_frames(&self) -> u32 {
        self.block_frames.load(Relaxed)
    }

    /// What carries the sound, in words, such as `JACK: melos_out, 48000 Hz, 256 frames`.
    #[must_use]
    pub fn name(&self) -> String {
        self.name.lock().map(|name| name.clone()).unwrap_or_default()
    }

    pub(super) fn set_name(&self, name: String) {
        if let Ok(mut current) = self.name.lock() {
            *current = name;
        }
    }
}
