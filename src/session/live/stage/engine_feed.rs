//! The way to the engine: commands, and what it missed while its queue was full.

use std::ops::Range;
use std::sync::Arc;

use ringbuf::HeapProd;
use ringbuf::traits::{Observer, Producer};

use crate::conductor::{Conductor, Handover};
use crate::event::TimedCommand;
use crate::event::health::{Loss, Losses};

/// The ring that leads to the engine, and what the engine has been told.
pub(in crate::session::live) struct EngineFeed {
    handover: Handover,
    commands: HeapProd<TimedCommand>,
    losses: Arc<Losses>,
}

impl EngineFeed {
    pub(in crate::session::live) fn new(commands: HeapProd<TimedCommand>, losses: Arc<Losses>) -> Self {
        Self { handover: Handover::default(), commands, losses }
    }

    /// Passes a command on; one that finds no room is told later, as part of everything.
    pub(super) fn pass(&mut self, command: TimedCommand) {
        self.handover.pass(command, |command| self.commands.try_push(command).is_ok());
    }

    /// Brings the engine back to what the conductor holds, once it takes commands again after it did not. Returns which
    /// commands it missed, counted from the first of the performance.
    pub(super) fn reconcile(&mut self, conductor: &Conductor) -> Option<Range<u64>> {
        if !self.handover.is_behind() {
            return None;
        }
        let room = self.commands.vacant_len();
        let lost = self.handover.reconcile(conductor, room, |command| self.commands.try_push(command).is_ok())?;
        let commands = lost.end - lost.start;
        self.losses.add(Loss::CommandsLost, commands);
        tracing::warn!(commands, "the engine did not keep up with its commands; it has been told everything again");
        Some(lost)
    }
}
