//! The rule-based harmony: keys, chords, phrases, and what bass, pad and upper voice play.
//!
//! Valence is carried by mode and choice of chords, arousal by activity, register, touch and harmonic rhythm. Pure and
//! seeded: the same seed and requests give the same music; `Clone` and go on to look ahead.

mod dice;
mod lead;
mod numeral;
mod palette;
pub mod profile;
mod progression;

use crate::emotion::Mood;
use crate::theory::{Chord, Key, Mode, Voice};

pub use lead::chord_from_notes;
pub use numeral::Function;
pub use profile::Profile;

/// One note of a voice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Note {
    /// Who plays it.
    pub voice: Voice,
    /// MIDI note number.
    pub note: u8,
    /// Touch, 0..=1.
    pub velocity: f32,
    /// Onset in beats from the start of the bar.
    pub at_beat: f64,
    /// Length in beats; never past the end of the bar.
    pub beats: f64,
}

/// What is known before a bar is planned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BarRequest {
    /// Number of the bar since the start; a gap starts a new phrase.
    pub bar: u64,
    /// Beats in it, at least 1.
    pub beats: u32,
    /// The mood it is to have.
    pub mood: Mood,
    /// Pitch class of the tonic.
    pub tonic: u8,
    /// The mode, or `None` to let the mood choose.
    pub mode: Option<Mode>,
    /// A chord that leads: it sounds instead of the progression while it is there.
    pub lead: Option<Chord>,
    /// Chroma of the bar before as the network played it, in any scale; `None` when not known.
    pub heard: Option<[f32; 12]>,
    /// How far phrases swell and fade, 0..=1.
    pub dynamics: f32,
}

/// How a section of a phrase ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cadence {
    /// Dominant, then the tonic chord.
    Authentic,
    /// Predominant, then the tonic chord.
    Plagal,
    /// On a dominant, left open.
    Half,
    /// Dominant, then a relative of the tonic.
    Deceptive,
}

/// Where a bar stands in its phrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhrasePosition {
    /// Position in the phrase, from 0.
    pub bar: u32,
    /// Bars in the phrase.
    pub bars: u32,
    /// The cadence whose last chord falls into this bar.
    pub cadence: Option<Cadence>,
}

/// One bar as it is to be played.
#[derive(Debug, Clone, PartialEq)]
pub struct BarPlan {
    /// The key.
    pub key: Key,
    /// Beats on which chords begin, the first at 0, and the chords.
    pub chords: Vec<(f64, Chord)>,
    /// Everything the three voices play, by onset.
    pub notes: Vec<Note>,
    /// Level of the harmony by the shape of the phrase, 0..=1.
    pub expression: f32,
    /// Where the bar stands in its phrase.
    pub phrase: PhrasePosition,
}
