//! Data passed to and from the audio thread, and the outcome of splices.

use serde::{Deserialize, Serialize};

use super::parameter::Param;
use crate::bytes;
use crate::mel::HOP;
use crate::music::theory::Voice;

/// One hop of the network's audio: [`HOP`] mono samples from frame `index * HOP` onwards, full scale ±1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Hop {
    /// Position on the timeline, in hops.
    pub index: u64,
    /// The epoch, which increases with every splice.
    pub epoch: u32,
    /// The samples.
    #[serde(with = "bytes")]
    pub samples: [f32; HOP],
}

/// A command to the engine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum EngineCommand {
    /// Sets a numeric parameter of the fast lane, or the fade time of the next change of `play`, in its unit and within
    /// its range; any other parameter is ignored.
    Number(Param, f32),
    /// Sets a toggle of the fast lane; any other parameter is ignored.
    Toggle(Param, bool),
    /// Starts a note of a harmony voice.
    NoteOn {
        /// The voice.
        voice: Voice,
        /// MIDI note number.
        note: u8,
        /// Velocity, 0 to 1.
        velocity: f32,
    },
    /// Releases a note of a harmony voice.
    NoteOff {
        /// The voice.
        voice: Voice,
        /// MIDI note number.
        note: u8,
    },
    /// Sets the loudness within the phrase, from the softest point (0) to the loudest (1); [`Param::Dynamics`] scales
    /// the effect.
    Expression(f32),
    /// Cuts all sound within 10 ms, clears everything that would keep sounding, and fades back in.
    Panic,
}

/// A command and the frame at which it takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TimedCommand {
    /// Position on the timeline.
    pub frame: u64,
    /// The command.
    pub command: EngineCommand,
}

/// A command in a queue to the engine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QueuedCommand {
    /// The command's number, counted from the start of the performance.
    pub number: u64,
    /// The frame at which the command takes effect. In the queue of timed commands, frames never decrease, and a
    /// command that arrives after its frame takes effect at once and counts as late. Commands in the queue of immediate
    /// commands take effect in the next quantum, whatever their frame.
    pub frame: u64,
    /// The command.
    pub command: EngineCommand,
}

/// A report of when the engine executed an immediate or late command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Executed {
    /// The command's number.
    pub number: u64,
    /// The frame for which the command was sent.
    pub due: u64,
    /// The frame at which the command took effect, the first of a quantum.
    pub at: u64,
}

/// A request for the engine's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SaveRequest {
    /// The frame of the requested state, the first of a quantum.
    pub frame: u64,
    /// Number of the first command to exclude: the state must include the effects of all commands before it, and of no
    /// later ones except immediate ones.
    pub commands: u64,
}

/// The engine's answer to a [`SaveRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saved {
    /// The requested frame.
    pub frame: u64,
    /// Whether the state was written.
    pub complete: bool,
}

/// An event on the audio thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineEvent {
    /// The network's audio ran out; its last sound is sustained until new audio arrives.
    Starved {
        /// The playhead.
        frame: u64,
    },
    /// The network's audio resumed.
    Recovered {
        /// The playhead.
        frame: u64,
        /// Number of frames without network audio.
        bridged: u64,
    },
    /// A new future arrived after the playhead had passed the start of its first hop. All its hops are ignored.
    EpochRejected {
        /// The epoch of the future.
        epoch: u32,
        /// The playhead when the future arrived.
        frame: u64,
    },
    /// NaN or infinite samples were replaced with silence.
    NotFinite {
        /// The playhead.
        frame: u64,
    },
    /// A panic command was carried out.
    Panicked {
        /// The playhead.
        frame: u64,
    },
}

/// How a splice was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpliceOutcome {
    /// Frame from which the new music is audible.
    pub audible_from: u64,
    /// Frame from which the music was replanned.
    pub from: u64,
    /// Frame up to which the old future had been generated when the splice took effect; `None` if it had reached the
    /// end of the crossfade.
    pub generated_to: Option<u64>,
}

impl SpliceOutcome {
    /// Maximum delay, in frames, at which a splice still counts as on time: 32 ms, too short for a listener to notice.
    const TOLERANCE: u64 = 1536;

    /// Returns whether the splice, planned for frame `planned`, became audible too late.
    #[must_use]
    pub const fn is_late(&self, planned: u64) -> bool {
        self.audible_from > planned + Self::TOLERANCE
    }
}

/// Everything queued to or from the audio thread is `Copy`, so nothing is ever freed there.
const _: () = {
    const fn assert_copy<T: Copy + Send + 'static>() {}
    assert_copy::<QueuedCommand>();
    assert_copy::<Executed>();
    assert_copy::<SaveRequest>();
    assert_copy::<Saved>();
    assert_copy::<Hop>();
    assert_copy::<EngineEvent>();
};
