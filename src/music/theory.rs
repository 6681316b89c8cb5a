//! Pitch classes, modes, keys, chords and the harmony voices.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Names of the twelve pitch classes, C = 0.
pub const PITCH_NAMES: [&str; 12] = ["C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"];

/// Parses a pitch class (0..12, C = 0) from a name such as `F#`, `g♭` or `Bb`; returns `None` for anything else.
/// Rejects `H`, because musicians who use it mean a different note by `B`, and an error is better than a wrong note.
#[must_use]
pub fn pitch_class(name: &str) -> Option<u8> {
    let (pitch, rest) = leading_pitch(name.trim())?;
    rest.is_empty().then_some(pitch)
}

/// Parses the pitch class at the start of `text` and returns it with the rest.
fn leading_pitch(text: &str) -> Option<(u8, &str)> {
    let mut characters = text.chars();
    let natural: i32 = match characters.next()?.to_ascii_uppercase() {
        'C' => 0,
        'D' => 2,
        'E' => 4,
        'F' => 5,
        'G' => 7,
        'A' => 9,
        'B' => 11,
        _ => return None,
    };
    let rest = characters.as_str();
    let accidentals = [
        ("#", 1),
        ("♯", 1),
        ("b", -1),
        ("♭", -1),
        ("♮", 0),
        (" sharp", 1),
        ("-sharp", 1),
        (" flat", -1),
        ("-flat", -1),
    ];
    let matching =
        |text: &str| rest.get(..text.len()).filter(|start| start.eq_ignore_ascii_case(text)).map(|_| text.len());
    let (shift, rest) = accidentals
        .iter()
        .find_map(|(text, shift)| matching(text).map(|length| (*shift, &rest[length..])))
        .unwrap_or((0, rest));
    Some((u8::try_from((natural + shift).rem_euclid(12)).ok()?, rest))
}

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

    /// Parses a mode in the spellings that musicians use, ignoring case: `minor`, `Min`, `moll`, `aeolian`,
    /// `harmonic minor`, `Dur`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.trim().to_lowercase().replace(['_', ' '], "-");
        let other = match name.strip_suffix("-scale").or(name.strip_suffix("-mode")).unwrap_or(&name) {
            "maj" | "ionian" | "dur" | "majeur" | "mayor" | "maggiore" => Self::Major,
            "min" | "aeolian" | "natural-minor" | "moll" | "mineur" | "menor" | "minore" => Self::Minor,
            "dorisch" => Self::Dorian,
            "phrygisch" => Self::Phrygian,
            "lydisch" => Self::Lydian,
            "mixolydisch" => Self::Mixolydian,
            "harmonicminor" | "harm-minor" | "harmonic" | "harmonisch-moll" => Self::HarmonicMinor,
            name => return Self::ALL.into_iter().find(|mode| mode.name() == name),
        };
        Some(other)
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

    /// Parses a key such as `A minor`, `Eb major`, `c# dorian` or `F#m`; returns `None` for anything else, including a
    /// tonic without a mode.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (tonic, mode) = leading_pitch(text.trim())?;
        let mode = match mode {
            "m" => Mode::Minor,
            _ => Mode::from_name(mode.strip_prefix([' ', '-', '_'])?)?,
        };
        Some(Self { tonic, mode })
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

impl Quality {
    /// Parses the suffix after the root, in the usual spellings. Ignores case, except that `M` is major and `m` minor. Leaves out
    /// tensions, which the qualities do not have: a thirteenth chord is a seventh chord.
    fn from_suffix(suffix: &str) -> Option<Self> {
        let plain: String = suffix.chars().filter(|c| !matches!(c, '(' | ')' | ' ')).collect();
        let plain =
            plain.replace('♭', "b").replace('♯', "#").replace('△', "Δ").replace(['−', '–'], "-").replace('º', "°");
        // "M" and "MA" mean major, "m" and "-" minor; otherwise, case is ignored.
        let plain = match plain.strip_prefix('M') {
            Some(rest) if !rest.to_lowercase().starts_with(['a', 'i']) => format!("maj{rest}"),
            _ => plain,
        };
        let plain = plain.to_lowercase().replace('δ', "Δ");
        Some(match plain.as_str() {
            "" | "maj" | "major" | "ma" | "dur" => Self::Major,
            "m" | "min" | "minor" | "mi" | "-" | "moll" => Self::Minor,
            "dim" | "°" | "o" | "mb5" | "m-5" | "-b5" => Self::Diminished,
            "aug" | "+" | "+5" | "#5" => Self::Augmented,
            "sus2" => Self::Sus2,
            "sus4" | "sus" | "7sus4" | "7sus" | "9sus4" | "9sus" | "13sus4" | "13sus" => Self::Sus4,
            "maj7" | "major7" | "ma7" | "j7" | "Δ" | "Δ7" | "maj9" | "ma9" | "Δ9" | "maj11" | "maj13" | "ma13"
            | "Δ13" | "maj7#11" | "Δ#11" => Self::Major7,
            "m7" | "min7" | "minor7" | "mi7" | "-7" | "m9" | "min9" | "mi9" | "-9" | "m11" | "min11" | "-11"
            | "m13" | "min13" => Self::Minor7,
            "7" | "dom7" | "dom" | "9" | "11" | "13" | "7b9" | "7#9" | "7#11" | "7b13" | "9#11" | "13b9" | "13#11"
            | "7b5" | "7#5" | "7alt" | "alt" => Self::Dominant7,
            "m7b5" | "min7b5" | "mi7b5" | "-7b5" | "m7-5" | "ø" | "ø7" | "halfdim" | "halfdim7" | "half-dim" => {
                Self::HalfDiminished7
            }
            "dim7" | "°7" | "o7" => Self::Diminished7,
            "mmaj7" | "mm7" | "minmaj7" | "-maj7" | "-Δ" | "-Δ7" | "mΔ" | "mΔ7" | "mj7" => Self::MinorMajor7,
            "add9" | "add2" => Self::Add9,
            "m6" | "min6" | "mi6" | "-6" | "m69" | "m6/9" => Self::Minor6,
            "6" | "maj6" | "ma6" | "add6" | "69" | "6/9" => Self::Major6,
            _ => return None,
        })
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

    /// Parses a chord symbol such as `Am7`, `F#dim` or `C/E`, in the usual spellings: `CM7`, `Cmaj7`, `CΔ`, `C-7`,
    /// `Cø`, `C°`, `C+`, `Cmin`, `E♭maj7`; returns `None` for anything else.
    #[must_use]
    pub fn parse(symbol: &str) -> Option<Self> {
        let symbol = symbol.trim();
        // A slash precedes the bass, except in "6/9".
        let (body, bass) = match symbol.rsplit_once('/') {
            Some((_, "9")) | None => (symbol, None),
            Some((body, bass)) => (body.trim_end(), Some(pitch_class(bass)?)),
        };
        let (root, suffix) = leading_pitch(body)?;
        let quality = Quality::from_suffix(suffix.trim())?;
        Some(Self { root, quality, bass: bass.unwrap_or(root) })
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
