//! Engine commands that have not been issued yet.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::event::TimedCommand;

/// Commands in order of frame, then of insertion.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct CommandQueue(VecDeque<TimedCommand>);

impl CommandQueue {
    pub(super) fn add(&mut self, commands: Vec<TimedCommand>) {
        for command in commands {
            let index = self.0.partition_point(|other| other.frame <= command.frame);
            self.0.insert(index, command);
        }
    }

    /// Returns the frame of the first command.
    pub(super) fn due(&self) -> Option<u64> {
        self.0.front().map(|command| command.frame)
    }

    pub(super) fn pop(&mut self) -> Option<TimedCommand> {
        self.0.pop_front()
    }
}
