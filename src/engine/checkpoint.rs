//! Saves and restores the engine's state for checkpoints.

use std::sync::atomic::Ordering::Relaxed;

use ringbuf::traits::{Consumer, Producer};

use super::{Engine, State};
use crate::event::{QueuedCommand, SaveRequest, Saved};

impl Engine {
    /// Answers a save request when its frame has been reached: writes the state to the ring for it, or reports it as
    /// incomplete if the request is late, a command that belongs to the state has not been executed yet, or the ring is full.
    pub(super) fn save_if_requested(&mut self) {
        let current = self.state.frame;
        let due = |request: &&SaveRequest| request.frame <= current;
        let Some(SaveRequest { frame, commands }) = self.ports.saves.try_peek().filter(due).copied() else { return };
        let comes_after = |queued: &QueuedCommand| queued.number >= commands;
        let complete = frame == current
            && self.ports.commands.try_peek().is_none_or(comes_after)
            && self.ports.immediate.try_peek().is_none_or(comes_after)
            && postcard::to_io(&self.state, &mut self.ports.state).is_ok();
        // The reply fits, because there is only one request at a time; removing the request below permits the next one.
        let _ = self.ports.saved.try_push(Saved { frame, complete });
        self.ports.saves.skip(1);
    }

    /// Continues from a saved state. The hops from the state's frame on must be sent again, in epoch 0. Must not be called on
    /// the audio thread.
    pub fn restore(&mut self, state: State) {
        self.status.frame.store(state.frame, Relaxed);
        self.state = state;
    }
}
