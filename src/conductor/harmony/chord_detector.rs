//! Detects when the network clearly plays a chord other than those planned for the same time, so that the plan can follow it.

use serde::{Deserialize, Serialize};

use crate::music::theory::Chord;

/// Number of consecutive bars in which the network must play the same unplanned chord.
const MIN_BARS: u32 = 2;
/// Minimum correlation of that chord with the chroma, over the twelve pitch classes.
const MIN_FIT: f32 = 0.65;
/// Minimum difference between that correlation and the plan's.
const MIN_MARGIN: f32 = 0.3;

/// What the network played for about a bar.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PlayedBar {
    /// The beat at which it ends, counted from 0 at the start of the performance.
    end: f64,
    /// The length in beats.
    beats: f64,
    /// The mean chroma, on any linear scale.
    pub chroma: [f32; 12],
    /// Correlation of the chroma with the planned chord that fits it best, or with their mixture if that fits better.
    plan_fit: f32,
}

impl PlayedBar {
    /// Compares the mean chroma of `beats` beats that end at beat `end` with the chords that were planned for them, each with
    /// its length in beats.
    #[must_use]
    pub fn new(end: f64, beats: f64, chroma: [f32; 12], planned: impl Iterator<Item = (f64, Chord)>) -> Self {
        let (mut mixture, mut plan_fit) = ([0.0; 12], f32::NEG_INFINITY);
        for (beats, chord) in planned {
            let template = chord.chroma();
            plan_fit = plan_fit.max(fit(&chroma, &template));
            mixture.iter_mut().zip(template).for_each(|(sum, strength)| *sum += strength * beats as f32);
        }
        Self { end, beats, chroma, plan_fit: plan_fit.max(fit(&chroma, &mixture)) }
    }
}

/// The unplanned chord that the network has been playing, and for how many bars.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct ChordDetector {
    chord: Option<Chord>,
    bars: u32,
    /// The beat at which the last bar counted ended.
    end: f64,
}

impl ChordDetector {
    /// Compares a played bar with nearby chords. Once the network has played an unplanned chord for [`MIN_BARS`] bars, returns
    /// the chord and restarts the count. Ignores a bar that overlaps the previous one by more than half, as when several bars
    /// are planned at once.
    pub(super) fn observe(&mut self, played: Option<&PlayedBar>, nearby: impl Iterator<Item = Chord>) -> Option<Chord> {
        if played.is_some_and(|played| self.bars > 0 && played.end < self.end + played.beats / 2.0) {
            return None;
        }
        let unplanned = played.and_then(|played| unplanned_chord(played, nearby));
        self.bars = match unplanned {
            Some(chord) if self.chord == Some(chord) => self.bars + 1,
            Some(_) => 1,
            None => 0,
        };
        self.chord = unplanned;
        self.end = played.map_or(self.end, |played| played.end);
        if self.bars < MIN_BARS {
            return None;
        }
        self.bars = 0;
        self.chord.take()
    }
}

/// Returns the nearby chord that fits a bar's chroma best, if it fits well and much better than the plan.
fn unplanned_chord(played: &PlayedBar, nearby: impl Iterator<Item = Chord>) -> Option<Chord> {
    let PlayedBar { chroma, plan_fit, .. } = played;
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

    fn observe_at(detector: &mut ChordDetector, bar: u32, chroma: Option<[f32; 12]>, planned: &str) -> Option<Chord> {
        let end = 4.0 * f64::from(bar + 1);
        let played = chroma.map(|chroma| PlayedBar::new(end, 4.0, chroma, [(4.0, chord(planned))].into_iter()));
        detector.observe(played.as_ref(), CHORDS.iter().map(|symbol| chord(symbol)))
    }

    #[test]
    fn reports_an_unplanned_chord_in_its_second_bar() {
        let mut detector = ChordDetector::default();
        let noisy = chord("F").chroma().map(|strength| strength + 0.15);
        assert_eq!(observe_at(&mut detector, 0, Some(noisy), "G"), None);
        assert_eq!(observe_at(&mut detector, 0, Some(noisy), "G"), None, "the same bar should not count twice");
        assert_eq!(observe_at(&mut detector, 1, Some(noisy), "Em"), Some(chord("F")));
        assert_eq!(observe_at(&mut detector, 2, Some(noisy), "G"), None, "the count should restart");
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
            for bar in 0..6 {
                assert_eq!(observe_at(&mut detector, bar, chroma, "C"), None, "{chroma:?}");
            }
        }
    }

    #[test]
    fn ignores_inconsistent_deviations() {
        let mut detector = ChordDetector::default();
        for bar in 0..8 {
            let chroma = chord(if bar % 2 == 0 { "F" } else { "Am" }).chroma();
            assert_eq!(observe_at(&mut detector, bar, Some(chroma), "G"), None);
        }
    }
}
