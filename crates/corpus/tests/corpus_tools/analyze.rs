//! Tests `melos-corpus analyze`.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const MP3: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/arpeggio.mp3");
const OGG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/arpeggio.ogg");

fn analyze(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_melos-corpus")).arg("analyze").args(args).output().expect("the command should run")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn prints_a_table() {
    let output = analyze(&[MP3]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    for word in ["arpeggio.mp3", "tempo", "BPM", "A minor", "centroid", "mfcc 12", "chroma"] {
        assert!(table.contains(word), "no {word:?} in\n{table}");
    }
}

#[test]
fn prints_json_that_agrees_for_two_formats_of_the_same_music() {
    let output = analyze(&["--json", "--frames", MP3, OGG]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let entries: Value = serde_json::from_slice(&output.stdout).expect("the output should be JSON");
    let number = |entry: usize, name: &str| entries[entry][name].as_f64().expect("the value should be a number");
    for entry in 0..2 {
        assert!((number(entry, "seconds") - 7.0).abs() < 0.1);
        // The music has two notes per second.
        let tempo = number(entry, "tempo_bpm");
        assert!((tempo - 120.0).abs() < 2.0, "{tempo}");
        assert_eq!(entries[entry]["key"], "A minor");
        let frames = &entries[entry]["frames"];
        let count = frames["rms"].as_array().expect("the value should be a series").len();
        assert!(count > 600);
        assert_eq!(frames["mel"].as_array().map(Vec::len), Some(count));
        assert_eq!(frames["mel"][0].as_array().map(Vec::len), Some(128));
    }
    let level = |entry: usize| entries[entry]["rms"]["mean"].as_f64().expect("the value should be a number");
    assert!((level(0) / level(1) - 1.0).abs() < 0.1, "{} and {}", level(0), level(1));
}

#[test]
fn writes_an_image_beside_the_file() {
    let folder = tempfile::tempdir().expect("a temporary folder should be created");
    let copy = folder.path().join("with space.ogg");
    fs::copy(OGG, &copy).expect("the folder should be writable");
    let output = analyze(&["--png", &copy.to_string_lossy()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let image = fs::File::open(folder.path().join("with space.ogg.mel.png")).expect("the image should exist");
    let reader = png::Decoder::new(std::io::BufReader::new(image)).read_info().expect("the image should be a PNG");
    assert_eq!(reader.info().height, 256);
    assert!(reader.info().width > 600);
}

#[test]
fn reports_a_broken_file_and_measures_the_others() {
    let folder = tempfile::tempdir().expect("a temporary folder should be created");
    let broken = folder.path().join("broken.wav");
    fs::write(&broken, b"RIFF, but not really").expect("the folder should be writable");
    let output = analyze(&[&broken.to_string_lossy(), OGG]);
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("broken.wav"), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("arpeggio.ogg"));
    assert!(!Path::new(&format!("{}.mel.png", broken.display())).exists());
}
