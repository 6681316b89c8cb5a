//! Evenness brings different moods to one loudness, as measured by an independent implementation of ITU-R BS.1770.

use std::process::Command;

use ebur128::{EbuR128, Mode};

/// Seconds of each rendering, and those at its start during which the gain is still moving.
const SECONDS: [usize; 2] = [36, 16];

/// Returns the integrated loudness of a mood in LUFS.
fn loudness(emotion: &str, evenness: f32) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let wav = folder.path().join("even.wav");
    let [all, moving] = SECONDS;
    let rendered = Command::new(env!("CARGO_BIN_EXE_melos"))
        .args(["render", "--bits", "32", "--seed", "5", "--emotion", emotion])
        .args(["--set", &format!("evenness={evenness}"), "--seconds", &all.to_string(), "-o"])
        .arg(&wav)
        .output()
        .unwrap();
    assert!(rendered.status.success(), "{}", String::from_utf8_lossy(&rendered.stderr));
    let samples: Vec<f32> = hound::WavReader::open(&wav).unwrap().into_samples().map(Result::unwrap).collect();
    let mut meter = EbuR128::new(2, 48_000, Mode::I).unwrap();
    meter.add_frames_f32(&samples[2 * 48_000 * moving..]).unwrap();
    meter.loudness_global().unwrap()
}

#[test]
fn evenness_brings_moods_to_one_loudness() {
    let [uneven, half, even] = [0.0, 0.5, 1.0].map(|evenness| ["calm", "angry"].map(|mood| loudness(mood, evenness)));
    let difference = |[calm, angry]: [f64; 2]| angry - calm;
    assert!(difference(uneven) > 5.0, "{uneven:?} LUFS");
    assert!(
        (0.3..0.7).contains(&(difference(half) / difference(uneven))),
        "{half:?} LUFS, without evenness {uneven:?}"
    );
    assert!(even.iter().all(|lufs| (lufs + 23.0).abs() < 1.0), "{even:?} LUFS");
}
