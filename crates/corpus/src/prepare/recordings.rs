//! Computes features and conditions of recordings whose notes are unknown.

use super::features::{COUNT, Feature, Features, WINDOW};
use super::label::{Label, Labeller};
use crate::analysis::tonal::{Chroma, KeyEstimate};
use crate::analysis::{Analysis, Frame, analyze};
use melos::mel::{FRAMES_PER_SECOND, LATENTS_PER_SECOND};
use melos::music::conditions::Conditions;
use melos::units::gain_to_db;

use super::beats::BeatGrid;
use super::condition::{CHORD_HALF_WINDOW, LABEL_STEP, ONSET_HALF_WINDOW};

/// Mean level, in decibels, below which a window counts as silent.
const SILENCE: f64 = -70.0;

/// Computes the features of a recording in overlapping windows, spaced a quarter of a window apart.
pub(crate) fn all_features(signal: &[f32]) -> Vec<Features> {
    let analysis = analyze(signal);
    let centres = (1..).map(|i| f64::from(i) * WINDOW / 4.0).take_while(|centre| *centre < analysis.seconds);
    centres.filter_map(|centre| features(&analysis, centre)).collect()
}

/// Computes the features of the window around the time `centre`, using level instead of velocity and chroma instead of
/// pitches. Features that require notes are NaN. Returns `None` for silence.
fn features(analysis: &Analysis, centre: f64) -> Option<Features> {
    let (from, to) = ((centre - WINDOW / 2.0).max(0.0), (centre + WINDOW / 2.0).min(analysis.seconds));
    let frames = frames_in(&analysis.frames, from, to);
    let mut levels: Vec<f64> = frames.iter().map(|frame| f64::from(gain_to_db(frame.rms))).collect();
    let count = levels.len() as f64;
    let level = levels.iter().sum::<f64>() / count;
    if levels.is_empty() || level < SILENCE {
        return None;
    }
    let spread = (levels.iter().map(|x| (x - level).powi(2)).sum::<f64>() / count).sqrt();
    levels.sort_by(f64::total_cmp);
    let onsets = analysis.rhythm.onsets.iter().filter(|onset| (from..to).contains(*onset)).count();
    let chroma = chroma(frames);
    let total: f32 = chroma.iter().sum();
    let entropy = -chroma.iter().map(|x| x / total).filter(|p| *p > 0.0).map(|p| p * p.log2()).sum::<f32>();
    let key = KeyEstimate::of(&chroma);

    let mut all = [f64::NAN; COUNT];
    let mut set = |feature: Feature, value: f64| all[feature as usize] = value;
    set(Feature::Velocity, level);
    set(Feature::VelocitySpread, spread);
    set(Feature::VelocityHigh, levels[levels.len() * 9 / 10]);
    set(Feature::Density, (onsets.max(1) as f64 / (to - from)).ln());
    set(Feature::Mode, f64::from(key.major - key.minor));
    set(Feature::Clarity, f64::from(key.major.max(key.minor)));
    set(Feature::Entropy, f64::from(entropy));
    set(Feature::Mixture, -f64::from((key.major - key.minor).abs()));
    Some(all)
}

/// Computes the conditions for the first `latents` latents of a recording; bass, bar phase, loudness and register are
/// unknown.
pub(crate) fn conditions(analysis: &Analysis, labeller: Option<&Labeller>, latents: usize) -> Vec<Conditions> {
    let seconds = latents as f64 / LATENTS_PER_SECOND;
    let labels: Vec<Option<Label>> = (0..=(seconds / LABEL_STEP) as usize)
        .map(|step| {
            features(analysis, step as f64 * LABEL_STEP).zip(labeller).map(|(window, labeller)| labeller.label(&window))
        })
        .collect();
    let marks: Vec<(f64, bool)> =
        analysis.rhythm.beats.iter().enumerate().map(|(index, time)| (*time, index == 0)).collect();
    let grid = BeatGrid::new(&marks);
    (0..latents)
        .map(|latent| {
            let start = latent as f64 / LATENTS_PER_SECOND;
            let middle = (latent as f64 + 0.5) / LATENTS_PER_SECOND;
            let label = labels[((middle / LABEL_STEP).round() as usize).min(labels.len() - 1)];
            let position = grid.as_ref().and_then(|grid| grid.at(start));
            let chroma = chroma(frames_in(&analysis.frames, middle - CHORD_HALF_WINDOW, middle + CHORD_HALF_WINDOW));
            let largest = chroma.iter().copied().fold(0.0, f32::max);
            let onset_window = middle - ONSET_HALF_WINDOW..middle + ONSET_HALF_WINDOW;
            let onsets = analysis.rhythm.onsets.iter().filter(|onset| onset_window.contains(*onset)).count();
            let span = ONSET_HALF_WINDOW.min(middle) + ONSET_HALF_WINDOW.min(seconds - middle);
            Conditions {
                emotion: label.map(|label| label.weights),
                affect: label.map(|label| label.affect),
                chord: (largest > 0.0).then(|| chroma.map(|x| x / largest)),
                beat_phase: position.map(|position| position.beat_phase),
                tempo_bpm: position.map(|position| position.tempo_bpm),
                density: Some((onsets as f64 / span) as f32),
                ..Conditions::default()
            }
        })
        .collect()
}

/// Returns the frames whose centres are in `from..to` seconds.
fn frames_in(frames: &[Frame], from: f64, to: f64) -> &[Frame] {
    let index = |seconds: f64| ((seconds.max(0.0) * FRAMES_PER_SECOND).ceil() as usize).min(frames.len());
    &frames[index(from)..index(to)]
}

/// Returns the sum of the frames' chroma, weighted by their RMS.
fn chroma(frames: &[Frame]) -> Chroma {
    let mut sum = [0.0; 12];
    for frame in frames {
        for (total, value) in sum.iter_mut().zip(frame.chroma) {
            *total += frame.rms * value;
        }
    }
    sum
}
