//! Detects when the network clearly plays a different chord from the planned one, so that the plan can follow it.

use serde::{Deserialize, Serialize};

use crate::music::theory::Chord;

/// Number of consecutive bars in which the network must play the same different chord.
const MIN_BARS: u32 = 2;
/// Minimum fit of that chord: its correlation with the chroma over the twelve pitch classes.
const CLARITY: f32 = 0.65;
/// Margin by which that chord must fit better than the plan.
const MARGIN: f32 = 0.3;

/// The different chord that the network has been playing, and for how many bars.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Listening {
    chord: Option<Chord>,
    bars: u32,
}

impl Listening {
    /// Compares the chroma of a bar of `beats` with the chords planned for it, each with its beat, and with nearby
    /// chords; returns the chord to change to once the network has played it for [`MIN_BARS`].
    pub(super) fn hear(
        &mut self,
        heard: Option<&[f32; 12]>,
        planned: &[(f64, Chord)],
        beats: f64,
        nearby: impl Iterator<Item = Chord>,
    ) -> Option<Chord> {
        let insisted = heard.and_then(|heard| insisted(heard, planned, beats, nearby));
        self.bars = match insisted {
            Some(chord) if self.chord == Some(chord) => self.bars + 1,
            Some(_) => 1,
            None => 0,
        };
        self.chord = insisted;
        if self.bars < MIN_BARS {
            return None;
        }
        std::mem::take(self).chord
    }
}

/// The chord that fits a bar well, and much better than the plan.
fn insisted(
    heard: &[f32; 12],
    planned: &[(f64, Chord)],
    beats: f64,
    nearby: impl Iterator<Item = Chord>,
) -> Option<Chord> {
    let mut mixture = [0.0; 12];
    let ends = planned.iter().skip(1).map(|(start, _)| *start).chain([beats]);
    let mut fit_of_plan = f32::NEG_INFINITY;
    for ((start, chord), end) in planned.iter().zip(ends) {
        let chroma = chord.chroma();
        fit_of_plan = fit_of_plan.max(fit(heard, &chroma));
        mixture.iter_mut().zip(chroma).for_each(|(sum, share)| *sum += share * (end - start) as f32);
    }
    fit_of_plan = fit_of_plan.max(fit(heard, &mixture));
    let mut best: Option<(f32, Chord)> = None;
    for chord in nearby {
        let fit = fit(heard, &chord.chroma());
        if best.is_none_or(|(most, _)| fit > most) {
            best = Some((fit, chord));
        }
    }
    best.filter(|(fit, _)| *fit >= CLARITY && *fit - fit_of_plan >= MARGIN).map(|(_, chord)| chord)
}

/// Pearson correlation of two chromas; 0 when either is flat or not finite.
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
        Chord::parse(symbol).expect("a symbol")
    }

    fn hear(listening: &mut Listening, heard: Option<[f32; 12]>, planned: &str) -> Option<Chord> {
        listening.hear(heard.as_ref(), &[(0.0, chord(planned))], 4.0, CHORDS.iter().map(|symbol| chord(symbol)))
    }

    #[test]
    fn one_bar_against_the_plan_is_ignored_but_not_two() {
        let mut listening = Listening::default();
        let leaky = chord("F").chroma().map(|share| share + 0.15);
        assert_eq!(hear(&mut listening, Some(leaky), "G"), None);
        assert_eq!(hear(&mut listening, Some(leaky), "Em"), Some(chord("F")));
        assert_eq!(hear(&mut listening, Some(leaky), "G"), None, "the count starts over");
    }

    #[test]
    fn agreement_silence_and_noise_change_nothing() {
        let near = chord("C6").chroma().map(|share| share + 0.2);
        let flat = [0.3; 12];
        let broken = [f32::NAN; 12];
        let mut noise = flat;
        noise.iter_mut().enumerate().for_each(|(pitch, share)| *share += ((pitch * 7 + 3) % 5) as f32 * 0.1);
        for heard in [None, Some(near), Some(flat), Some(broken), Some(noise), Some([0.0; 12])] {
            let mut listening = Listening::default();
            for _ in 0..6 {
                assert_eq!(hear(&mut listening, heard, "C"), None, "{heard:?}");
            }
        }
    }

    #[test]
    fn an_inconsistent_deviation_is_ignored() {
        let mut listening = Listening::default();
        for bar in 0..8 {
            let heard = chord(if bar % 2 == 0 { "F" } else { "Am" }).chroma();
            assert_eq!(hear(&mut listening, Some(heard), "G"), None);
        }
    }
}
