//! What the daemon tells listeners: values, streams for visuals, health.

use std::net::SocketAddr;

use crate::event::health::Counts;
use crate::event::parameter::{Param, Value};
use crate::music::emotion::Mood;
use crate::music::theory::{Chord, Key};

/// Something a listener may want to know; pushed by the session and sent on to OSC and OSCQuery clients.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// A parameter has a new value.
    Value(Param, Value),
    /// A beat begins.
    Beat {
        /// Beat in the bar, from 0.
        beat: u32,
        /// Bar since the start, from 0.
        bar: u64,
        /// Tempo in beats per minute.
        tempo: f32,
    },
    /// A bar begins.
    Bar {
        /// Bar since the start, from 0.
        bar: u64,
        /// Tempo in beats per minute.
        tempo: f32,
    },
    /// The harmony moves to a chord.
    Chord(Chord, Key),
    /// A note begins in the network's piano.
    Onset {
        /// How marked it is, 0..=1.
        strength: f32,
    },
    /// Level of the output over the last moment, in decibels below full scale.
    Level {
        /// Root mean square.
        rms_db: f32,
        /// Highest sample.
        peak_db: f32,
    },
    /// The mood as heard now, not as asked for.
    Mood(Mood),
    /// How the instrument is.
    Health(Health),
    /// Learning a control has ended; only for who asked.
    Learned {
        /// Who asked.
        to: SocketAddr,
        /// What the control moves.
        param: Param,
        /// The block for a mapping file; empty when nothing was learnt.
        block: String,
    },
}

/// How the instrument is; counters only grow.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Health {
    /// One word: `playing`, `starved`, `no-device`, …
    pub state: String,
    /// Time the generator needs for a second of sound, in seconds; above 1 it cannot keep up.
    pub load: f32,
    /// What was lost or late so far.
    pub losses: Counts,
}
