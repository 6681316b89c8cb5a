//! What the rest may know about the worker, without asking it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::super::LATENT_FRAMES;
use crate::event::health::Losses;
use crate::units::SAMPLE_RATE;

/// Share of the newest latent in the average of times.
const SHARE: f32 = 0.05;

/// The worker's state, written by the worker, read by anyone.
#[derive(Debug, Default)]
pub struct WorkerStatus {
    pub(super) covered: AtomicU64,
    pub(super) epoch: AtomicU32,
    pub(super) latents: AtomicU64,
    pub(super) losses: Arc<Losses>,
    longest_micros: AtomicU64,
    load: AtomicU32,
}

impl WorkerStatus {
    pub(super) fn new(losses: Arc<Losses>) -> Self {
        Self { losses, ..Self::default() }
    }

    /// Frames up to here were sent to the engine.
    #[must_use]
    pub fn covered(&self) -> u64 {
        self.covered.load(Relaxed)
    }

    /// The epoch being sent.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch.load(Relaxed)
    }

    /// Latents generated so far, those decided again included.
    #[must_use]
    pub fn latents(&self) -> u64 {
        self.latents.load(Relaxed)
    }

    /// Longest time one latent took.
    #[must_use]
    pub fn longest(&self) -> Duration {
        Duration::from_micros(self.longest_micros.load(Relaxed))
    }

    /// Time a latent takes as a share of the time it lasts, on average of late.
    #[must_use]
    pub fn load(&self) -> f32 {
        f32::from_bits(self.load.load(Relaxed))
    }

    /// Notes the time one latent took.
    pub(super) fn took(&self, time: Duration) {
        let lasts = LATENT_FRAMES as f32 / SAMPLE_RATE as f32;
        let share = if self.latents.fetch_add(1, Relaxed) == 0 { 1.0 } else { SHARE };
        let load = self.load();
        self.load.store((load + share * (time.as_secs_f32() / lasts - load)).to_bits(), Relaxed);
        self.longest_micros.fetch_max(time.as_micros() as u64, Relaxed);
    }
}
