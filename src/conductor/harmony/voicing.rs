//! The pad's voicings: an exhaustive search for the one that moves least and best follows the rules of voice leading.

use crate::music::theory::Chord;

/// Range of the pad in MIDI notes.
pub(super) const RANGE: std::ops::RangeInclusive<u8> = 50..=74;
/// Maximum distance between the lowest and the highest note of a voicing, in semitones.
const MAX_SPREAD: u8 = 19;

/// The context for choosing a voicing.
#[derive(Debug, Clone, Copy)]
pub(super) struct VoicingContext<'a> {
    /// The chord to voice.
    pub chord: &'a Chord,
    /// Number of voices.
    pub voices: usize,
    /// The bass note under the chord.
    pub bass: u8,
    /// The previous voicing; empty at the start.
    pub previous: &'a [u8],
    /// The first and the last bass note under the previous voicing; parallels with either are audible.
    pub previous_basses: &'a [u8],
    /// The note around which the voicing is centred.
    pub centre: f32,
}

/// Returns the notes of the best voicing in ascending order; ties go to the lexicographically first.
pub(super) fn best_voicing(context: &VoicingContext<'_>) -> Vec<u8> {
    let notes: Vec<u8> = RANGE.filter(|note| context.chord.contains(*note)).collect();
    let mut best = (f32::INFINITY, Vec::new());
    search(context, &notes, &mut Vec::with_capacity(context.voices), &mut best);
    best.1
}

fn search(context: &VoicingContext<'_>, notes: &[u8], chosen: &mut Vec<u8>, best: &mut (f32, Vec<u8>)) {
    if chosen.len() == context.voices {
        if is_complete(context, chosen) {
            let cost = cost(context, chosen);
            if cost < best.0 {
                *best = (cost, chosen.clone());
            }
        }
        return;
    }
    for (index, note) in notes.iter().enumerate() {
        if chosen.first().is_some_and(|lowest| note - lowest > MAX_SPREAD) {
            break;
        }
        chosen.push(*note);
        search(context, &notes[index + 1..], chosen, best);
        chosen.pop();
    }
}

/// Returns whether every essential tone is present. If a chord has more tones than the pad has voices, the root and the fifth
/// may be missing, because the bass and its overtones supply them.
fn is_complete(context: &VoicingContext<'_>, notes: &[u8]) -> bool {
    let tones = context.chord.quality.intervals();
    let may_omit = tones.len() > context.voices;
    let is_present = |interval: &u8| notes.iter().any(|note| note % 12 == (context.chord.root + interval) % 12);
    tones.iter().all(|interval| may_omit && matches!(interval, 0 | 7) || is_present(interval))
}

fn cost(context: &VoicingContext<'_>, notes: &[u8]) -> f32 {
    let mean = notes.iter().map(|note| f32::from(*note)).sum::<f32>() / notes.len() as f32;
    (mean - context.centre).abs() * 0.5 + spacing_cost(context.chord, notes) + movement_cost(context, notes)
}

/// Returns the cost of the voicing's spacing: clusters, gaps and doublings.
fn spacing_cost(chord: &Chord, notes: &[u8]) -> f32 {
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

/// Returns the cost of the movement from the previous voicing: distance, leaps, and parallel or hidden fifths and octaves.
fn movement_cost(context: &VoicingContext<'_>, notes: &[u8]) -> f32 {
    let (Some(top), Some(top_before)) = (notes.last(), context.previous.last()) else { return 0.0 };
    let mut cost = 0.0;
    for note in notes {
        let leap = context.previous.iter().map(|old| f32::from(note.abs_diff(*old))).fold(f32::INFINITY, f32::min);
        cost += leap + (leap - 4.0).max(0.0);
    }
    if notes.len() == context.previous.len() {
        cost += 0.5 * notes.iter().zip(context.previous).map(|(new, old)| f32::from(new.abs_diff(*old))).sum::<f32>();
        for (index, voice) in notes.iter().zip(context.previous).enumerate() {
            let above = notes.iter().zip(context.previous).skip(index + 1);
            cost += above.filter(|other| is_parallel((*voice.1, *other.1), (*voice.0, *other.0))).count() as f32 * 1.5;
        }
    }
    let leap = f32::from(top.abs_diff(*top_before));
    cost += leap * 0.5 + (leap - 4.0).max(0.0) * 3.0;
    for bass_before in context.previous_basses {
        if is_parallel((*bass_before, *top_before), (context.bass, *top)) {
            cost += 1000.0;
        }
        let hidden = matches!((top - context.bass) % 12, 0 | 7)
            && (*top > *top_before) == (context.bass > *bass_before)
            && leap > 2.0
            && context.bass != *bass_before;
        cost += f32::from(u8::from(hidden)) * 1.5;
    }
    cost
}

/// Returns whether two voices move in parallel fifths or octaves, given their notes (lower, upper) before and after.
fn is_parallel(before: (u8, u8), after: (u8, u8)) -> bool {
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

    fn context<'a>(chord: &'a Chord, bass: u8, previous: &'a [u8], previous_basses: &'a [u8]) -> VoicingContext<'a> {
        VoicingContext { chord, voices: 4, bass, previous, previous_basses, centre: 62.0 }
    }

    #[test]
    fn every_chord_change_avoids_parallels_with_the_bass_and_moves_little() {
        let (mut movement, mut count) = (0.0, 0.0);
        for from_quality in Quality::ALL {
            let from = Chord::new(0, from_quality);
            let first = best_voicing(&context(&from, 36, &[], &[]));
            for root in 0..12 {
                for quality in Quality::ALL {
                    let to = Chord::new(root, quality);
                    let bass = 36 + root;
                    let second = best_voicing(&context(&to, bass, &first, &[36, 43]));
                    assert_eq!(second.len(), 4);
                    assert!(second.windows(2).all(|pair| pair[0] < pair[1]));
                    for bass_before in [36, 43] {
                        assert!(
                            !is_parallel((bass_before, first[3]), (bass, second[3])),
                            "{from} {first:?} {to} {second:?}"
                        );
                    }
                    movement += first.iter().zip(&second).map(|(a, b)| f32::from(a.abs_diff(*b))).sum::<f32>() / 4.0;
                    count += 1.0;
                }
            }
        }
        assert!(movement / count < 2.5, "{}", movement / count);
    }

    #[test]
    fn a_repeated_chord_keeps_its_voicing() {
        let chord = Chord::parse("Am7").unwrap();
        let first = best_voicing(&context(&chord, 33, &[], &[]));
        assert_eq!(best_voicing(&context(&chord, 33, &first, &[33])), first);
    }

    #[test]
    fn keeps_common_tones() {
        let (c, a) = (Chord::parse("C").unwrap(), Chord::parse("Am").unwrap());
        let first = best_voicing(&context(&c, 36, &[], &[]));
        let second = best_voicing(&context(&a, 33, &first, &[36]));
        let common = first.iter().filter(|note| second.contains(note)).count();
        assert!(common >= 2, "{first:?} {second:?}");
    }
}
