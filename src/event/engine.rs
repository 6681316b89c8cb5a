//! What crosses the border of the audio thread, and how a change of plan was performed.

use super::parameter::Param;
use crate::mel::HOP;
use crate::music::theory::Voice;

/// One hop of the network's sound: frames `index * HOP` up to the next hop's first, mono, full scale ±1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hop {
    /// Position on the time line, in hops.
    pub index: u64,
    /// Which future it belongs to: rises by one or more with every re-planning.
    pub epoch: u32,
    /// The samples.
    pub samples: [f32; HOP],
}

/// What the control side may ask of the engine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum EngineCommand {
    /// A number of the fast lane, in the parameter's unit and within its range; other parameters are ignored.
    Number(Param, f32),
    /// A switch of the fast lane; others are ignored.
    Toggle(Param, bool),
    /// Starts a note of a harmony voice.
    NoteOn {
        /// Which voice.
        voice: Voice,
        /// MIDI note number.
        note: u8,
        /// Strength, 0 to 1.
        velocity: f32,
    },
    /// Releases a note of a harmony voice.
    NoteOff {
        /// Which voice.
        voice: Voice,
        /// MIDI note number.
        note: u8,
    },
    /// Where the phrase stands between its softest (0) and its loudest (1); [`Param::Dynamics`] says how much that matters.
    Expression(f32),
    /// Cuts every sound within 10 ms, empties the room, and fades in afresh.
    Panic,
}

/// A command and the frame it takes effect at; the frames in the ring never fall.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimedCommand {
    /// Position on the time line; a frame already played means at once, and is counted.
    pub frame: u64,
    /// What to do.
    pub command: EngineCommand,
}

/// Something that happened on the audio thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineEvent {
    /// The network's sound ran out; its last texture is sustained until it is back.
    Starved {
        /// Where.
        frame: u64,
    },
    /// The network's sound is back.
    Recovered {
        /// Where.
        frame: u64,
        /// How many frames were bridged.
        bridged: u64,
    },
    /// A re-planned future came too late: its first hop had already begun to play. All its hops are ignored.
    EpochRejected {
        /// Which.
        epoch: u32,
        /// The play head when it came.
        frame: u64,
    },
    /// A number that is none (or infinite) was found and replaced by silence.
    NotFinite {
        /// Where.
        frame: u64,
    },
    /// A panic command was carried out.
    Panicked {
        /// Where.
        frame: u64,
    },
}

/// How a change of plan was performed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Performed {
    /// Frame from which the new music is heard.
    pub heard: u64,
    /// Frame from which it was decided anew.
    pub from: u64,
    /// Frame up to which the old music had been decided when the generator went back; `None` when that makes no
    /// difference, for it reached beyond the crossfade.
    pub known: Option<u64>,
}

/// Commands and hops cross the thread boundary by copy: nothing they carry can be freed on the audio thread.
const _: () = {
    const fn crosses<T: Copy + Send + 'static>() {}
    crosses::<TimedCommand>();
    crosses::<Hop>();
    crosses::<EngineEvent>();
};
