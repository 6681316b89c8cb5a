//! Silent playback in real time, for the null output and while the device is lost.

use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

use super::status::OutputStatus;
use crate::engine::Engine;
use crate::units::{SAMPLE_RATE, frames_to_seconds};

/// Lag beyond which pacing restarts instead of catching up, so that after the machine has been suspended, the music continues
/// where it stopped.
const MAX_LAG: Duration = Duration::from_millis(500);

/// Renders the engine's blocks when they are due, and discards them.
#[derive(Debug)]
pub(super) struct PacedDriver {
    block: Vec<f32>,
    started: Instant,
    played: u64,
}

impl PacedDriver {
    /// Creates a driver that starts now, with blocks of `frames` frames, clamped to between 64 frames and one second.
    pub(super) fn new(frames: u32) -> Self {
        let frames = frames.clamp(64, SAMPLE_RATE);
        Self { block: vec![0.0; 2 * frames as usize], started: Instant::now(), played: 0 }
    }

    /// Waits until the next block is due, and plays it silently.
    pub(super) fn play(&mut self, engine: &mut Engine, status: &OutputStatus) {
        let due = self.started + Duration::from_secs_f64(frames_to_seconds(self.played));
        let now = Instant::now();
        if now > due + MAX_LAG {
            self.started = now;
            self.played = 0;
        } else {
            thread::sleep(due.saturating_duration_since(now));
        }
        status.block_frames.store(self.block.len() as u32 / 2, Relaxed);
        status.callbacks.fetch_add(1, Relaxed);
        engine.render(&mut self.block);
        self.played += self.block.len() as u64 / 2;
    }
}
