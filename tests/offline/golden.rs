//! Golden renders: the music of every emotion, and of a control log that exercises everything, must not change.
//!
//! For each render, `tests/golden/renders.tsv` contains a hash of the samples for every class of processor on which the
//! file was generated, and the level of each tenth of a second. Inference differs in the last bits between classes of
//! processors, so on a class that is not in the file, only the levels are compared. `MELOS_BLESS=1 cargo test --test
//! offline golden` regenerates the file; do this only after changing the weights or the sound itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use sha2::{Digest, Sha256};

const EMOTIONS: [&str; 8] = ["happy", "sad", "energetic", "calm", "romantic", "angry", "nostalgic", "mysterious"];
const FILE: &str = "tests/golden/renders.tsv";
/// Samples of both channels in a tenth of a second.
const TENTH: usize = 9600;
/// Level tolerance in decibels on an unknown class of processor.
const TOLERANCE_DB: f32 = 1.0;

/// Returns the class of this processor, named after the widest vector instructions available to the inference runtime.
fn processor() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    return match () {
        () if std::arch::is_x86_feature_detected!("avx512f") => "x86_64-avx512",
        () if std::arch::is_x86_feature_detected!("avx2") => "x86_64-avx2",
        () => "x86_64",
    };
    #[cfg(not(target_arch = "x86_64"))]
    std::env::consts::ARCH
}

struct Render {
    hash: String,
    /// Level of each tenth of a second in dBFS.
    levels: Vec<f32>,
}

fn render(arguments: &[&str]) -> Render {
    let folder = tempfile::tempdir().unwrap();
    let wav = folder.path().join("golden.wav");
    let rendered = Command::new(env!("CARGO_BIN_EXE_melos"))
        .args(["render", "--bits", "32", "-o"])
        .arg(&wav)
        .args(arguments)
        .output()
        .unwrap();
    assert!(rendered.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&rendered.stderr));
    let samples: Vec<f32> = hound::WavReader::open(&wav).unwrap().into_samples().map(Result::unwrap).collect();
    let mut hash = Sha256::new();
    samples.iter().for_each(|sample| hash.update(sample.to_le_bytes()));
    let level = |tenth: &[f32]| {
        let power = tenth.iter().map(|sample| sample * sample).sum::<f32>() / tenth.len() as f32;
        10.0 * power.max(1e-9).log10()
    };
    let hash = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    Render { hash, levels: samples.chunks(TENTH).map(level).collect() }
}

/// Returns the arguments of every render by name.
fn renders() -> BTreeMap<&'static str, Vec<&'static str>> {
    let moods = EMOTIONS.map(|emotion| (emotion, vec!["--emotion", emotion, "--seconds", "3", "--seed", "5"]));
    let mut all = BTreeMap::from(moods);
    all.insert("harmony-alone", vec!["--emotion", "romantic", "--no-network", "--seconds", "6", "--seed", "5"]);
    all.insert("journey", vec!["--preset", "tides", "--seconds", "4", "--seed", "6"]);
    all.insert("everything", vec!["--control-log", "tests/golden/everything.log"]);
    all
}

#[test]
fn renders_have_not_changed() {
    // Each line contains a name, a kind and a value, separated by tabs. The kind is a class of processor, whose value
    // is a hash, or `levels`.
    let text = fs::read_to_string(FILE).unwrap_or_default();
    let mut known: BTreeMap<(String, String), String> = text
        .lines()
        .map(|line| {
            let [name, kind, value] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{FILE}: {line:?}") };
            ((name.to_owned(), kind.to_owned()), value.to_owned())
        })
        .collect();
    let bless = std::env::var_os("MELOS_BLESS").is_some();
    let mut changes = Vec::new();
    for (name, arguments) in renders() {
        let rendered = render(&arguments);
        assert!(rendered.levels.iter().any(|level| *level > -50.0), "{name} is silent");
        let (hash, levels) = ((name.to_owned(), processor().to_owned()), (name.to_owned(), "levels".to_owned()));
        if bless {
            known.insert(hash, rendered.hash);
            let text: Vec<_> = rendered.levels.iter().map(|level| format!("{level:.2}")).collect();
            known.insert(levels, text.join(" "));
        } else if let Some(before) = known.get(&hash) {
            if *before != rendered.hash {
                changes.push(format!("{name}: hash {} instead of {before}", rendered.hash));
            }
        } else {
            let before = known.get(&levels).unwrap_or_else(|| panic!("{FILE} has no levels for {name}"));
            let before: Vec<f32> = before.split(' ').map(|level| level.parse().unwrap()).collect();
            assert_eq!(before.len(), rendered.levels.len(), "{name}");
            let differs = |(now, then): (&f32, &f32)| (now - then).abs() > TOLERANCE_DB && now.max(*then) > -60.0;
            if let Some(tenth) = rendered.levels.iter().zip(&before).position(differs) {
                changes.push(format!("{name}: level {} dB instead of {} dB", rendered.levels[tenth], before[tenth]));
            }
        }
    }
    if bless {
        let lines: String = known.iter().map(|((name, kind), value)| format!("{name}\t{kind}\t{value}\n")).collect();
        fs::write(Path::new(FILE), lines).unwrap();
    }
    assert!(changes.is_empty(), "{}", changes.join("\n"));
}
