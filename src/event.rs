//! The types that threads exchange or share: parameters and their values, control events, engine commands, notices to
//! subscribers, troubles, and loss counters; and the control log, which keeps the events.

pub mod control;
pub mod engine;
pub mod health;
pub mod inbox;
pub mod log;
pub mod modulation;
pub mod notice;
pub mod parameter;
mod refusals;
mod supersede;
mod trouble;
mod wake;

pub use control::{ControlEvent, Incoming, LearnRequest, Source};
pub use engine::{
    EngineCommand, EngineEvent, Executed, Hop, QueuedCommand, SaveRequest, Saved, SpliceOutcome, TimedCommand,
};
pub use inbox::Inbox;
pub use notice::Notice;
pub use refusals::Refusals;
pub(crate) use supersede::supersede;
pub use trouble::{Part, Troubles};
pub use wake::Wake;
