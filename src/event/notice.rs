//! Notices from the daemon to subscribers: values, data for visuals, health.

use std::net::SocketAddr;

use crate::event::Part;
use crate::event::health::Counts;
use crate::event::parameter::{Param, Value};
use crate::music::emotion::Mood;
use crate::music::theory::{Chord, Key};

/// Number of spectrum bands sent to subscribers.
pub const BANDS: usize = 48;
/// Number of chords in the outlook, including the current one.
pub const OUTLOOK_CHORDS: usize = 4;

/// A notice to subscribers; the session pushes it to OSC and OSCQuery clients.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// A parameter changed.
    Value(Param, Value),
    /// A beat begins.
    Beat {
        /// Beat in the bar, from 0.
        beat: u32,
        /// Bar number since the start, from 0.
        bar: u64,
        /// Tempo in beats per minute.
        tempo: f32,
    },
    /// A bar begins.
    Bar {
        /// Bar number since the start, from 0.
        bar: u64,
        /// Tempo in beats per minute.
        tempo: f32,
    },
    /// The harmony moves to a chord, in a key.
    Chord(Chord, Key),
    /// The network's piano starts a note.
    Note {
        /// MIDI note number.
        note: u8,
        /// MIDI velocity.
        velocity: u8,
        /// How long the key is held, in seconds.
        seconds: f32,
        /// Whether the note belongs to the melody.
        melody: bool,
    },
    /// The network's piano starts one or more notes together.
    Onset {
        /// The highest velocity of these notes, 0..=1.
        strength: f32,
    },
    /// Recent output level, in dBFS.
    Level {
        /// Root mean square.
        rms_db: f32,
        /// Sample peak.
        peak_db: f32,
    },
    /// Recent levels within the mix.
    Meters(Meters),
    /// Output level in [`BANDS`] bands, low to high, in dBFS.
    Spectrum([f32; BANDS]),
    /// The key, and the current and planned chords, each with the seconds until it begins; sent when the key, a chord
    /// or the time of a chord changes.
    Outlook(Option<Key>, Vec<(Chord, f32)>),
    /// Change counters of the lists served over HTTP.
    Revisions(Revisions),
    /// The mood as currently heard, not as requested.
    Mood(Mood),
    /// Health of the instrument.
    Health(Health),
    /// An optional part failed, or works again.
    Trouble {
        /// The part.
        part: Part,
        /// Why the part failed; empty if it works again.
        reason: String,
    },
    /// An event from an OSC client was refused; sent only to this client.
    Refused {
        /// The client's address.
        client: SocketAddr,
        /// Why the event was refused.
        reason: String,
    },
    /// MIDI learn ended, or learned bindings were removed. Over UDP, sent only to the client that requested it.
    Learned {
        /// The client's address, if the request came over UDP.
        to: Option<SocketAddr>,
        /// The parameter.
        param: Param,
        /// The binding, as a TOML block for a mapping file; empty if nothing was learned.
        block: String,
    },
}

/// Levels within the mix.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Meters {
    /// Post-fader peaks of network, bass, pad, upper voice and harmony, then the output peak, in dBFS.
    pub peaks_db: [f32; 6],
    /// Lowest recent gain of the limiter, in decibels; at most 0.
    pub limiter_db: f32,
    /// How many times the limiter has begun to reduce the gain since startup.
    pub limited: u32,
}

/// Change counters of the lists served over HTTP; a client reloads a list when its counter rises.
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

/// Health of the instrument; counters only increase.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Health {
    /// `playing`, `silent`, `starved` or `no-device`.
    pub state: String,
    /// Generator time in seconds per second of audio; above 1, the generator cannot keep up.
    pub load: f32,
    /// Losses so far.
    pub losses: Counts,
}
