//! What the daemon tells listeners: values, streams for visuals, health.

use std::net::SocketAddr;

use crate::event::Part;
use crate::event::health::Counts;
use crate::event::parameter::{Param, Value};
use crate::music::emotion::Mood;
use crate::music::theory::{Chord, Key};

/// Bands of the spectrum that listeners are told.
pub const BANDS: usize = 48;
/// Chords that the outlook tells, the one that sounds included.
pub const OUTLOOK: usize = 4;

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
    /// Levels within the mix over the last moment.
    Meters(Meters),
    /// Level of [`BANDS`] bands of the output in decibels below full scale, low to high.
    Spectrum([f32; BANDS]),
    /// The key, and the chords that sound and are planned, with the seconds until each begins; told whenever it changes.
    Outlook(Option<Key>, Vec<(Chord, f32)>),
    /// How often each of the lists has changed that are read over HTTP.
    Revisions(Revisions),
    /// The mood as heard now, not as asked for.
    Mood(Mood),
    /// How the instrument is.
    Health(Health),
    /// A part that the music does not depend on has failed.
    Trouble {
        /// Which.
        part: Part,
        /// Why, in words.
        reason: String,
    },
    /// Learning a control has ended; only for who asked.
    Learned {
        /// Who asked, if over UDP.
        to: Option<SocketAddr>,
        /// What the control moves.
        param: Param,
        /// The block for a mapping file; empty when nothing was learnt.
        block: String,
    },
}

/// Levels within the mix.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Meters {
    /// Highest samples behind the faders of network, bass, pad, upper voice, harmony, and of the output, in decibels below full scale.
    pub peaks_db: [f32; 6],
    /// How far the limiter turned down at most, in decibels from 0 downwards.
    pub limiter_db: f32,
    /// How often it had to since the start.
    pub limited: u32,
}

/// How often each list has changed that is read over HTTP; who sees a number rise reads that list again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Revisions {
    /// `/presets`.
    pub presets: u32,
    /// `/scenes`.
    pub scenes: u32,
    /// `/midi`.
    pub midi: u32,
    /// `/takes`.
    pub takes: u32,
    /// `/render`.
    pub pieces: u32,
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
