//! The conductor's output.

use std::sync::Arc;

use crate::event::Notice;
use crate::event::TimedCommand;
use crate::event::parameter::{Param, Value};
use crate::music::plan::Plan;

/// Pulses of MIDI clock per quarter note.
pub const PULSES: u64 = 24;

/// A new plan for the generator.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanUpdate {
    /// The plan.
    pub plan: Arc<Plan>,
    /// The frame, a multiple of a hop, at which the new future begins; `None` if the plan merely extends the previous
    /// one.
    pub splice: Option<u64>,
}

/// Everything that happens in a time span, each list in frame order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Score {
    /// For the engine; frames never decrease, and none precedes the horizon from which the conductor advanced.
    pub commands: Vec<TimedCommand>,
    /// For the generator, in this order.
    pub plans: Vec<PlanUpdate>,
    /// For listeners, with their frames.
    pub notices: Vec<(u64, Notice)>,
    /// MIDI clock: the frame and number of each pulse since beat 0, [`PULSES`] per beat; numbers that the clock skipped
    /// are missing.
    pub pulses: Vec<(u64, u64)>,
    /// Parameters changed at a bar line by [`crate::event::ControlEvent::NextBar`], with the frame of the line.
    pub released: Vec<(u64, Param, Value)>,
}

impl Score {
    /// Empties all lists, keeping their memory.
    pub fn clear(&mut self) {
        self.commands.clear();
        self.plans.clear();
        self.notices.clear();
        self.pulses.clear();
        self.released.clear();
    }
}
