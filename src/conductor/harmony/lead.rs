//! Lead chords: the chord that held notes form, and the key that a lead chord implies.

use crate::music::theory::{Chord, Key, Mode, Quality};

/// Returns the chord formed by held MIDI notes (bit n = note n), with the lowest note as its bass. Returns `None` for fewer
/// than two pitch classes and for notes that form no known chord.
///
/// The fifth may be missing, or one foreign pitch class may be present. If several chords match equally well, one whose root
/// is the lowest note is preferred, then the simpler one. Two notes form a triad without its fifth or, if they are a fifth or
/// fourth apart, a major triad without its third.
#[must_use]
pub fn chord_from_notes(held: u128) -> Option<Chord> {
    let bass = (held.trailing_zeros() % 12) as u8;
    let held_classes = (0..128).filter(|note| held >> note & 1 == 1).fold(0u16, |set, note| set | 1 << (note % 12));
    if held_classes.count_ones() < 2 {
        return None;
    }
    let mut best: Option<(u32, Chord)> = None;
    for root in 0..12 {
        for (rank, quality) in Quality::ALL.into_iter().enumerate() {
            let Some(mismatch) = mismatch(held_classes, root, quality) else { continue };
            let cost = mismatch * 1000 + if root == bass { 0 } else { 100 } + rank as u32;
            if best.is_none_or(|(lowest, _)| cost < lowest) {
                best = Some((cost, Chord { root, quality, bass }));
            }
        }
    }
    best.map(|(_, chord)| chord)
}

/// Returns how far the held pitch classes deviate from a chord: 0 for an exact match, `None` for no match.
fn mismatch(held: u16, root: u8, quality: Quality) -> Option<u32> {
    let bit = |interval: u8| 1u16 << ((root + interval) % 12);
    let chord = quality.intervals().iter().fold(0, |set, interval| set | bit(*interval));
    if held == chord {
        return Some(0);
    }
    let (missing, foreign) = (chord & !held, (held & !chord).count_ones());
    let without_fifth = missing == bit(7) && chord & bit(7) != 0;
    match held.count_ones() {
        2 if quality == Quality::Major && foreign == 0 && missing == bit(4) => Some(1),
        2 if matches!(quality, Quality::Major | Quality::Minor) && foreign == 0 && without_fifth => Some(1),
        2 => None,
        _ if without_fifth && foreign == 0 => Some(1),
        _ if missing == 0 && foreign == 1 => Some(2),
        _ => None,
    }
}

/// Returns the key that a lead chord implies: the current one if it contains the chord, otherwise the nearest that does.
/// Another mode on the same tonic is nearer than another tonic; beyond that, more common tones make a key nearer.
pub(super) fn key_of_lead(chord: &Chord, current: Key) -> Key {
    let cost = |key: &Key| {
        let foreign = chord.pitch_classes().filter(|pitch| !key.contains(*pitch)).count();
        let altered = (0..12).filter(|pitch| key.contains(*pitch) && !current.contains(*pitch)).count();
        foreign * 100 + if key.tonic == current.tonic { 0 } else { 20 } + altered
    };
    let others = (0..12).flat_map(|tonic| Mode::ALL.map(|mode| Key { tonic, mode }));
    std::iter::once(current).chain(others).min_by_key(cost).unwrap_or(current)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(notes: &[u8]) -> u128 {
        notes.iter().fold(0, |set, note| set | 1 << note)
    }

    fn name(notes: &[u8]) -> String {
        chord_from_notes(held(notes)).map_or_else(String::new, |chord| chord.to_string())
    }

    #[test]
    fn recognises_chords_and_inversions() {
        assert_eq!(name(&[60, 64, 67]), "C");
        assert_eq!(name(&[52, 60, 67]), "C/E");
        assert_eq!(name(&[43, 60, 64]), "C/G");
        assert_eq!(name(&[57, 60, 64, 67]), "Am7");
        assert_eq!(name(&[60, 64, 67, 69]), "C6");
        assert_eq!(name(&[55, 59, 65]), "G7");
        assert_eq!(name(&[60, 62, 67]), "Csus2");
        assert_eq!(name(&[59, 62, 65, 68]), "Bdim7");
    }

    #[test]
    fn recognises_every_chord_in_root_position() {
        for root in 0..12u8 {
            for quality in Quality::ALL {
                let notes: Vec<u8> = quality.intervals().iter().map(|interval| 48 + root + interval).collect();
                assert_eq!(chord_from_notes(held(&notes)), Some(Chord::new(root, quality)), "{root} {quality:?}");
            }
        }
    }

    #[test]
    fn two_notes_can_form_a_chord_but_a_cluster_cannot() {
        assert_eq!(name(&[60, 63]), "Cm");
        assert_eq!(name(&[60, 64]), "C");
        assert_eq!(name(&[48, 55]), "C");
        assert_eq!(name(&[60]), "");
        assert_eq!(name(&[60, 72]), "");
        assert_eq!(name(&[60, 61]), "");
        assert_eq!(name(&[60, 61, 62, 63]), "");
        assert_eq!(chord_from_notes(0), None);
    }

    #[test]
    fn tolerates_one_foreign_note() {
        assert_eq!(name(&[36, 60, 64, 67, 66]), "C");
        assert_eq!(name(&[127, 124, 120]), "C");
    }

    #[test]
    fn a_lead_chord_changes_the_key_as_little_as_possible() {
        let key = Key { tonic: 0, mode: Mode::Major };
        let implied_key = |symbol: &str| key_of_lead(&Chord::parse(symbol).unwrap(), key).to_string();
        assert_eq!(implied_key("Am7"), "C major");
        assert_eq!(implied_key("Fm"), "C harmonic-minor");
        assert_eq!(implied_key("Bb"), "C mixolydian");
        for root in 0..12 {
            for quality in [Quality::Major, Quality::Minor, Quality::Dominant7, Quality::Minor7] {
                let chord = Chord::new(root, quality);
                assert!(chord.pitch_classes().all(|pitch| key_of_lead(&chord, key).contains(pitch)), "{chord}");
            }
        }
    }
}
