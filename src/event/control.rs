//! Control events on their way to the conductor, and who sent them.

use std::net::SocketAddr;
use std::time::Instant;

use super::modulation::Modulation;
use super::parameter::{Param, Value};

/// What reaches the conductor; one line of the control log.
#[derive(Debug, Clone, PartialEq)]
pub enum ControlEvent {
    /// A parameter takes a value.
    Set(Param, Value),
    /// A parameter takes a value at the next bar line; the newest value asked for it until then counts.
    NextBar(Param, Value),
    /// The numbers and the mood set after this, at the same moment, arrive within so many seconds; so a preset morphs in.
    Morph(f32),
    /// A stored scene has this value of a parameter; scenes of earlier performances come back this way.
    SceneValue {
        /// The scene's name.
        name: String,
        /// The parameter.
        param: Param,
        /// Its value in the scene.
        value: Value,
    },
    /// A parameter moves by itself from now on, around the value that it is set to; or, without a modulation, no more.
    Modulate(Param, Option<Modulation>),
    /// The chord held on a keyboard that leads the harmony: bit n stands for MIDI note n; 0 when all are released.
    LeadNotes(u128),
    /// Tempo of an external clock in beats per minute, filtered of jitter.
    Tempo(f64),
    /// Where an external clock's beats lie.
    Beat {
        /// Quarter notes since the clock's start.
        beat: f64,
        /// The frame on the performance's time line at which that beat falls; may lie a little in the past.
        at: u64,
    },
}

/// An event on its way in.
#[derive(Debug, Clone, PartialEq)]
pub struct Incoming {
    /// What shall happen.
    pub event: ControlEvent,
    /// When; `None` at once. A moment that has passed also means at once.
    pub due: Option<Instant>,
    /// Who asked.
    pub source: Source,
}

/// What somebody wants of MIDI learn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LearnRequest {
    /// The control that is moved next shall move this parameter.
    Control(Param),
    /// No control is to be learnt after all.
    Cancel,
    /// What was learnt for this parameter shall be forgotten.
    Forget(Param),
}

/// Where an event came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// An OSC client.
    Osc(SocketAddr),
    /// A MIDI device.
    Midi,
    /// The command line, a signal, a web client, a preset: anything else.
    Other,
}
