//! Sends commands to the engine, and resynchronizes it after its queue was full.

use std::ops::Range;
use std::sync::Arc;

use ringbuf::HeapProd;
use ringbuf::traits::{Observer, Producer};

use crate::conductor::{Conductor, Handover};
use crate::event::TimedCommand;
use crate::event::health::{Loss, Losses};

/// The ring to the engine, and what the engine has received.
pub(in crate::session::live) struct EngineFeed {
    handover: Handover,
    commands: HeapProd<TimedCommand>,
    losses: Arc<Losses>,
}

impl EngineFeed {
    pub(in crate::session::live) fn new(commands: HeapProd<TimedCommand>, losses: Arc<Losses>) -> Self {
        Self { handover: Handover::default(), commands, losses }
    }

    /// Sends a command; if there is no room, the engine is resynchronized later.
    pub(super) fn send(&mut self, command: TimedCommand) {
        self.handover.send(command, |command| self.commands.try_push(command).is_ok());
    }

    /// Resynchronizes the engine with the conductor once it accepts commands again. Returns which commands it missed,
    /// counted from the start of the performance.
    pub(super) fn reconcile(&mut self, conductor: &Conductor) -> Option<Range<u64>> {
        if !self.handover.is_behind() {
            return None;
        }
        let room = self.commands.vacant_len();
        let lost = self.handover.reconcile(conductor, room, |command| self.commands.try_push(command).is_ok())?;
        let commands = lost.end - lost.start;
        self.losses.add(Loss::CommandsLost, commands);
        tracing::warn!(commands, "the engine's command queue was full; the engine is resynchronized");
        Some(lost)
    }
}
