//! Tests rendering with a generated sample library.
#![allow(clippy::unwrap_used, reason = "a failing helper fails the test")]

use std::f64::consts::TAU;
use std::fs;
use std::path::{Path, PathBuf};

use hound::{SampleFormat, WavSpec, WavWriter};
use melos_corpus::prepare::Options;
use melos_corpus::prepare::corpus::Corpus;
use melos_corpus::prepare::midi::Note;
use melos_corpus::prepare::synth::{Piano, Stereo};

use super::corpora::pop909_song;
use super::{A_MINOR, Workspace, prepare, shards};

const RATE: f64 = 48_000.0;
/// Silence before the attack in every sample, in seconds.
const SILENCE: f64 = 0.02;

/// Writes a sine; the left channel also contains its octave at the relative level `octave`.
fn write_sample(path: &Path, hertz: f64, level: f64, octave: f64, seconds: f64) {
    let spec = WavSpec { channels: 2, sample_rate: 48_000, bits_per_sample: 16, sample_format: SampleFormat::Int };
    let mut writer = WavWriter::create(path, spec).unwrap();
    for i in 0..(seconds * RATE) as u32 {
        let time = f64::from(i) / RATE - SILENCE;
        let tone = |hertz: f64| if time < 0.0 { 0.0 } else { (TAU * hertz * time).sin() };
        for x in [tone(hertz) + octave * tone(2.0 * hertz), tone(hertz)] {
            writer.write_sample((x * level * 32_767.0) as i16).unwrap();
        }
    }
    writer.finalize().unwrap();
}

/// Writes a library with samples of A3 and A4 in two layers, of which the hard one is brighter and 12 dB louder, and a
/// release noise.
fn library(folder: &Path) -> PathBuf {
    for (name, hertz) in [("A3", 220.0), ("A4", 440.0)] {
        write_sample(&folder.join(format!("{name}-soft.wav")), hertz, 0.1, 0.0, 3.0);
        write_sample(&folder.join(format!("{name}-hard.wav")), hertz, 0.4, 0.5, 3.0);
    }
    write_sample(&folder.join("release.wav"), 5000.0, 0.2, 0.0, 0.1);
    let path = folder.join("toy.toml");
    let description = r#"
name = "toy"
licence = "CC0 1.0"
folder = "."
keys = [57, 69]
undamped_from = 90
damping_seconds = [0.2, 0.2]

[[layer]]
velocity = [1, 60]
level_db = -12.0
files = "{note}-soft.wav"

[[layer]]
velocity = [61, 127]
files = "{note}-hard.wav"

[release]
keys = [21, 108]
files = "release.wav"
gain_db = -20.0
"#;
    fs::write(path.as_path(), description).unwrap();
    path
}

fn note(start: f64, key_up: f64, end: f64, pitch: u8, velocity: f32) -> Note {
    Note { start, key_up, end, pitch, velocity }
}

fn play(notes: &[Note]) -> Stereo {
    let folder = tempfile::tempdir().unwrap();
    Piano::load(&library(folder.path())).unwrap().render(notes, 2 * 48_000).unwrap()
}

/// Returns the amplitude and phase of a frequency between two times in seconds.
fn tone(signal: &[f32], hertz: f64, from: f64, to: f64) -> (f64, f64) {
    let range = (from * RATE) as usize..(to * RATE) as usize;
    let count = range.len() as f64;
    let (mut re, mut im) = (0.0, 0.0);
    for i in range {
        let window = 1.0 - (TAU * (i as f64 - from * RATE) / count).cos();
        let angle = TAU * hertz * i as f64 / RATE;
        re += window * f64::from(signal[i]) * angle.cos();
        im -= window * f64::from(signal[i]) * angle.sin();
    }
    (2.0 * re.hypot(im) / count, im.atan2(re))
}

/// Returns the frequency near `expected`, from the phase advance between two windows.
fn frequency(signal: &[f32], expected: f64) -> f64 {
    let interval = 0.1;
    let phase = |from: f64| tone(signal, expected, from, from + 0.2).1;
    let advance = (phase(0.3 + interval) - phase(0.3) + TAU / 2.0).rem_euclid(TAU) - TAU / 2.0;
    expected + advance / (TAU * interval)
}

#[test]
fn pitch_is_accurate_to_a_cent() {
    for pitch in [55u8, 57, 60, 62, 69, 71] {
        let expected = 440.0 * ((f64::from(pitch) - 69.0) / 12.0).exp2();
        let sound = play(&[note(0.0, 1.9, 1.9, pitch, 40.0)]);
        for signal in [&sound.left, &sound.right] {
            let cents = 1200.0 * (frequency(signal, expected) / expected).log2();
            assert!(cents.abs() < 1.0, "key {pitch} is {cents} cents off");
            assert!((tone(signal, expected, 0.3, 0.6).0 - 0.1).abs() < 0.03, "key {pitch} should keep its level");
        }
    }
}

#[test]
fn onsets_are_exact_and_channels_are_separate() {
    let sound = play(&[note(0.5, 1.5, 1.5, 69, 100.0)]);
    let first = sound.right.iter().position(|x| x.abs() > 0.02).unwrap() as f64 / RATE;
    assert!((first - 0.5).abs() < 0.002, "the note starts at {first} s");
    let octave = |signal: &[f32]| tone(signal, 880.0, 0.8, 1.2).0;
    assert!(octave(&sound.left) > 0.15, "{}", octave(&sound.left));
    assert!(octave(&sound.right) < 0.001, "{}", octave(&sound.right));
    let (mid, side) = (sound.mid(), sound.side());
    assert!((mid[40_000] + side[40_000] - sound.left[40_000]).abs() < 1e-6);
    assert!((mid[40_000] - side[40_000] - sound.right[40_000]).abs() < 1e-6);
}

#[test]
fn velocity_selects_the_layer_and_loudness_rises_linearly() {
    let at = |velocity: f32| {
        let sound = play(&[note(0.0, 1.9, 1.9, 69, velocity)]);
        (tone(&sound.left, 440.0, 0.3, 0.6).0, tone(&sound.left, 880.0, 0.3, 0.6).0)
    };
    assert!(at(50.0).1 < 1e-3, "the soft layer should be dull");
    let (loud, bright) = at(80.0);
    assert!((bright / loud - 0.5).abs() < 0.01, "the hard layer should be bright");
    let (fundamental, octave) = at(60.5);
    assert!(
        octave / fundamental > 0.1 && octave / fundamental < 0.4,
        "both layers should sound at the boundary: {octave} of {fundamental}"
    );
    let levels: Vec<f64> = [20.0, 40.0, 55.0, 70.0, 90.0, 120.0].map(|velocity| at(velocity).0).to_vec();
    assert!(levels.windows(2).all(|pair| pair[1] > pair[0]), "{levels:?}");
    // Outside the crossfade, the level rises linearly, by 12 dB between the layers' centres, 30.5 and 94.
    let decibels = |a: f64, b: f64| 20.0 * (a / b).log10();
    let slope = 12.0 / 63.5;
    assert!((decibels(at(70.0).0, at(50.0).0) - 20.0 * slope).abs() < 0.2);
    assert!((decibels(at(110.0).0, at(94.0).0) - 16.0 * slope).abs() < 0.2);
}

#[test]
fn the_pedal_sustains_notes_and_dampers_end_them() {
    let level = |sound: &Stereo, from: f64| tone(&sound.left, 440.0, from, from + 0.1).0;
    let damped = play(&[note(0.0, 0.5, 0.5, 69, 50.0)]);
    let held = play(&[note(0.0, 0.5, 1.5, 69, 50.0)]);
    let before = level(&damped, 0.3);
    assert!((level(&held, 1.2) / before - 1.0).abs() < 0.01, "the pedal should sustain the note");
    assert!(level(&damped, 0.72) < before / 500.0, "the damper should reduce the note by 60 dB in a fifth of a second");
    assert!(damped.left[48_000..].iter().all(|x| *x == 0.0), "the damped note should then be silent");
    assert!(level(&held, 1.8) < before / 500.0);
    // The release noise starts when the key is released, whatever the position of the pedal.
    for sound in [&damped, &held] {
        let noise = |from: f64| tone(&sound.left, 5000.0, from, from + 0.05).0;
        assert!(noise(0.53) > 0.015 && noise(0.3) < 1e-3 && noise(1.52) < 1e-3, "{} {}", noise(0.53), noise(1.52));
    }
}

#[test]
fn strings_without_dampers_sound_until_they_are_struck_again() {
    let (first, second) = (note(0.0, 0.2, 0.2, 92, 50.0), note(1.0, 1.1, 1.1, 92, 50.0));
    let hertz = 440.0 * (23.0f64 / 12.0).exp2();
    let level = |sound: &Stereo, from: f64| tone(&sound.left, hertz, from, from + 0.05).0;
    // Transposed up by nearly two octaves, the three seconds of the sample last 0.8 s.
    let alone = play(&[first]);
    assert!(level(&alone, 0.6) > 0.05);
    let repeated = play(&[first, second]);
    assert!((level(&repeated, 1.3) / level(&alone, 0.3) - 1.0).abs() < 0.02);
}

#[test]
fn shards_do_not_depend_on_the_number_of_jobs() {
    let workspace = Workspace::new();
    for id in ["001", "002", "003"] {
        pop909_song(&workspace.path("pop"), id, A_MINOR);
    }
    let piano = library(&workspace.path("."));
    let serial = Options { piano, stereo: true, jobs: 1, ..workspace.options(Corpus::Pop909, "pop") };
    let parallel = Options { out: workspace.path("parallel"), jobs: 3, ..serial.clone() };
    assert_eq!((prepare(&serial).written, prepare(&parallel).written), (3, 3));
    assert_eq!(super::bytes(&serial.out), super::bytes(&parallel.out), "the number of jobs should make no difference");
    for path in shards::find(&serial.out) {
        let shard = shards::read(&path);
        assert_eq!(shard.metadata["piano"], "toy");
        let side = shard.side.expect("the requested signal should be stored");
        assert_eq!(side.len(), shard.audio.expect("the requested signal should be stored").len());
        assert!(side.iter().any(|x| *x != 0));
        assert_eq!(shard.key_up.len(), shard.notes.len());
        assert!(shard.notes.iter().zip(&shard.key_up).all(|(note, up)| note[0] < *up && *up <= note[1]));
    }
}

#[test]
fn errors_name_the_unusable_file() {
    let folder = tempfile::tempdir().unwrap();
    let error = |path: &Path| Piano::load(path).unwrap_err().to_string();
    assert!(error(&folder.path().join("none.toml")).contains("none.toml"));
    assert!(error(&folder.path().join("piano.wav")).contains(".sf2"));
    let path = library(folder.path());
    fs::write(folder.path().join("A4-hard.wav"), "RIFF, but not really").unwrap();
    let piano = Piano::load(&path).unwrap();
    let broken = piano.render(&[note(0.0, 1.0, 1.0, 69, 100.0)], 48_000).unwrap_err().to_string();
    assert!(broken.contains("A4-hard.wav"), "{broken}");
    fs::remove_file(folder.path().join("A4-hard.wav")).unwrap();
    assert!(error(&path).contains("A4-hard.wav"));
}
