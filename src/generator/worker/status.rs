//! The worker's status, readable from any thread.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::Duration;

use crate::event::health::Losses;
use crate::mel::LATENT_FRAMES;
use crate::units::SAMPLE_RATE;

/// Weight of the newest latent in the moving average of the load.
const AVERAGE_WEIGHT: f32 = 0.05;

/// The worker's published state, written by the worker and readable from any thread.
#[derive(Debug, Default)]
pub struct WorkerStatus {
    pub(super) covered: AtomicU64,
    pub(super) epoch: AtomicU32,
    pub(super) latents: AtomicU64,
    pub(super) losses: Arc<Losses>,
    load: AtomicU32,
}

impl WorkerStatus {
    pub(super) fn new(losses: Arc<Losses>) -> Self {
        Self { losses, ..Self::default() }
    }

    /// Returns the frame up to which hops for the engine have been generated in the current epoch.
    #[must_use]
    pub fn covered(&self) -> u64 {
        self.covered.load(Relaxed)
    }

    /// Returns the current epoch. If [`Self::covered`] is read afterwards, it belongs to this epoch or a newer one.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch.load(Acquire)
    }

    /// Returns the load: the recent average of the time taken to generate a latent, as a fraction of its duration.
    #[must_use]
    pub fn load(&self) -> f32 {
        f32::from_bits(self.load.load(Relaxed))
    }

    /// Records the time taken to generate a latent.
    pub(super) fn record(&self, time: Duration) {
        let duration = LATENT_FRAMES as f32 / SAMPLE_RATE as f32;
        let weight = if self.latents.fetch_add(1, Relaxed) == 0 { 1.0 } else { AVERAGE_WEIGHT };
        let load = self.load();
        self.load.store((load + weight * (time.as_secs_f32() / duration - load)).to_bits(), Relaxed);
    }
}
