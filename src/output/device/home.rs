//! Where the engine lives while a stream plays: the callback takes it for a block and puts it back, and the supervisor
//! takes it away whenever it must. Neither waits for the other, so a callback that hangs keeps nobody from the engine.
#![cfg_attr(not(test), deny(clippy::disallowed_types, clippy::disallowed_methods, clippy::disallowed_macros))]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use crossbeam_utils::atomic::AtomicCell;

use crate::engine::Engine;

/// One stream's place for the engine.
#[derive(Default)]
pub(super) struct Home {
    engine: AtomicCell<Option<Box<Engine>>>,
    /// The engine lives here, though the callback may have it just now.
    occupied: AtomicBool,
    /// The sound shall fade, since the engine is about to be taken away.
    leaving: AtomicBool,
    faded: AtomicBool,
    /// Frames that the stream has asked for, at 48 kHz, whether there was an engine or not.
    asked: AtomicU64,
}

impl std::fmt::Debug for Home {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The engine cannot be looked at without taking it.
        formatter.debug_struct("Home").field("occupied", &self.occupied).finish_non_exhaustive()
    }
}

impl Home {
    /// Gives the stream the engine; it fades in.
    pub(super) fn settle(&self, engine: Box<Engine>) {
        self.occupied.store(true, Relaxed);
        self.engine.store(Some(engine));
    }

    /// Takes the engine away; `None` while the callback has it, which is for less than a block.
    pub(super) fn vacate(&self) -> Option<Box<Engine>> {
        let engine = self.engine.take();
        if engine.is_some() {
            self.occupied.store(false, Relaxed);
        }
        engine
    }

    /// Asks the callback to fade out, and tells whether it has.
    pub(super) fn fade(&self) -> bool {
        self.leaving.store(true, Relaxed);
        self.faded.load(Relaxed)
    }

    /// Frames that the stream has asked for so far.
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Relaxed)
    }

    /// For the callback: counts frames asked for; whether the engine lives here.
    pub(super) fn count(&self, frames: u64) -> bool {
        self.asked.fetch_add(frames, Relaxed);
        self.occupied.load(Relaxed)
    }

    /// For the callback: whether to fade out.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Relaxed)
    }

    /// For the callback: the sound has faded out.
    pub(super) fn set_faded(&self) {
        self.faded.store(true, Relaxed);
    }

    /// For the callback: the engine for a block.
    pub(super) fn borrow(&self) -> Option<Box<Engine>> {
        self.engine.take()
    }

    /// For the callback: gives the engine back.
    pub(super) fn give_back(&self, engine: Box<Engine>) {
        // Nobody else puts an engine here meanwhile, so nothing is dropped.
        self.engine.store(Some(engine));
    }
}
