//! Palettes: the chords of a mode and their possible successors, weighted by an emotion's preferences.

use std::sync::LazyLock;

use crate::music::emotion::Emotion;
use crate::music::theory::{Chord, Key, Mode, Quality};

use super::numeral::{Function, Numeral};

/// Returns the table of a mode, with one line per chord: its numeral, its function, and its successors with their odds. Chords
/// outside the mode are used only by emotions that list them in [`preference`].
const fn table(mode: Mode) -> &'static str {
    match mode {
        Mode::Major => {
            "I      T : IV 4  V 4  vi 3  ii 3  iii 1  V7/vi 1  V7/ii 1  V7/IV 1  bVII 1  iv 1  bVI 1
             ii     P : V 6  IV 1  viio 1  iv 1  V7/V 1
             iii    T : vi 4  IV 4  ii 1  V7/ii 1
             IV     P : I 4  V 4  ii 2  iv 3  vi 1  bVII 1  viio 1
             iv     P : I 5  V 3  bVII 2
             V      D : I 6  vi 3  IV 1
             vi     T : IV 4  ii 4  V 2  iii 1  V7/V 1  iv 1
             viio   D : I 5  vi 1
             bVII   P : IV 3  I 3  iv 1  V 1
             bVI    P : bVII 3  iv 2  V 2  I 1
             V7/V   P : V 6  ii 1
             V7/ii  P : ii 6
             V7/vi  P : vi 6  IV 1
             V7/IV  P : IV 5  iv 1"
        }
        Mode::Minor => {
            "i      T : bVI 4  iv 4  bVII 3  V 3  bIII 2  v 1  iio 1  bII 1
             iio    P : V 5  v 2  i 1
             bIII   T : bVI 3  iv 2  bVII 3  bII 1
             iv     P : V 4  i 3  bVII 2  v 1  bVI 1  iio 1
             IV     P : i 3  bVII 2  V 2  bVI 1
             v      D : i 4  bVI 3  iv 1
             V      D : i 6  bVI 3
             bVI    T : iv 4  bVII 3  V 2  bIII 2  iio 1  bII 1
             bVII   D : i 4  bIII 3  bVI 3
             viio7  D : i 5  bVI 1
             bII    P : V 4  i 2  viio7 2"
        }
        Mode::HarmonicMinor => {
            "i      T : iv 4  V 4  bVI 3  iio 2  viio7 2  bIII+ 1  bII 1  #iv 1
             iio    P : V 5  viio7 2  i 1
             bIII+  T : bVI 4  iv 2  i 1
             iv     P : V 4  i 3  viio7 2  iio 1  bVI 1
             #iv    P : i 3  V 2  iv 1
             V      D : i 6  bVI 3
             bVI    T : iv 4  iio 2  V 2  bII 1  #iv 1
             viio7  D : i 6  V 1  bVI 2
             bII    P : V 4  viio7 2  i 2"
        }
        Mode::Dorian => {
            "i      T : IV 5  bVII 3  ii 2  v 2  bIII 2
             ii     P : v 2  bVII 2  i 1  IV 1
             bIII   T : IV 4  bVII 2  ii 1
             IV     P : i 5  bVII 3  v 2  bIII 1
             v      D : i 5  IV 2  bIII 2
             bVII   D : i 4  IV 3  bIII 2
             V      D : i 5  bIII 2"
        }
        Mode::Phrygian => {
            "i      T : bII 5  bvii 3  bVI 2  iv 3  bIII 1  vo 1  #iv 1
             bII    D : i 6  bVI 2  bvii 1  bIII 1
             bIII   T : bII 4  iv 2  bVI 1
             iv     P : bII 4  i 3  bvii 2  vo 1
             #iv    P : i 3  bII 2
             vo     P : bVI 2  i 2  bII 1
             bVI    T : bvii 3  bII 3  iv 3
             bvii   D : i 5  bVI 2  bII 1
             V      D : i 4  bVI 1"
        }
        Mode::Lydian => {
            "I      T : II 5  vi 2  V 3  iii 1  vii 1
             II     P : I 5  V 3  vi 2  iii 1
             iii    T : II 3  vi 2  V 1
             V      D : I 5  vi 3  II 2
             vi     T : II 4  V 3  iii 1
             vii    D : I 3  iii 2  vi 1"
        }
        Mode::Mixolydian => {
            "I      T : bVII 5  IV 4  v 1  vi 1  ii 1  V 1
             ii     P : bVII 2  IV 2  v 1  V 2
             IV     P : I 5  bVII 3  v 1  V 2
             v      D : I 4  IV 2  vi 1
             V      D : I 6  vi 2  IV 1
             vi     T : IV 4  bVII 3  ii 1
             bVII   D : IV 4  I 4  vi 2"
        }
    }
}

/// Returns the chord weights of an emotion. Diatonic chords that are not listed have weight 1; other unlisted chords are
/// excluded.
const fn preference(emotion: Emotion) -> &'static str {
    match emotion {
        Emotion::Happy => "I 1.3  IV 1.4  V 1.4  iii 0.4  viio 0.1  V7/V 0.5  vii 0.2",
        Emotion::Sad => "iv 1.6  bVI 1.6  V 1  iio 0.4  bVII 0.6  v 0.6  bIII 0.7  bIII+ 0.1  viio7 0.3  i 1.2",
        Emotion::Energetic => "I 1.4  bVII 2  IV 1.5  V 1  ii 0.3  iii 0.2  viio 0.05  vi 0.6  v 0.3",
        Emotion::Calm => "I 1.5  IV 2.5  V 0.4  viio 0.02  vi 0.7  iii 0.7  II 1.2  vii 0.1",
        Emotion::Romantic => {
            "I 2  IV 2  ii 0.8  V7/vi 0.3  V7/ii 0.3  V7/V 0.7  V7/IV 0.7  iv 0.3  iii 0.4  vi 0.5  viio 0.1  V 1.4  vii 0.2"
        }
        Emotion::Angry => "i 1.4  bII 2.5  viio7 2  V 1  bVI 1.3  iio 1.2  vo 1  v 0.2  bIII 0.3  iv 0.7  #iv 0.6",
        Emotion::Nostalgic => {
            "iv 3  IV 1.3  bVII 1.3  bVI 0.7  vi 1.1  iii 1.3  V7/vi 0.7  V 1  viio 0.05  iio 0.2  bIII 1.5  bII 0"
        }
        Emotion::Mysterious => {
            "bII 2  viio7 1.6  bIII+ 2  iio 1.2  #iv 2  V 0.7  vo 1.5  v 0.3  bIII 0.5  ii 0.6  II 2  vii 1.5  vi 0.5"
        }
    }
}

/// One chord of a palette.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Member {
    /// The chord.
    pub numeral: Numeral,
    /// The chord's function.
    pub function: Function,
    /// The chord's weight for the emotion, above 0.
    pub preference: f32,
}

impl Member {
    /// Returns whether the chord is the tonic chord.
    pub(super) fn is_tonic(&self) -> bool {
        self.numeral.degree == 0 && self.function == Function::Tonic
    }
}

/// The chords that an emotion uses in a mode, and the odds of each transition.
#[derive(Debug)]
pub(super) struct Palette {
    /// The chords.
    pub members: Vec<Member>,
    /// The odds of transitions as `odds[from][to]`, with indices into `members`.
    pub odds: Vec<Vec<f32>>,
}

static PALETTES: LazyLock<Vec<Palette>> = LazyLock::new(|| {
    let pairs = Emotion::ALL.into_iter().flat_map(|emotion| Mode::ALL.map(|mode| (emotion, mode)));
    pairs.map(|(emotion, mode)| Palette::parse(emotion, mode).expect("the built-in tables should be valid")).collect()
});

impl Palette {
    /// Returns the palette of an emotion in a mode.
    pub(super) fn of(emotion: Emotion, mode: Mode) -> &'static Self {
        &PALETTES[emotion as usize * Mode::ALL.len() + mode as usize]
    }

    /// Returns the index of the member with the same root and, if the chord has a third, the same third.
    pub(super) fn position(&self, chord: &Chord, tonic: u8) -> Option<usize> {
        let third = |chord: &Chord| [3, 4].map(|interval| chord.contains(chord.root + interval));
        self.members.iter().position(|member| {
            let candidate = member.numeral.chord_on(tonic);
            candidate.root == chord.root && (third(&candidate) == third(chord) || third(chord) == [false, false])
        })
    }

    /// Returns the index of the member that contains the fewest tones outside a chord; ties go to the first.
    pub(super) fn nearest(&self, chord: &Chord, tonic: u8) -> usize {
        let distance = |member: &Member| {
            let candidate = member.numeral.chord_on(tonic);
            candidate.pitch_classes().filter(|pitch| !chord.contains(*pitch)).count()
        };
        (0..self.members.len()).min_by_key(|index| distance(&self.members[*index])).unwrap_or_default()
    }

    /// Returns the chords that the network may plausibly play in a key: those of the palette, and the scale's major and minor
    /// triads.
    pub(super) fn nearby(&self, key: Key) -> impl Iterator<Item = Chord> {
        let degrees = key.mode.degrees().into_iter();
        let triads =
            degrees.flat_map(|degree| [Quality::Major, Quality::Minor].map(|quality| Numeral { degree, quality }));
        let diatonic = triads.filter(move |numeral| numeral.is_diatonic(key));
        self.members.iter().map(|member| member.numeral).chain(diatonic).map(move |numeral| numeral.chord_on(key.tonic))
    }

    fn parse(emotion: Emotion, mode: Mode) -> Option<Self> {
        let key = Key { tonic: 0, mode };
        let preferences: Vec<&str> = preference(emotion).split_whitespace().collect();
        let mut rows = Vec::new();
        for line in table(mode).lines() {
            let (head, next) = line.split_once(':')?;
            let mut head = head.split_whitespace();
            let (name, function) = (head.next()?, Function::from_letter(head.next()?)?);
            let numeral = Numeral::parse(name)?;
            let preference = match preferences.chunks(2).find(|pair| pair[0] == name) {
                Some(pair) => pair.get(1)?.parse().ok()?,
                None if numeral.is_diatonic(key) => 1.0,
                None => 0.0,
            };
            rows.push((name, Member { numeral, function, preference }, next.split_whitespace().collect::<Vec<_>>()));
        }
        for pair in rows.iter().flat_map(|(_, _, next)| next.chunks(2)) {
            rows.iter().find(|(name, _, _)| *name == pair[0])?;
            pair.get(1)?.parse::<f32>().ok()?;
        }
        rows.retain(|(_, member, _)| member.preference > 0.0);
        let odds = |next: &[&str]| {
            let odds_of =
                |name: &str| next.chunks(2).find(|pair| pair[0] == name).and_then(|pair| pair[1].parse().ok());
            rows.iter().map(|(name, member, _)| odds_of(name).unwrap_or(0.0) * member.preference).collect()
        };
        Some(Self {
            odds: rows.iter().map(|(_, _, next)| odds(next)).collect(),
            members: rows.iter().map(|(_, member, _)| *member).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_tables_parse_and_every_chord_has_a_successor() {
        for emotion in Emotion::ALL {
            for mode in Mode::ALL {
                let palette = Palette::parse(emotion, mode).unwrap_or_else(|| panic!("{emotion} {}", mode.name()));
                assert!(palette.members[0].is_tonic());
                for (member, odds) in palette.members.iter().zip(&palette.odds) {
                    assert!(odds.iter().sum::<f32>() > 0.0, "{emotion} {} {:?}", mode.name(), member.numeral);
                }
            }
        }
    }

    #[test]
    fn every_preferred_chord_exists_in_a_mode() {
        for emotion in Emotion::ALL {
            for name in preference(emotion).split_whitespace().step_by(2) {
                let known = |mode| table(mode).lines().any(|line| line.split_whitespace().next() == Some(name));
                assert!(Mode::ALL.into_iter().any(known), "{emotion}: {name}");
            }
        }
    }

    #[test]
    fn only_emotions_that_list_a_borrowed_chord_use_it() {
        let minor_subdominant = Chord::parse("Fm").unwrap();
        let plays = |emotion| Palette::of(emotion, Mode::Major).position(&minor_subdominant, 0).is_some();
        assert!(plays(Emotion::Nostalgic) && plays(Emotion::Romantic));
        assert!(!plays(Emotion::Happy) && !plays(Emotion::Calm));
    }

    #[test]
    fn finds_chords_regardless_of_extensions() {
        let palette = Palette::of(Emotion::Calm, Mode::Major);
        let position = |symbol| palette.position(&Chord::parse(symbol).unwrap(), 9);
        assert_eq!(position("Amaj7"), position("A"));
        assert_eq!(position("F#m7"), position("F#m"));
        assert_eq!(position("Esus4"), position("E"));
        assert_ne!(position("A"), None);
        assert_eq!(palette.members[palette.nearest(&Chord::parse("Dm").unwrap(), 9)].numeral.chord_on(9).root, 2);
    }
}
