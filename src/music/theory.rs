//! Pitch classes, modes, keys, chords and the harmony voices. [`super::spelling`] parses them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Names of the twelve pitch classes, C = 0.
pub const PITCH_NAMES: [&str; 12] = ["C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"];

/// A supported seven-note scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are self-explanatory")]
pub enum Mode {
    Major,
    Minor,
    Dorian,
    Phrygian,
    Lydian,
    Mixolydian,
    HarmonicMinor,
}

impl Mode {
    /// All modes.
    pub const ALL: [Self; 7] =
        [Self::Major, Self::Minor, Self::Dorian, Self::Phrygian, Self::Lydian, Self::Mixolydian, Self::HarmonicMinor];

    /// Returns the name used in presets and control messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Major => "major",
            Self::Minor => "minor",
            Self::Dorian => "dorian",
            Self::Phrygian => "phrygian",
            Self::Lydian => "lydian",
            Self::Mixolydian => "mixolydian",
            Self::HarmonicMinor => "harmonic-minor",
        }
    }

    /// Returns the seven degrees of the scale in semitones above the tonic.
    #[must_use]
    pub const fn degrees(self) -> [u8; 7] {
        match self {
            Self::Major => [0, 2, 4, 5, 7, 9, 11],
            Self::Minor => [0, 2, 3, 5, 7, 8, 10],
            Self::Dorian => [0, 2, 3, 5, 7, 9, 10],
            Self::Phrygian => [0, 1, 3, 5, 7, 8, 10],
            Self::Lydian => [0, 2, 4, 6, 7, 9, 11],
            Self::Mixolydian => [0, 2, 4, 5, 7, 9, 10],
            Self::HarmonicMinor => [0, 2, 3, 5, 7, 8, 11],
        }
    }
}

/// A tonic and a mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Key {
    /// Pitch class, 0..12.
    pub tonic: u8,
    /// The scale.
    pub mode: Mode,
}

impl Key {
    /// Returns whether a pitch class (or MIDI note) belongs to the scale.
    #[must_use]
    pub fn contains(&self, pitch: u8) -> bool {
        let degree = (pitch + 12 - self.tonic % 12) % 12;
        self.mode.degrees().contains(&degree)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", PITCH_NAMES[usize::from(self.tonic % 12)], self.mode.name())
    }
}

/// A chord quality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are self-explanatory")]
pub enum Quality {
    Major,
    Minor,
    Diminished,
    Augmented,
    Sus2,
    Sus4,
    Major7,
    Minor7,
    Dominant7,
    HalfDiminished7,
    Diminished7,
    MinorMajor7,
    Add9,
    Minor6,
    Major6,
}

impl Quality {
    /// All qualities, triads first.
    pub const ALL: [Self; 15] = [
        Self::Major,
        Self::Minor,
        Self::Diminished,
        Self::Augmented,
        Self::Sus2,
        Self::Sus4,
        Self::Major7,
        Self::Minor7,
        Self::Dominant7,
        Self::HalfDiminished7,
        Self::Diminished7,
        Self::MinorMajor7,
        Self::Add9,
        Self::Minor6,
        Self::Major6,
    ];

    /// Returns the chord tones in semitones above the root, root first.
    #[must_use]
    pub const fn intervals(self) -> &'static [u8] {
        match self {
            Self::Major => &[0, 4, 7],
            Self::Minor => &[0, 3, 7],
            Self::Diminished => &[0, 3, 6],
            Self::Augmented => &[0, 4, 8],
            Self::Sus2 => &[0, 2, 7],
            Self::Sus4 => &[0, 5, 7],
            Self::Major7 => &[0, 4, 7, 11],
            Self::Minor7 => &[0, 3, 7, 10],
            Self::Dominant7 => &[0, 4, 7, 10],
            Self::HalfDiminished7 => &[0, 3, 6, 10],
            Self::Diminished7 => &[0, 3, 6, 9],
            Self::MinorMajor7 => &[0, 3, 7, 11],
            Self::Add9 => &[0, 4, 7, 2],
            Self::Minor6 => &[0, 3, 7, 9],
            Self::Major6 => &[0, 4, 7, 9],
        }
    }

    /// Returns the suffix after the root: `""`, `m`, `dim`, `maj7`, …
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Major => "",
            Self::Minor => "m",
            Self::Diminished => "dim",
            Self::Augmented => "aug",
            Self::Sus2 => "sus2",
            Self::Sus4 => "sus4",
            Self::Major7 => "maj7",
            Self::Minor7 => "m7",
            Self::Dominant7 => "7",
            Self::HalfDiminished7 => "m7b5",
            Self::Diminished7 => "dim7",
            Self::MinorMajor7 => "mmaj7",
            Self::Add9 => "add9",
            Self::Minor6 => "m6",
            Self::Major6 => "6",
        }
    }
}

/// A chord with a bass note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Chord {
    /// Pitch class of the root, 0..12.
    pub root: u8,
    /// The chord quality.
    pub quality: Quality,
    /// Pitch class of the lowest note, 0..12; the root unless inverted.
    pub bass: u8,
}

impl Chord {
    /// Creates a chord in root position.
    #[must_use]
    pub const fn new(root: u8, quality: Quality) -> Self {
        Self { root: root % 12, quality, bass: root % 12 }
    }

    /// Returns the pitch classes, root first.
    pub fn pitch_classes(&self) -> impl Iterator<Item = u8> + '_ {
        self.quality.intervals().iter().map(|interval| (self.root + interval) % 12)
    }

    /// Returns whether a pitch class (or MIDI note) belongs to the chord.
    #[must_use]
    pub fn contains(&self, pitch: u8) -> bool {
        self.pitch_classes().any(|member| member == pitch % 12)
    }

    /// Returns how long each pitch class typically sounds in piano music, relative to the root: a little less for the
    /// fifth and third, half as long for other chord tones, at least 0.9 for the bass, and 0 for all others. Used both
    /// to request and to recognise chords.
    #[must_use]
    pub fn chroma(&self) -> [f32; 12] {
        let mut chroma = [0.0f32; 12];
        for interval in self.quality.intervals() {
            chroma[usize::from((self.root + interval) % 12)] = match interval {
                0 => 1.0,
                6..=8 => 0.9,
                3..=5 => 0.8,
                _ => 0.5,
            };
        }
        let bass = &mut chroma[usize::from(self.bass % 12)];
        *bass = bass.max(0.9);
        chroma
    }
}

impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", PITCH_NAMES[usize::from(self.root % 12)], self.quality.suffix())?;
        if self.bass != self.root {
            write!(f, "/{}", PITCH_NAMES[usize::from(self.bass % 12)])?;
        }
        Ok(())
    }
}

/// A voice of the harmony layer, which accompanies the network's piano.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Voice {
    /// A single low line.
    Bass,
    /// Chords of three or four notes.
    Pad,
    /// A sparse melody.
    Upper,
}

impl Voice {
    /// All voices, lowest first.
    pub const ALL: [Self; 3] = [Self::Bass, Self::Pad, Self::Upper];
}

#[cfg(test)]
mod tests;
