//! The engine's way home: whoever drops the callback, on whatever thread, the engine comes back.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use crate::engine::Engine;

/// Where the engine comes back to.
#[derive(Debug)]
pub(super) struct Home {
    sender: SyncSender<Box<Engine>>,
    receiver: Receiver<Box<Engine>>,
}

/// An engine that goes home when dropped.
#[derive(Debug)]
pub(super) struct Guest {
    engine: Option<Box<Engine>>,
    home: SyncSender<Box<Engine>>,
}

impl Home {
    pub(super) fn new() -> Self {
        let (sender, receiver) = sync_channel(1);
        Self { sender, receiver }
    }

    pub(super) fn send_out(&self, engine: Box<Engine>) -> Guest {
        Guest { engine: Some(engine), home: self.sender.clone() }
    }

    /// Waits for the engine; `None` when a driver keeps the callback longer than `patience`.
    pub(super) fn wait(&self, patience: Duration) -> Option<Box<Engine>> {
        self.receiver.recv_timeout(patience).ok()
    }
}

impl Guest {
    /// The engine; `None` never, until it is dropped.
    pub(super) fn engine(&mut self) -> Option<&mut Engine> {
        self.engine.as_deref_mut()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if let Some(engine) = self.engine.take() {
            // There is one engine and one place, so this neither blocks nor fails.
            let _ = self.home.try_send(engine);
        }
    }
}
