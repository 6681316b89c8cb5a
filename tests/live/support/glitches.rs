//! Finds silences and clicks in a recording.

use std::ops::Range;

const RATE: usize = 48_000;
/// Silence threshold: -80 dB.
const SILENT: f32 = 1e-4;
/// A frame is a click if its second difference exceeds `MIN_DIFFERENCE` and is more than this many times the RMS second
/// difference both before and after it.
const CLICK_RATIO: f64 = 7.0;
const MIN_DIFFERENCE: f64 = 0.004;
/// Frames on either side of a click over which the RMS is taken, except the nearest `GUARD` frames.
const WINDOW: usize = 480;
const GUARD: usize = 8;
/// Minimum length, in frames, of a run of zeros that counts as a missing block; music contains no run that long.
const DROPOUT: usize = 64;

/// Returns the ranges of frames that are silent for at least 100 ms.
pub(crate) fn silences(sound: &[Vec<f32>; 2]) -> Vec<Range<usize>> {
    runs(sound, |sample| sample.abs() < SILENT, RATE / 10)
}

/// Returns the frames of clicks, including the starts of dropouts.
pub(crate) fn clicks(sound: &[Vec<f32>; 2]) -> Vec<usize> {
    let dropouts = runs(sound, |sample| sample == 0.0, DROPOUT);
    let inner = dropouts.iter().filter(|dropout| dropout.start > 0 && dropout.end < sound[0].len());
    let mut frames: Vec<usize> =
        inner.map(|dropout| dropout.start).chain(sound.iter().flat_map(|side| steps(side))).collect();
    frames.sort_unstable();
    // One click can cause several large second differences.
    frames.dedup_by(|later, earlier| *later < *earlier + GUARD);
    frames
}

/// Returns the runs of at least `min_frames` frames in which both channels satisfy a condition.
fn runs(sound: &[Vec<f32>; 2], condition: impl Fn(f32) -> bool, min_frames: usize) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut started = None;
    let [left, right] = sound;
    for (frame, holds) in left.iter().zip(right).map(|(l, r)| condition(*l) && condition(*r)).chain([false]).enumerate()
    {
        match (holds, started) {
            (true, None) => started = Some(frame),
            (false, Some(start)) => {
                if frame - start >= min_frames {
                    ranges.push(start..frame);
                }
                started = None;
            }
            _ => {}
        }
    }
    ranges
}

/// Returns the frames at which one channel has an unusually large second difference.
fn steps(side: &[f32]) -> Vec<usize> {
    let second = |three: &[f32]| f64::from(three[0]) - 2.0 * f64::from(three[1]) + f64::from(three[2]);
    let differences: Vec<f64> = side.windows(3).map(second).collect();
    let mut energy = vec![0.0];
    energy.extend(differences.iter().scan(0.0, |sum, difference| {
        *sum += difference * difference;
        Some(*sum)
    }));
    let rms = |range: Range<usize>| ((energy[range.end] - energy[range.start]) / (WINDOW - GUARD) as f64).sqrt();
    (WINDOW..differences.len().saturating_sub(WINDOW))
        .filter(|at| differences[*at].abs() > MIN_DIFFERENCE)
        .filter(|at| {
            let (before, after) = (rms(at - WINDOW..at - GUARD), rms(at + GUARD + 1..at + WINDOW + 1));
            differences[*at].abs() > CLICK_RATIO * before.max(after)
        })
        .collect()
}

/// Returns a chord that swells and fades, with quiet noise.
#[cfg(test)]
fn swelling_chord() -> [Vec<f32>; 2] {
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
fn finds_skips_and_dropouts_but_ignores_music_and_fades() {
    let clean = swelling_chord();
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
