//! The sound: the engine that plays, and the output that carries it away.

use std::sync::Arc;

use ringbuf::HeapCons;
use ringbuf::traits::Consumer;

use crate::engine::EngineStatus;
use crate::event::EngineEvent;
use crate::files::config::AudioConfig;
use crate::output::device::{Output, OutputStatus};
use crate::units::frames_to_seconds;

/// What the performance thread knows of engine and output; the handle keeps the output open.
pub(in crate::session::live) struct Sound {
    pub(in crate::session::live) engine: Arc<EngineStatus>,
    pub(in crate::session::live) events: HeapCons<EngineEvent>,
    pub(in crate::session::live) output: Output,
}

impl Sound {
    /// The play head.
    pub(super) fn head(&self) -> u64 {
        self.engine.frame()
    }

    /// Frames that the output asks for at a time.
    pub(super) fn block(&self) -> u64 {
        u64::from(self.status().block_frames())
    }

    pub(super) fn silent(&self) -> bool {
        self.engine.silent()
    }

    pub(super) fn status(&self) -> &OutputStatus {
        self.output.status()
    }

    /// Plays elsewhere, or in other blocks.
    pub(super) fn configure(&self, config: AudioConfig) {
        self.output.configure(config);
    }

    /// Says what the engine reports.
    pub(super) fn hear(&mut self) {
        while let Some(event) = self.events.try_pop() {
            match event {
                EngineEvent::Starved { .. } => tracing::warn!("the generator is late; its last texture is sustained"),
                EngineEvent::Recovered { bridged, .. } => {
                    tracing::info!("the generator is back after {:.1} s", frames_to_seconds(bridged));
                }
                EngineEvent::EpochRejected { epoch, frame } => tracing::debug!(epoch, frame, "a splice came too late"),
                EngineEvent::NotFinite { frame } => {
                    tracing::error!(frame, "the network's sound held a value that is not a number; it was muted");
                }
                EngineEvent::Panicked { .. } => tracing::info!("panic: every sound cut"),
            }
        }
    }
}
