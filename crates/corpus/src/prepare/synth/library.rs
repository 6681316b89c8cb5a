//! Reads the description of a sample library, which says which file contains the sample for a key and a velocity.

use std::collections::BTreeSet;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::SynthError;

/// MIDI note numbers of a piano's keys.
const KEYS: RangeInclusive<u8> = 21..=108;
/// Names of the pitch classes, from C.
const NAMES: [&str; 12] = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"];

/// The description of a sample library. In file names, `{note}` stands for the key's name (such as `D#4`; `C4` is
/// middle C), `{key}` for its MIDI note number, and `{number}` for its number on the keyboard, starting at 1.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Library {
    /// The name stored in shards.
    pub(super) name: String,
    /// The licence of the samples, and the person to credit.
    #[allow(dead_code, reason = "required, but only for people who read the file")]
    licence: String,
    /// Folder of the samples, relative to the description's folder.
    folder: PathBuf,
    /// Overall gain in decibels.
    #[serde(default)]
    pub(super) gain_db: f32,
    /// MIDI note numbers of the sampled keys; other keys use the nearest one, resampled.
    pub(super) keys: Vec<u8>,
    /// MIDI note number of the lowest key without a damper.
    #[serde(default = "default_undamped_from")]
    pub(super) undamped_from: u8,
    /// Seconds in which a damper reduces the sound by 60 dB, at the lowest and at the highest key.
    #[serde(default = "default_damping")]
    pub(super) damping_seconds: [f32; 2],
    /// The velocity layers, from soft to loud, without gaps.
    #[serde(rename = "layer")]
    pub(super) layers: Vec<Layer>,
    /// The key-release noises.
    pub(super) release: Option<Release>,
}

/// The samples of a velocity layer.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Layer {
    /// The range of MIDI velocities.
    pub(super) velocity: [u8; 2],
    /// Loudness relative to the other layers, in decibels; between the layers' centres, loudness is interpolated.
    #[serde(default)]
    pub(super) level_db: f32,
    files: String,
}

/// The samples of key-release noises.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Release {
    files: String,
    /// Lowest and highest MIDI note number with a sample; keys outside this range use the nearest one's.
    pub(super) keys: [u8; 2],
    /// Gain in decibels.
    #[serde(default)]
    pub(super) gain_db: f32,
}

fn default_undamped_from() -> u8 {
    128
}

fn default_damping() -> [f32; 2] {
    [0.6, 0.2]
}

impl Library {
    /// Reads a description and checks that all samples exist.
    pub(super) fn read(path: &Path) -> Result<Self, SynthError> {
        let unusable = |reason: String| SynthError::Unusable { path: path.to_path_buf(), reason };
        let text =
            fs::read_to_string(path).map_err(|source| SynthError::Unreadable { path: path.to_path_buf(), source })?;
        let mut library: Self = toml::from_str(&text).map_err(|error| unusable(error.to_string()))?;
        library.check().map_err(unusable)?;
        library.folder = path.parent().unwrap_or(Path::new("")).join(&library.folder);
        let strikes = (0..library.layers.len()).flat_map(|layer| library.keys.iter().map(move |key| (layer, *key)));
        let strikes = strikes.map(|(layer, key)| library.strike_sample(layer, key));
        let releases = library.release.iter().flat_map(|release| release.keys[0]..=release.keys[1]);
        let releases = releases.filter_map(|key| library.release_sample(key));
        let missing = strikes.chain(releases).find(|sample| !sample.is_file());
        match missing {
            Some(sample) => Err(unusable(format!("the sample {} does not exist", sample.display()))),
            None => Ok(library),
        }
    }

    fn check(&mut self) -> Result<(), String> {
        let keys: BTreeSet<u8> = self.keys.iter().copied().collect();
        if keys.is_empty() {
            return Err("keys = []: at least one key must have samples".to_owned());
        }
        if let Some(key) = keys.iter().find(|key| !KEYS.contains(*key)) {
            return Err(format!("keys: {key} is not a piano key; expected 21 to 108"));
        }
        self.keys = keys.into_iter().collect();
        if self.layers.is_empty() {
            return Err("[[layer]] is missing: at least one layer is required".to_owned());
        }
        let mut next = 1;
        for (layer, number) in self.layers.iter().zip(1..) {
            let [low, high] = layer.velocity;
            if low != next || high < low {
                return Err(format!(
                    "[[layer]] {number}: velocity = [{low}, {high}]; expected [{next}, HIGH] with HIGH ≥ {next}"
                ));
            }
            next = high.saturating_add(1);
        }
        if next != 128 {
            return Err(format!("[[layer]]: the highest velocity is {}; expected 127", next - 1));
        }
        let decibels = self.layers.iter().map(|layer| layer.level_db).chain([self.gain_db]);
        if let Some(level) =
            decibels.chain(self.release.iter().map(|r| r.gain_db)).find(|db| !(-90.0..=40.0).contains(db))
        {
            return Err(format!("level_db or gain_db: {level}; expected -90 to 40"));
        }
        if let Some(seconds) = self.damping_seconds.iter().find(|seconds| !(0.01..=20.0).contains(*seconds)) {
            return Err(format!("damping_seconds: {seconds}; expected 0.01 to 20"));
        }
        match &self.release {
            Some(release)
                if release.keys[0] > release.keys[1] || !release.keys.iter().all(|key| KEYS.contains(key)) =>
            {
                Err(format!(
                    "[release] keys = {:?}; expected the lowest and highest key, within 21 to 108",
                    release.keys
                ))
            }
            _ => Ok(()),
        }
    }

    /// Returns the path of the sample of a sampled key in a layer.
    pub(super) fn strike_sample(&self, layer: usize, key: u8) -> PathBuf {
        self.folder.join(file(&self.layers[layer].files, key))
    }

    /// Returns the path of a key's release sample, if the library has release samples.
    pub(super) fn release_sample(&self, key: u8) -> Option<PathBuf> {
        let release = self.release.as_ref()?;
        Some(self.folder.join(file(&release.files, key.clamp(release.keys[0], release.keys[1]))))
    }

    /// Returns the nearest sampled key; of two equally near, the lower one.
    pub(super) fn nearest(&self, key: u8) -> u8 {
        let nearest = self.keys.iter().copied().min_by_key(|sampled| sampled.abs_diff(key));
        nearest.expect("a library should have keys")
    }
}

fn file(template: &str, key: u8) -> String {
    let note = format!("{}{}", NAMES[usize::from(key % 12)], i32::from(key) / 12 - 1);
    let number = (i32::from(key) - i32::from(*KEYS.start()) + 1).to_string();
    template.replace("{note}", &note).replace("{key}", &key.to_string()).replace("{number}", &number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "name = \"toy\"\nlicence = \"CC0\"\nfolder = \".\"\nkeys = [60]\n\
        [[layer]]\nvelocity = [1, 127]\nfiles = \"{note}.wav\"\n";

    fn error(text: &str) -> String {
        let folder = tempfile::tempdir().expect("a temporary folder should be created");
        let path = folder.path().join("toy.toml");
        fs::write(folder.path().join("C4.wav"), "").expect("the file should be writable");
        fs::write(&path, text).expect("the file should be writable");
        let error = Library::read(&path).expect_err("an invalid description should be rejected").to_string();
        assert!(error.contains("toy.toml"), "{error}");
        error
    }

    #[test]
    fn file_names_depend_on_the_key() {
        assert_eq!(file("{note}v1.ogg", 60), "C4v1.ogg");
        assert_eq!(file("{note}v1.ogg", 21), "A0v1.ogg");
        assert_eq!(file("{note}-{key}-rel{number}", 63), "D#4-63-rel43");
    }

    #[test]
    fn invalid_descriptions_are_rejected() {
        assert!(error(&VALID.replace("[60]", "[60, 72]")).contains("does not exist"));
        assert!(error(&VALID.replace("[60]", "[]")).contains("at least one"));
        assert!(error(&VALID.replace("[60]", "[12]")).contains("12 is not a piano key"));
        assert!(error(&VALID.replace("[1, 127]", "[1, 100]")).contains("100; expected 127"));
        assert!(error(&VALID.replace("[1, 127]", "[5, 127]")).contains("expected [1, HIGH]"));
        let error = error(&VALID.replace("files", "file"));
        assert!(error.contains("line 7") && error.contains("file"), "{error}");
    }
}
