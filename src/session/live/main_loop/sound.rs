//! The engine and the output.

use std::sync::Arc;

use ringbuf::HeapCons;
use ringbuf::traits::Consumer;

use crate::engine::EngineStatus;
use crate::event::EngineEvent;
use crate::files::config::AudioConfig;
use crate::output::device::{Output, OutputStatus};
use crate::units::frames_to_seconds;

/// Handles to the engine and the output. Dropping `output` closes it.
pub(in crate::session::live) struct Sound {
    pub(in crate::session::live) engine: Arc<EngineStatus>,
    pub(in crate::session::live) events: HeapCons<EngineEvent>,
    pub(in crate::session::live) output: Output,
}

impl Sound {
    /// Returns the playhead.
    pub(super) fn head(&self) -> u64 {
        self.engine.frame()
    }

    /// Returns the output's block size in frames.
    pub(super) fn block(&self) -> u64 {
        u64::from(self.status().block_frames())
    }

    pub(super) fn is_silent(&self) -> bool {
        self.engine.is_silent()
    }

    pub(super) fn status(&self) -> &OutputStatus {
        self.output.status()
    }

    /// Applies a new audio configuration.
    pub(super) fn configure(&self, config: AudioConfig) {
        self.output.configure(config);
    }

    /// Logs the engine's events.
    pub(super) fn log_events(&mut self) {
        while let Some(event) = self.events.try_pop() {
            match event {
                EngineEvent::Starved { .. } => {
                    tracing::warn!("the generator is late; its last sound is sustained");
                }
                EngineEvent::Recovered { bridged, .. } => {
                    tracing::info!("the generator recovered after {:.1} s", frames_to_seconds(bridged));
                }
                EngineEvent::EpochRejected { epoch, frame } => tracing::debug!(epoch, frame, "rejected a late splice"),
                EngineEvent::NotFinite { frame } => {
                    tracing::error!(frame, "replaced NaN or infinite samples with silence");
                }
                EngineEvent::Panicked { .. } => tracing::info!("panic: all sound cut"),
            }
        }
    }
}
