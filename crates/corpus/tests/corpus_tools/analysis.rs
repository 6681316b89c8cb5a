//! Compares measurements of generated audio with those that `tests/reference/analysis.py golden` computed with librosa,
//! and with the notes in the audio.

use std::f64::consts::TAU;

use melos_corpus::analysis::{Analysis, Frame, analyze};
use serde_json::Value;

const RATE: usize = 48_000;

/// Generates six seconds of decaying harmonic notes with a noisy attack, as `analysis.py` does.
fn signal() -> Vec<f32> {
    let mut total = vec![0.0f64; 6 * RATE];
    let mut state: u64 = 1;
    for (index, note) in [45, 57, 60, 64, 52, 59, 62, 67, 48, 55, 72, 76].into_iter().enumerate() {
        let start = index * RATE / 2;
        let hertz = 440.0 * (f64::from(note - 69) / 12.0).exp2();
        for (i, sample) in total[start..].iter_mut().enumerate() {
            let t = i as f64 / RATE as f64;
            for partial in (1..=8).map(f64::from) {
                *sample += 0.2 / partial.powf(1.5) * (-(2.0 + partial) * t).exp() * (TAU * hertz * partial * t).sin();
            }
        }
        for i in 0..960 {
            state = (state * 1_103_515_245 + 12_345) % (1 << 31);
            total[start + i] += 0.05 * (1.0 - i as f64 / 960.0) * (state as f64 / f64::from(1u32 << 30) - 1.0);
        }
    }
    total.into_iter().map(|x| x as f32).collect()
}

fn golden() -> Value {
    serde_json::from_str(include_str!("../data/analysis.json")).expect("the golden file should be valid")
}

/// Returns a series from the golden file, one row per stored frame.
fn rows(golden: &Value, name: &str) -> Vec<Vec<f32>> {
    let row = |value: &Value| match value {
        Value::Array(numbers) => {
            numbers.iter().map(|x| x.as_f64().expect("the value should be a number") as f32).collect()
        }
        number => vec![number.as_f64().expect("the value should be a number") as f32],
    };
    golden[name].as_array().expect("the value should be a series").iter().map(row).collect()
}

/// Compares a series with the golden one, frame by frame: |actual − expected| ≤ absolute + relative · |expected|.
fn check(analysis: &Analysis, name: &str, absolute: f32, relative: f32, value: impl Fn(&Frame) -> Vec<f32>) {
    let golden = golden();
    let every =
        golden["every"].as_u64().expect("the value should be a number") as usize * if name == "mel" { 4 } else { 1 };
    let rows = rows(&golden, name);
    assert_eq!(rows.len(), analysis.frames.len().div_ceil(every), "{name}");
    for (index, expected) in rows.iter().enumerate() {
        let actual = value(&analysis.frames[index * every]);
        assert_eq!(actual.len(), expected.len(), "{name}");
        for (actual, expected) in actual.iter().zip(expected) {
            let allowed = absolute + relative * expected.abs();
            assert!(
                (actual - expected).abs() <= allowed,
                "{name}, frame {}: {actual} against {expected}",
                index * every
            );
        }
    }
}

#[test]
fn measurements_match_librosa() {
    let analysis = analyze(&signal());
    check(&analysis, "mel", 1e-4, 0.0, |frame| frame.mel.to_vec());
    check(&analysis, "rms", 1e-6, 1e-5, |frame| vec![frame.rms]);
    check(&analysis, "centroid", 0.05, 1e-5, |frame| vec![frame.spectral.centroid]);
    check(&analysis, "rolloff", 0.1, 0.0, |frame| vec![frame.spectral.rolloff]);
    check(&analysis, "flatness", 1e-6, 1e-4, |frame| vec![frame.spectral.flatness]);
    check(&analysis, "zero_crossings", 1e-6, 0.0, |frame| vec![frame.zero_crossing_rate]);
    check(&analysis, "mfcc", 1e-3, 0.0, |frame| frame.mfcc.to_vec());
    check(&analysis, "mfcc_delta", 1e-4, 0.0, |frame| frame.mfcc_delta.to_vec());
    check(&analysis, "chroma", 1e-4, 0.0, |frame| frame.chroma.to_vec());
}

#[test]
fn beats_match_librosa() {
    let golden = golden();
    let analysis = analyze(&signal());
    let tempo = golden["tempo_bpm"].as_f64().expect("the value should be a number");
    let found = analysis.rhythm.tempo_bpm;
    assert!((found / tempo - 1.0).abs() < 0.04, "{found} against {tempo} BPM");
    let beats = rows(&golden, "beats");
    let near = |time: f64| analysis.rhythm.beats.iter().any(|beat| (beat - time).abs() <= 0.03);
    let agreed = beats.iter().filter(|beat| near(f64::from(beat[0]))).count();
    assert!(agreed * 10 >= beats.len() * 9, "{agreed} of {} beats agree", beats.len());
    assert!(analysis.rhythm.beats.len().abs_diff(beats.len()) <= 1);
}

#[test]
fn onsets_match_the_starts_of_the_notes() {
    let onsets = analyze(&signal()).rhythm.onsets;
    let starts: Vec<f64> = (1..12).map(|index| 0.5 * f64::from(index)).collect();
    for start in &starts {
        assert!(onsets.iter().any(|onset| (onset - start).abs() < 0.03), "no onset at {start} s in {onsets:?}");
    }
    assert!(onsets.len() <= starts.len() + 1, "{onsets:?}");
}

#[test]
fn the_key_is_recognised() {
    // All notes are white keys, and C and E are the most frequent.
    assert_eq!(analyze(&signal()).key.key.to_string(), "C major");
}
