//! Pitch classes, modes, keys, chords and the voices that play them; no audio.

use std::fmt;

/// Names of the twelve pitch classes, C = 0.
pub const PITCH_NAMES: [&str; 12] = ["C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"];

/// The pitch class (0..12, C = 0) of a name such as `F#` or `Gb`; `None` for anything else.
#[must_use]
pub fn pitch_class(name: &str) -> Option<u8> {
    let mut characters = name.chars();
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
    let shift = match characters.as_str() {
        "" => 0,
        "#" | "♯" => 1,
        "b" | "♭" => -1,
        _ => return None,
    };
    u8::try_from((natural + shift).rem_euclid(12)).ok()
}

/// The seven-note scales in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
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

    /// The name as written in presets and addresses.
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

    /// The mode of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name().eq_ignore_ascii_case(name))
    }

    /// Semitones of the seven degrees above the tonic.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    /// Pitch class, 0..12.
    pub tonic: u8,
    /// The scale on it.
    pub mode: Mode,
}

impl Key {
    /// Whether a pitch class (or MIDI note) belongs to the scale.
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

/// What stands on a chord's root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
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

    /// Semitones above the root, root first.
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

    /// What is written behind the root: `""`, `m`, `dim`, `maj7`, …
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

/// A chord over a bass note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Chord {
    /// Pitch class of the root, 0..12.
    pub root: u8,
    /// What stands on it.
    pub quality: Quality,
    /// Pitch class of the lowest note, 0..12; the root unless inverted.
    pub bass: u8,
}

impl Chord {
    /// A chord in root position.
    #[must_use]
    pub const fn new(root: u8, quality: Quality) -> Self {
        Self { root: root % 12, quality, bass: root % 12 }
    }

    /// Pitch classes, root first.
    pub fn pitch_classes(&self) -> impl Iterator<Item = u8> + '_ {
        self.quality.intervals().iter().map(|interval| (self.root + interval) % 12)
    }

    /// Whether a pitch class (or MIDI note) belongs to the chord.
    #[must_use]
    pub fn contains(&self, pitch: u8) -> bool {
        self.pitch_classes().any(|member| member == pitch % 12)
    }

    /// How long each pitch class of the chord sounds in piano music, relative to the root: the fifth and the third a little
    /// less, the rest about half, the bass at least 0.9. The network is asked for a chord with it, and heard by it.
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

    /// The chord of a symbol such as `Am7`, `F#dim` or `C/E`; `None` for anything else.
    #[must_use]
    pub fn parse(symbol: &str) -> Option<Self> {
        let (body, bass) = match symbol.split_once('/') {
            Some((body, bass)) => (body, Some(pitch_class(bass)?)),
            None => (symbol, None),
        };
        let accidental = body.chars().nth(1).is_some_and(|c| matches!(c, '#' | 'b' | '♯' | '♭'));
        let split = body.char_indices().nth(if accidental { 2 } else { 1 }).map_or(body.len(), |(at, _)| at);
        let root = pitch_class(&body[..split])?;
        let quality = Quality::ALL.into_iter().find(|quality| quality.suffix() == &body[split..])?;
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

/// The rule-based voices under and around the network's piano.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Voice {
    /// One low line.
    Bass,
    /// Sustained chords of three or four notes.
    Pad,
    /// A sparse melody.
    Upper,
}

impl Voice {
    /// All voices, lowest first.
    pub const ALL: [Self; 3] = [Self::Bass, Self::Pad, Self::Upper];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chord_symbol_parses_back() {
        for root in 0..12 {
            for quality in Quality::ALL {
                for bass in [root, (root + 7) % 12] {
                    let chord = Chord { root, quality, bass };
                    assert_eq!(Chord::parse(&chord.to_string()), Some(chord), "{chord}");
                }
            }
        }
        for wrong in ["", "H", "Cx", "C/", "C/H", "mmaj7"] {
            assert_eq!(Chord::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_chord_says_how_much_of_each_pitch_it_has() {
        let chroma = |symbol| Chord::parse(symbol).unwrap().chroma();
        let of = |shares: &[(usize, f32)]| {
            let mut chroma = [0.0; 12];
            shares.iter().for_each(|(pitch, share)| chroma[*pitch] = *share);
            chroma
        };
        assert_eq!(chroma("Am7"), of(&[(9, 1.0), (0, 0.8), (4, 0.9), (7, 0.5)]));
        assert_eq!(chroma("Csus4"), of(&[(0, 1.0), (5, 0.8), (7, 0.9)]));
        assert_eq!(chroma("C/E"), of(&[(0, 1.0), (4, 0.9), (7, 0.9)]));
        assert_eq!(chroma("C/D"), of(&[(0, 1.0), (2, 0.9), (4, 0.8), (7, 0.9)]));
    }

    #[test]
    fn keys_know_their_scale() {
        let key = Key { tonic: 9, mode: Mode::Minor };
        assert!((0..12).filter(|pitch| key.contains(*pitch)).eq([0, 2, 4, 5, 7, 9, 11]));
    }
}
