//! The slot that holds the engine while a stream plays: the callback takes the engine for each block and puts it back,
//! and the supervisor can remove it. Neither waits for the other, so a hung callback does not block the supervisor.
#![cfg_attr(not(test), deny(clippy::disallowed_types, clippy::disallowed_methods, clippy::disallowed_macros))]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use crossbeam_utils::atomic::AtomicCell;

use crate::engine::Engine;

/// The engine slot of one stream.
#[derive(Default)]
pub(super) struct EngineSlot {
    engine: AtomicCell<Option<Box<Engine>>>,
    /// Whether the engine belongs to the stream, even while the callback is using it.
    occupied: AtomicBool,
    /// Whether the callback should fade out, because the engine is about to be removed.
    fade_requested: AtomicBool,
    faded: AtomicBool,
    /// Frames at 48 kHz requested by the stream, with or without an engine.
    requested: AtomicU64,
}

impl std::fmt::Debug for EngineSlot {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The engine cannot be inspected without being taken.
        formatter.debug_struct("EngineSlot").field("occupied", &self.occupied).finish_non_exhaustive()
    }
}

impl EngineSlot {
    /// Gives the engine to the stream, which fades it in.
    pub(super) fn insert(&self, engine: Box<Engine>) {
        self.occupied.store(true, Relaxed);
        self.engine.store(Some(engine));
    }

    /// Removes the engine. Returns `None` if there is none or while the callback is using it, normally for less than a block.
    pub(super) fn remove(&self) -> Option<Box<Engine>> {
        let engine = self.engine.take();
        if engine.is_some() {
            self.occupied.store(false, Relaxed);
        }
        engine
    }

    /// Requests a fade-out; returns whether it has been played.
    pub(super) fn fade_out(&self) -> bool {
        self.fade_requested.store(true, Relaxed);
        self.faded.load(Relaxed)
    }

    /// Returns how many frames at 48 kHz the stream has requested so far.
    pub(super) fn requested(&self) -> u64 {
        self.requested.load(Relaxed)
    }

    /// Counts the frames that a callback requests; returns whether the engine belongs to the stream.
    pub(super) fn count_requested(&self, frames: u64) -> bool {
        self.requested.fetch_add(frames, Relaxed);
        self.occupied.load(Relaxed)
    }

    /// Returns whether the callback should fade out.
    pub(super) fn should_fade_out(&self) -> bool {
        self.fade_requested.load(Relaxed)
    }

    /// Records that the callback has played the fade-out.
    pub(super) fn set_faded(&self) {
        self.faded.store(true, Relaxed);
    }

    /// Takes the engine for one block. Called by the callback.
    pub(super) fn take(&self) -> Option<Box<Engine>> {
        self.engine.take()
    }

    /// Puts the engine back after a block. Called by the callback.
    pub(super) fn put_back(&self, engine: Box<Engine>) {
        // Nothing else inserts an engine in the meantime, so the callback never drops one.
        self.engine.store(Some(engine));
    }
}
