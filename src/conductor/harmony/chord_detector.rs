//! Detects when the network clearly plays a chord other than the planned one, so that the plan can follow it.

use serde::{Deserialize, Serialize};

use crate::music::theory::Chord;

/// Number of consecutive bars in which the network must play the same unplanned chord.
const MIN_BARS: u32 = 2;
/// Minimum correlation of that chord with the chroma, over the twelve pitch classes.
const MIN_FIT: f32 = 0.65;
/// Minimum margin by which that chord must fit better than the plan.
const MIN_MARGIN: f32 = 0.3;

/// The unplanned chord that the network has been playing, and for how many bars.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct ChordDetector {
    chord: Option<Chord>,
    bars: u32,
}

impl ChordDetector {
    /// Compares the chroma of a bar of `beats` beats with the chords planned for it, each with its beat, and with nearby chords.
    /// Once the network has played an unplanned chord for [`MIN_BARS`] bars, returns the chord and restarts the count.
    pub(super) fn observe(
        &mut self,
        chroma: Option<&[f32; 12]>,
        planned: &[(f64, Chord)],
        beats: f64,
        nearby: impl Iterator<Item = Chord>,
    ) -> Option<Chord> {
        let unplanned = chroma.and_then(|chroma| unplanned_chord(chroma, planned, beats, nearby));
        self.bars = match unplanned {
            Some(chord) if self.chord == Some(chord) => self.bars + 1,
            Some(_) => 1,
            None => 0,
        };
        self.chord = unplanned;
        if self.bars < MIN_BARS {
            return None;
        }
        std::mem::take(self).chord
    }
}

/// Returns the nearby chord that fits a bar best, if it fits well and much better than the plan.
fn unplanned_chord(
    chroma: &[f32; 12],
    planned: &[(f64, Chord)],
    beats: f64,
    nearby: impl Iterator<Item = Chord>,
) -> Option<Chord> {
    let mut mixture = [0.0; 12];
    let ends = planned.iter().skip(1).map(|(start, _)| *start).chain([beats]);
    let mut plan_fit = f32::NEG_INFINITY;
    for ((start, chord), end) in planned.iter().zip(ends) {
        let template = chord.chroma();
        plan_fit = plan_fit.max(fit(chroma, &template));
        mixture.iter_mut().zip(template).for_each(|(sum, strength)| *sum += strength * (end - start) as f32);
    }
    plan_fit = plan_fit.max(fit(chroma, &mixture));
    let mut best: Option<(f32, Chord)> = None;
    for chord in nearby {
        let fit = fit(chroma, &chord.chroma());
        if best.is_none_or(|(best_fit, _)| fit > best_fit) {
            best = Some((fit, chord));
        }
    }
    best.filter(|(fit, _)| *fit >= MIN_FIT && *fit - plan_fit >= MIN_MARGIN).map(|(_, chord)| chord)
}

/// Returns the Pearson correlation of two chromas; 0 if either is flat or not finite.
fn fit(a: &[f32; 12], b: &[f32; 12]) -> f32 {
    let mean = |x: &[f32; 12]| x.iter().sum::<f32>() / 12.0;
    let (ma, mb) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        ab += (x - ma) * (y - mb);
        aa += (x - ma).powi(2);
        bb += (y - mb).powi(2);
    }
    let fit = ab / (aa * bb).sqrt();
    if fit.is_finite() { fit } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHORDS: [&str; 7] = ["C", "Dm", "Em", "F", "G", "Am", "Bdim"];

    fn chord(symbol: &str) -> Chord {
        Chord::parse(symbol).unwrap()
    }

    fn observe(detector: &mut ChordDetector, chroma: Option<[f32; 12]>, planned: &str) -> Option<Chord> {
        detector.observe(chroma.as_ref(), &[(0.0, chord(planned))], 4.0, CHORDS.iter().map(|symbol| chord(symbol)))
    }

    #[test]
    fn reports_an_unplanned_chord_in_its_second_bar() {
        let mut detector = ChordDetector::default();
        let noisy = chord("F").chroma().map(|strength| strength + 0.15);
        assert_eq!(observe(&mut detector, Some(noisy), "G"), None);
        assert_eq!(observe(&mut detector, Some(noisy), "Em"), Some(chord("F")));
        assert_eq!(observe(&mut detector, Some(noisy), "G"), None, "the count restarts");
    }

    #[test]
    fn ignores_agreement_silence_and_noise() {
        let similar = chord("C6").chroma().map(|strength| strength + 0.2);
        let flat = [0.3; 12];
        let invalid = [f32::NAN; 12];
        let mut noise = flat;
        noise.iter_mut().enumerate().for_each(|(pitch, strength)| *strength += ((pitch * 7 + 3) % 5) as f32 * 0.1);
        for chroma in [None, Some(similar), Some(flat), Some(invalid), Some(noise), Some([0.0; 12])] {
            let mut detector = ChordDetector::default();
            for _ in 0..6 {
                assert_eq!(observe(&mut detector, chroma, "C"), None, "{chroma:?}");
            }
        }
    }

    #[test]
    fn ignores_an_inconsistent_deviation() {
        let mut detector = ChordDetector::default();
        for bar in 0..8 {
            let chroma = chord(if bar % 2 == 0 { "F" } else { "Am" }).chroma();
            assert_eq!(observe(&mut detector, Some(chroma), "G"), None);
        }
    }
}
