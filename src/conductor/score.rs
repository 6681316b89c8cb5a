//! The conductor's output.

use std::sync::Arc;

use crate::event::Notice;
use crate::event::TimedCommand;
use crate::event::parameter::{Param, Value};
use crate::music::plan::Plan;

/// MIDI clock pulses per beat (a quarter note).
pub const PULSES_PER_BEAT: u64 = 24;

/// A new plan for the generator.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanUpdate {
    /// The plan.
    pub plan: Arc<Plan>,
    /// The frame, a multiple of the hop, at which the new future begins; `None` if the plan only extends the previous one.
    pub splice: Option<u64>,
}

/// Everything that happens in a span of time. Each list is in order of frame.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Score {
    /// Commands to the engine; none is due before the horizon from which the conductor advanced.
    pub commands: Vec<TimedCommand>,
    /// Plans for the generator, in the order in which it must receive them.
    pub plans: Vec<PlanUpdate>,
    /// Notices to subscribers, with their frames.
    pub notices: Vec<(u64, Notice)>,
    /// MIDI clock pulses, [`PULSES_PER_BEAT`] per beat: the frame of each, and its number, counted from beat 0. Pulses that
    /// the clock skips are omitted.
    pub pulses: Vec<(u64, u64)>,
    /// Parameters changed at a bar line by [`crate::event::ControlEvent::NextBar`]: the frame of the line, and each new
    /// value.
    pub released: Vec<(u64, Param, Value)>,
}

impl Score {
    /// Empties all lists, keeping their capacity.
    pub fn clear(&mut self) {
        self.commands.clear();
        self.plans.clear();
        self.notices.clear();
        self.pulses.clear();
        self.released.clear();
    }
}
