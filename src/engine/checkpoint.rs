//! Saving and restoring the state, for checkpoints.

use std::sync::atomic::Ordering::Relaxed;

use ringbuf::traits::{Consumer, Producer};

use super::{Engine, State};
use crate::event::{QueuedCommand, SaveRequest, Saved};

impl Engine {
    /// Writes the state to its ring if that was requested for the frame at which the next quantum starts. The state is
    /// refused when the request came too late, when a command that belongs to it has not been executed yet, or when the
    /// ring is too full.
    pub(super) fn save_if_requested(&mut self) {
        let here = self.state.frame;
        let due = |request: &&SaveRequest| request.frame <= here;
        let Some(SaveRequest { frame, commands }) = self.ports.saves.try_peek().filter(due).copied() else { return };
        let is_later = |queued: &QueuedCommand| queued.number >= commands;
        let complete = frame == here
            && self.ports.commands.try_peek().is_none_or(is_later)
            && self.ports.immediate.try_peek().is_none_or(is_later)
            && postcard::to_io(&self.state, &mut self.ports.state).is_ok();
        // There is one request at a time, so the answer finds room. The next one finds room only now.
        let _ = self.ports.saved.try_push(Saved { frame, complete });
        self.ports.saves.skip(1);
    }

    /// Continues from a state. The hops from its frame on must follow, in epoch 0. Not for the audio thread.
    pub fn restore(&mut self, state: State) {
        self.status.frame.store(state.frame, Relaxed);
        self.state = state;
    }
}
