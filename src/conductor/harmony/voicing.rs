//! The pad's voicings: an exhaustive search for the one that moves least and breaks no rule.

use crate::music::theory::Chord;

/// Range of the pad, lowest and highest note.
pub(super) const RANGE: std::ops::RangeInclusive<u8> = 50..=74;
/// Widest spread of a voicing, in semitones.
const SPREAD: u8 = 19;

/// Context of a voicing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting<'a> {
    /// The chord to voice.
    pub chord: &'a Chord,
    /// Number of voices.
    pub voices: usize,
    /// The bass note that begins with it.
    pub bass: u8,
    /// The previous voicing; empty at the start.
    pub before: &'a [u8],
    /// The bass notes of the previous voicing with which the ear compares the new one: its first and its last.
    pub basses_before: &'a [u8],
    /// The note around which the voicing should stay.
    pub centre: f32,
}

/// The best voicing, ascending. Deterministic: the lowest of equals.
pub(super) fn voice(setting: &Setting<'_>) -> Vec<u8> {
    let notes: Vec<u8> = RANGE.filter(|note| setting.chord.contains(*note)).collect();
    let mut best = (f32::INFINITY, Vec::new());
    search(setting, &notes, &mut Vec::with_capacity(setting.voices), &mut best);
    best.1
}

fn search(setting: &Setting<'_>, notes: &[u8], chosen: &mut Vec<u8>, best: &mut (f32, Vec<u8>)) {
    if chosen.len() == setting.voices {
        if is_complete(setting, chosen) {
            let cost = cost(setting, chosen);
            if cost < best.0 {
                *best = (cost, chosen.clone());
            }
        }
        return;
    }
    for (at, note) in notes.iter().enumerate() {
        if chosen.first().is_some_and(|lowest| note - lowest > SPREAD) {
            break;
        }
        chosen.push(*note);
        search(setting, &notes[at + 1..], chosen, best);
        chosen.pop();
    }
}

/// Whether every essential tone is present: all of a triad; of a larger chord all but root and fifth, which the bass
/// and the overtones supply.
fn is_complete(setting: &Setting<'_>, notes: &[u8]) -> bool {
    let tones = setting.chord.quality.intervals();
    let spare = tones.len() > setting.voices;
    let sounds = |interval: &u8| notes.iter().any(|note| note % 12 == (setting.chord.root + interval) % 12);
    tones.iter().all(|interval| spare && matches!(interval, 0 | 7) || sounds(interval))
}

fn cost(setting: &Setting<'_>, notes: &[u8]) -> f32 {
    let mean = notes.iter().map(|note| f32::from(*note)).sum::<f32>() / notes.len() as f32;
    (mean - setting.centre).abs() * 0.5 + sound(setting.chord, notes) + movement(setting, notes)
}

/// Cost of a voicing by itself: clusters, gaps, and exposed doublings.
fn sound(chord: &Chord, notes: &[u8]) -> f32 {
    let mut cost = 0.0;
    for pair in notes.windows(2) {
        cost += match pair[1] - pair[0] {
            1 => 3.0,
            2 => 0.8,
            3..=9 => 0.0,
            10..=12 => 1.0,
            _ => 4.0,
        };
    }
    for interval in chord.quality.intervals() {
        let doubled = notes.iter().filter(|note| **note % 12 == (chord.root + interval) % 12).count().saturating_sub(1);
        let sensitive = !matches!(interval, 0 | 7);
        cost += doubled as f32 * if sensitive { 3.0 } else { 0.3 };
    }
    cost
}

/// Cost of the transition: distance, leaps, and forbidden parallels.
fn movement(setting: &Setting<'_>, notes: &[u8]) -> f32 {
    let (Some(top), Some(top_before)) = (notes.last(), setting.before.last()) else { return 0.0 };
    let mut cost = 0.0;
    for note in notes {
        let leap = setting.before.iter().map(|old| f32::from(note.abs_diff(*old))).fold(f32::INFINITY, f32::min);
        cost += leap + (leap - 4.0).max(0.0);
    }
    if notes.len() == setting.before.len() {
        cost += 0.5 * notes.iter().zip(setting.before).map(|(new, old)| f32::from(new.abs_diff(*old))).sum::<f32>();
        for (at, voice) in notes.iter().zip(setting.before).enumerate() {
            let above = notes.iter().zip(setting.before).skip(at + 1);
            cost += above.filter(|other| parallel((*voice.1, *other.1), (*voice.0, *other.0))).count() as f32 * 1.5;
        }
    }
    let leap = f32::from(top.abs_diff(*top_before));
    cost += leap * 0.5 + (leap - 4.0).max(0.0) * 3.0;
    for bass_before in setting.basses_before {
        if parallel((*bass_before, *top_before), (setting.bass, *top)) {
            cost += 1000.0;
        }
        let hidden = matches!((top - setting.bass) % 12, 0 | 7)
            && (*top > *top_before) == (setting.bass > *bass_before)
            && leap > 2.0
            && setting.bass != *bass_before;
        cost += f32::from(u8::from(hidden)) * 1.5;
    }
    cost
}

/// Whether two voices (lower, upper) move in parallel fifths or octaves.
fn parallel(before: (u8, u8), after: (u8, u8)) -> bool {
    let interval = |pair: (u8, u8)| (pair.1 + 120 - pair.0) % 12;
    before.0 != after.0
        && before.1 != after.1
        && interval(before) == interval(after)
        && matches!(interval(after), 0 | 7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::music::theory::Quality;

    fn setting<'a>(chord: &'a Chord, bass: u8, before: &'a [u8], basses_before: &'a [u8]) -> Setting<'a> {
        Setting { chord, voices: 4, bass, before, basses_before, centre: 62.0 }
    }

    #[test]
    fn any_chord_change_avoids_parallels_and_moves_by_small_steps() {
        let (mut moves, mut count) = (0.0, 0.0);
        for from_quality in Quality::ALL {
            let from = Chord::new(0, from_quality);
            let first = voice(&setting(&from, 36, &[], &[]));
            for root in 0..12 {
                for quality in Quality::ALL {
                    let to = Chord::new(root, quality);
                    let bass = 36 + root;
                    let second = voice(&setting(&to, bass, &first, &[36, 43]));
                    assert_eq!(second.len(), 4);
                    assert!(second.windows(2).all(|pair| pair[0] < pair[1]));
                    for bass_before in [36, 43] {
                        assert!(
                            !parallel((bass_before, first[3]), (bass, second[3])),
                            "{from} {first:?} {to} {second:?}"
                        );
                    }
                    moves += first.iter().zip(&second).map(|(a, b)| f32::from(a.abs_diff(*b))).sum::<f32>() / 4.0;
                    count += 1.0;
                }
            }
        }
        assert!(moves / count < 2.5, "{}", moves / count);
    }

    #[test]
    fn the_same_chord_stays_where_it_is() {
        let chord = Chord::parse("Am7").expect("a symbol");
        let first = voice(&setting(&chord, 33, &[], &[]));
        assert_eq!(voice(&setting(&chord, 33, &first, &[33])), first);
    }

    #[test]
    fn common_tones_are_kept() {
        let (c, a) = (Chord::parse("C").expect("a symbol"), Chord::parse("Am").expect("a symbol"));
        let first = voice(&setting(&c, 36, &[], &[]));
        let second = voice(&setting(&a, 33, &first, &[36]));
        let kept = first.iter().filter(|note| second.contains(note)).count();
        assert!(kept >= 2, "{first:?} {second:?}");
    }
}
