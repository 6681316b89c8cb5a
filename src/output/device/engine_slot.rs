//! The slot that holds the engine while a stream plays: the callback takes the engine for each block and puts it back,
//! and the supervisor can take it away. Neither waits for the other, so a hung callback does not block the engine.
#![cfg_attr(not(test), deny(clippy::disallowed_types, clippy::disallowed_methods, clippy::disallowed_macros))]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use crossbeam_utils::atomic::AtomicCell;

use crate::engine::Engine;

/// The engine slot of one stream.
#[derive(Default)]
pub(super) struct EngineSlot {
    engine: AtomicCell<Option<Box<Engine>>>,
    /// Whether the stream has the engine, even while the callback is using it.
    occupied: AtomicBool,
    /// Whether to fade out, because the engine is about to be taken away.
    leaving: AtomicBool,
    faded: AtomicBool,
    /// Frames requested by the stream, at 48 kHz, with or without an engine.
    requested: AtomicU64,
}

impl std::fmt::Debug for EngineSlot {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The engine cannot be inspected without taking it.
        formatter.debug_struct("EngineSlot").field("occupied", &self.occupied).finish_non_exhaustive()
    }
}

impl EngineSlot {
    /// Gives the engine to the stream; it fades in.
    pub(super) fn insert(&self, engine: Box<Engine>) {
        self.occupied.store(true, Relaxed);
        self.engine.store(Some(engine));
    }

    /// Takes the engine away; `None` while the callback is using it, for less than a block.
    pub(super) fn remove(&self) -> Option<Box<Engine>> {
        let engine = self.engine.take();
        if engine.is_some() {
            self.occupied.store(false, Relaxed);
        }
        engine
    }

    /// Tells the callback to fade out; returns whether the fade has been played.
    pub(super) fn fade(&self) -> bool {
        self.leaving.store(true, Relaxed);
        self.faded.load(Relaxed)
    }

    /// Frames requested by the stream so far.
    pub(super) fn requested(&self) -> u64 {
        self.requested.load(Relaxed)
    }

    /// For the callback: counts requested frames and returns whether the stream has the engine.
    pub(super) fn count(&self, frames: u64) -> bool {
        self.requested.fetch_add(frames, Relaxed);
        self.occupied.load(Relaxed)
    }

    /// For the callback: whether to fade out.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Relaxed)
    }

    /// For the callback: reports that the fade-out has been played.
    pub(super) fn set_faded(&self) {
        self.faded.store(true, Relaxed);
    }

    /// For the callback: takes the engine for a block.
    pub(super) fn borrow(&self) -> Option<Box<Engine>> {
        self.engine.take()
    }

    /// For the callback: puts the engine back.
    pub(super) fn give_back(&self, engine: Box<Engine>) {
        // Nothing else inserts an engine in the meantime, so none is dropped.
        self.engine.store(Some(engine));
    }
}
