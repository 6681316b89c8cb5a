//! Control events for the conductor, and their sources.

use std::net::SocketAddr;
use std::time::Instant;

use super::Refusals;
use super::modulation::Modulation;
use super::parameter::{Param, Value};

/// An event for the conductor, written to the control log as one line.
#[derive(Debug, Clone, PartialEq)]
pub enum ControlEvent {
    /// Sets a parameter.
    Set(Param, Value),
    /// Sets a parameter at the next bar line. A newer value replaces a waiting one, unless the parameter keeps all
    /// requests or a request in between depends on the older value.
    NextBar(Param, Value),
    /// Spreads later changes of numeric parameters and of the mood at the same frame over this many seconds; used when
    /// a preset is loaded.
    Morph(f32),
    /// Sets one parameter value in a stored scene; used to restore scenes from earlier performances.
    SceneValue {
        /// The scene's name.
        name: String,
        /// The parameter.
        param: Param,
        /// Its value in the scene.
        value: Value,
    },
    /// Renames a stored scene, and updates the parameters and waiting changes that refer to it by name.
    RenameScene {
        /// The current name.
        from: String,
        /// The new name.
        to: String,
    },
    /// Modulates a parameter around its set value; `None` ends its modulation.
    Modulate(Param, Option<Modulation>),
    /// Reports the notes held on keyboards that lead the harmony: bit n is MIDI note n; 0 when all are released.
    LeadNotes(u128),
    /// Plays a key of the network's piano: strikes it, or releases it if the velocity is 0.
    PlayNote {
        /// MIDI note number.
        note: u8,
        /// MIDI velocity, 0..=127.
        velocity: u8,
    },
    /// Reports the tempo of the external tempo source in beats per minute, without jitter.
    Tempo(f64),
    /// Reports the time of a beat of the external tempo source.
    Beat {
        /// Quarter notes since the song's start, which is beat 0. Ableton Link has no start, so its beats are those of
        /// the bar, from 4 to 7.
        beat: f64,
        /// Frame at which the beat falls; may be slightly in the past.
        at: u64,
    },
}

/// An event from a control source.
#[derive(Debug, Clone, PartialEq)]
pub struct Incoming {
    /// The event.
    pub event: ControlEvent,
    /// When the event takes effect; `None` or a time in the past means immediately.
    pub due: Option<Instant>,
    /// Where the event came from.
    pub source: Source,
}

/// A MIDI learn request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LearnRequest {
    /// Binds this parameter to the next control that moves.
    Control(Param),
    /// Cancels learning.
    Cancel,
    /// Removes the learned bindings of this parameter.
    Forget(Param),
}

/// The origin of an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// An OSC client.
    Osc(SocketAddr),
    /// An OSC client that waits for the reasons why its events are refused.
    Request(SocketAddr, Refusals),
    /// A MIDI device.
    Midi,
    /// Anything else: startup settings, the HTTP API for scenes, Ableton Link, the JACK transport.
    Other,
}

impl Source {
    /// Returns the address of the OSC client that sent the event, if one did.
    #[must_use]
    pub const fn client(&self) -> Option<SocketAddr> {
        match self {
            Self::Osc(client) | Self::Request(client, _) => Some(*client),
            Self::Midi | Self::Other => None,
        }
    }
}
