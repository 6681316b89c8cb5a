//! Finds silences and clicks in a recording.

use std::ops::Range;

const RATE: usize = 48_000;
/// Silence threshold: -80 dB.
const SILENT: f32 = 1e-4;
/// A step is a click if its change of slope is this many times the surrounding level, and at least the minimum.
const FACTOR: f64 = 7.0;
const MIN_STEP: f64 = 0.004;
/// Frames on either side of a step that determine the surrounding level, excluding the nearest.
const WINDOW: usize = 480;
const GUARD: usize = 8;
/// Music is never exactly zero for this many frames; such a run is a missing block.
const DROPOUT: usize = 64;

/// Returns silences of more than 100 ms, in frames.
pub(crate) fn silences(sound: &[Vec<f32>; 2]) -> Vec<Range<usize>> {
    runs(sound, |sample| sample.abs() < SILENT, RATE / 10)
}

/// Returns the frames of clicks.
pub(crate) fn clicks(sound: &[Vec<f32>; 2]) -> Vec<usize> {
    let dropouts = runs(sound, |sample| sample == 0.0, DROPOUT);
    let inside = dropouts.iter().filter(|dropout| dropout.start > 0 && dropout.end < sound[0].len());
    let mut found: Vec<usize> =
        inside.map(|dropout| dropout.start).chain(sound.iter().flat_map(|side| steps(side))).collect();
    found.sort_unstable();
    // A step is one click, although its slope changes twice.
    found.dedup_by(|later, earlier| *later < *earlier + GUARD);
    found
}

/// Returns runs of at least `least` frames in which both channels satisfy a condition.
fn runs(sound: &[Vec<f32>; 2], condition: impl Fn(f32) -> bool, least: usize) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut started = None;
    let [left, right] = sound;
    for (frame, holds) in left.iter().zip(right).map(|(l, r)| condition(*l) && condition(*r)).chain([false]).enumerate()
    {
        match (holds, started) {
            (true, None) => started = Some(frame),
            (false, Some(start)) => {
                if frame - start >= least {
                    found.push(start..frame);
                }
                started = None;
            }
            _ => {}
        }
    }
    found
}

/// Returns the frames at which one channel has an unusual step.
fn steps(side: &[f32]) -> Vec<usize> {
    let slopes = side.windows(3).map(|three| f64::from(three[0]) - 2.0 * f64::from(three[1]) + f64::from(three[2]));
    let slopes: Vec<f64> = slopes.collect();
    let mut energy = vec![0.0];
    energy.extend(slopes.iter().scan(0.0, |sum, slope| {
        *sum += slope * slope;
        Some(*sum)
    }));
    let level = |range: Range<usize>| ((energy[range.end] - energy[range.start]) / (WINDOW - GUARD) as f64).sqrt();
    (WINDOW..slopes.len().saturating_sub(WINDOW))
        .filter(|at| slopes[*at].abs() > MIN_STEP)
        .filter(|at| {
            let (before, after) = (level(at - WINDOW..at - GUARD), level(at + GUARD + 1..at + WINDOW + 1));
            slopes[*at].abs() > FACTOR * before.max(after)
        })
        .collect()
}

/// Returns chords that swell and fade, with reverb.
#[cfg(test)]
fn chords() -> [Vec<f32>; 2] {
    let sample = |frame: usize, side: f32| {
        let time = frame as f32 / RATE as f32;
        let swell = 0.15 * (1.0 + (3.0 * time).sin());
        let partials =
            [220.0, 277.2, 329.6, 880.0, 1760.0].map(|hertz| (std::f32::consts::TAU * hertz * time + side).sin());
        swell * partials.iter().sum::<f32>() / 3.0 + 1e-3 * ((frame * 7919 % 1009) as f32 / 1009.0 - 0.5)
    };
    [0.0, 1.0].map(|side| (0..4 * RATE).map(|frame| sample(frame, side)).collect())
}

#[test]
fn skips_and_dropouts_are_found_but_not_music_or_fades() {
    let clean = chords();
    assert_eq!((clicks(&clean), silences(&clean)), (Vec::new(), Vec::new()));
    for at in (RATE..3 * RATE).step_by(4801) {
        let mut dropout = clean.clone();
        dropout.iter_mut().for_each(|side| side[at..at + DROPOUT].fill(0.0));
        assert!(!clicks(&dropout).is_empty(), "missing block at {at} not found");
        let mut skip = clean.clone();
        skip.iter_mut().for_each(|side| drop(side.drain(at..at + 512 + at % 97)));
        assert!(clicks(&skip).len() < 3, "a skip should give at most one click per channel");
    }
    let mut skips = clean.clone();
    skips.iter_mut().for_each(|side| drop(side.drain(RATE + 70..RATE + 600)));
    assert!(!clicks(&skips).is_empty());
    let mut faded = clean;
    for side in &mut faded {
        for (n, sample) in side[RATE..2 * RATE].iter_mut().enumerate() {
            *sample *= (1.0 - n as f32 / 480.0).max((n as f32 - (RATE - 480) as f32) / 480.0).max(1e-9);
        }
    }
    assert_eq!(clicks(&faded), [0usize; 0]);
    assert_eq!(silences(&faded).len(), 1, "{:?}", silences(&faded));
}
