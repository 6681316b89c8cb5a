//! The output's public status.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use crate::event::health::Losses;

/// The output's status, updated by the callback, the stream's thread and the supervisor.
#[derive(Debug, Default)]
pub struct OutputStatus {
    pub(super) connected: AtomicBool,
    pub(super) failed: AtomicBool,
    pub(super) null: AtomicBool,
    pub(super) callbacks: AtomicU64,
    pub(super) block_frames: AtomicU32,
    pub(super) losses: Arc<Losses>,
    /// Never accessed by the callback.
    pub(super) name: Mutex<String>,
}

impl OutputStatus {
    pub(super) fn new(losses: Arc<Losses>) -> Self {
        Self { losses, ..Self::default() }
    }

    /// Returns whether audio goes to a device, or to the null output by configuration.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connected.load(Relaxed)
    }

    /// Returns whether the output has failed permanently: a driver has not returned the engine, and only a restart
    /// helps.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failed.load(Relaxed)
    }

    /// Returns whether the output is the null output, which is silent.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.null.load(Relaxed)
    }

    /// Returns the number of blocks played so far, including those played silently while there was no device.
    #[must_use]
    pub fn callbacks(&self) -> u64 {
        self.callbacks.load(Relaxed)
    }

    /// Returns how many frames at 48 kHz the latest callback requested; the next one may render this far ahead of the
    /// playhead.
    #[must_use]
    pub fn block_frames(&self) -> u32 {
        self.block_frames.load(Relaxed)
    }

    /// Returns a description of the current output, such as `JACK: melos-audio, 48000 Hz, 256 frames per block`.
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
