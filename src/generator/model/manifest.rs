//! The manifest `model.toml`, which describes a model to the daemon.

mod read;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{LATENT_DIMS, LOOK_AHEAD, ModelError};
use crate::files::{self, document::Problem};
use crate::generator::notes::{AHEAD, FINE_WIDTH, MEMORY_WIDTH, ROLL_WIDTH, STEP_WIDTH};
use crate::mel::{BANDS, FLOOR, FRAMES_PER_LATENT, HIGHEST_HZ, HOP, LOWEST_HZ, N_FFT};
use crate::units::SAMPLE_RATE;

/// Supported version of `model.toml`.
pub const SCHEMA: u64 = 3;
/// Minimum number of cache slots beyond the attention window, and thus the maximum rollback in latents.
pub const ROLLBACK: usize = 32;

/// The description of a trained model.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    schema: u64,
    /// Name of the model.
    pub name: String,
    /// Licence of the weights.
    pub licence: String,
    /// Description of the training data.
    pub training_data: String,
    /// Commit of the training code.
    pub training_commit: String,
    audio: Audio,
    latent: LatentLayout,
    conditions: ConditionLayout,
    /// The composer's width and KV cache.
    pub composer: TransformerLayout,
    /// Names of the pianos that the pianist plays, the main one first. [`Manifest::read`] rejects an empty list.
    pub pianos: Vec<String>,
    pianist: PianistLayout,
    vocoder: VocoderLayout,
    files: Vec<File>,
    path: PathBuf,
}

#[derive(Debug, Clone, PartialEq)]
struct Audio {
    sample_rate: u64,
    n_fft: u64,
    hop: u64,
    mel_bands: u64,
    mel_min_hz: f64,
    mel_max_hz: f64,
    floor: f64,
}

#[derive(Debug, Clone, PartialEq)]
struct LatentLayout {
    dims: u64,
    mel_frames: u64,
}

#[derive(Debug, Clone, PartialEq)]
struct ConditionLayout {
    step: u64,
    fine: u64,
    memory: u64,
}

#[derive(Debug, Clone, PartialEq)]
struct PianistLayout {
    ahead: u64,
    roll: u64,
}

/// Dimensions of the composer's transformer and its KV cache.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TransformerLayout {
    /// Number of dimensions of a latent's representation.
    pub width: usize,
    /// Number of latents that a step attends to, including its own.
    pub window: usize,
    /// Number of slots in the cache.
    pub slots: usize,
    /// Number of layers.
    pub layers: usize,
    /// Number of heads per layer.
    pub heads: usize,
    /// Number of dimensions per head; the first half is paired with the second for rotation.
    pub head_dim: usize,
    /// Base of the rotary frequencies.
    pub rope_base: f64,
}

#[derive(Debug, Clone, PartialEq)]
struct VocoderLayout {
    look_ahead: u64,
}

#[derive(Debug, Clone, PartialEq)]
struct File {
    name: String,
    sha256: String,
    bytes: u64,
}

impl Manifest {
    /// Reads a manifest and checks that this version of Melos supports it.
    ///
    /// # Errors
    /// If the file cannot be read, lacks a key, or has values that this version does not support.
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        let text = files::text(path).map_err(|source| ModelError::Read { path: path.into(), source })?;
        let manifest = Self::parse(path, &text).map_err(ModelError::Manifest)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// Parses a manifest. Problems name `file` as their location.
    ///
    /// # Errors
    /// Returns all problems found.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Vec<Problem>> {
        read::manifest(file, text)
    }

    fn check(&self) -> Result<(), ModelError> {
        let Self { audio, latent, conditions, composer, pianist, .. } = self;
        let counts: [(&'static str, u64, usize); 13] = [
            ("schema", self.schema, SCHEMA as usize),
            ("audio.sample_rate", audio.sample_rate, SAMPLE_RATE as usize),
            ("audio.n_fft", audio.n_fft, N_FFT),
            ("audio.hop", audio.hop, HOP),
            ("audio.mel_bands", audio.mel_bands, BANDS),
            ("latent.dims", latent.dims, LATENT_DIMS),
            ("latent.mel_frames", latent.mel_frames, FRAMES_PER_LATENT),
            ("composer.frame", conditions.step, STEP_WIDTH),
            ("composer.fine", conditions.fine, FINE_WIDTH),
            ("composer.memory", conditions.memory, MEMORY_WIDTH),
            ("pianist.ahead", pianist.ahead, AHEAD),
            ("pianist.roll", pianist.roll, ROLL_WIDTH),
            ("vocoder.look_ahead", self.vocoder.look_ahead, LOOK_AHEAD),
        ];
        for (key, found, expected) in counts {
            if found != expected as u64 {
                return Err(self.mismatch(key, expected.to_string(), found.to_string()));
            }
        }
        let numbers = [
            ("audio.mel_min_hz", audio.mel_min_hz, LOWEST_HZ),
            ("audio.mel_max_hz", audio.mel_max_hz, HIGHEST_HZ),
            ("audio.floor", audio.floor, f64::from(FLOOR)),
        ];
        for (key, found, expected) in numbers {
            if (found - expected).abs() > 1e-6 * expected {
                return Err(self.mismatch(key, expected.to_string(), found.to_string()));
            }
        }
        let minimum = composer.window + ROLLBACK;
        if composer.window == 0 || composer.slots < minimum {
            let expected = format!("at least window + {ROLLBACK} = {minimum}");
            return Err(self.mismatch("composer.slots", expected, composer.slots.to_string()));
        }
        if composer.head_dim % 2 != 0 {
            return Err(self.mismatch("composer.head_dim", "an even number".into(), composer.head_dim.to_string()));
        }
        if self.pianos.is_empty() {
            return Err(self.mismatch("pianist.pianos", "at least one name".into(), "an empty list".into()));
        }
        Ok(())
    }

    fn mismatch(&self, key: &'static str, expected: String, found: String) -> ModelError {
        ModelError::Mismatch { path: self.path.clone(), key, expected, found }
    }

    /// Returns an identifier for the weights, composed of the first eight digits of each file's hash.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.files.iter().map(|file| file.sha256.get(..8).unwrap_or_default()).collect::<Vec<_>>().join("-")
    }

    /// Returns whether the manifest lists a file called `name`.
    #[must_use]
    pub fn lists(&self, name: &str) -> bool {
        self.files.iter().any(|file| file.name == name)
    }

    /// Reads a listed file in `folder` and checks its size and hash.
    ///
    /// # Errors
    /// If the file is not listed, cannot be read, or does not match the manifest.
    pub(crate) fn read_verified(&self, folder: &Path, name: &str) -> Result<Vec<u8>, ModelError> {
        let file = self
            .files
            .iter()
            .find(|file| file.name == name)
            .ok_or_else(|| ModelError::Unlisted { path: self.path.clone(), name: name.to_owned() })?;
        let path = folder.join(name);
        let wrong_size = |found| ModelError::Size { path: path.clone(), expected: file.bytes, found };
        let bytes = match files::bytes(&path, file.bytes) {
            Ok(bytes) if bytes.len() as u64 == file.bytes => bytes,
            Ok(bytes) => return Err(wrong_size(bytes.len() as u64)),
            Err(error) if error.kind() == ErrorKind::FileTooLarge => {
                return Err(wrong_size(path.metadata().map_or(0, |metadata| metadata.len())));
            }
            Err(source) => return Err(ModelError::Read { path, source }),
        };
        let found: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        if found != file.sha256 {
            return Err(ModelError::Hash { path, expected: file.sha256.clone(), found });
        }
        Ok(bytes)
    }
}
