//! `model.toml`: what the daemon may rely on.

mod read;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{LATENT_DIMS, LOOK_AHEAD, ModelError};
use crate::files::{self, document::Problem};
use crate::mel::{BANDS, FLOOR, FRAMES_PER_LATENT, HIGHEST_HZ, HOP, LOWEST_HZ, N_FFT};
use crate::music::conditions::{GROUP_COUNT, VALUE_COUNT};
use crate::units::SAMPLE_RATE;

/// The version of `model.toml` this code reads.
pub const SCHEMA: u64 = 2;
/// Latents a roll-back must be able to reach over and above the window.
pub const ROLLBACK: usize = 32;

/// The contract between a trained model and Melos.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    schema: u64,
    /// Name of the model.
    pub name: String,
    /// Licence of the weights.
    pub licence: String,
    /// What it was trained on.
    pub training_data: String,
    /// The commit of the training code.
    pub training_commit: String,
    audio: Audio,
    latent: LatentLayout,
    conditions: ConditionLayout,
    /// The transformer's memory.
    pub context: Context,
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
    values: u64,
    masks: u64,
}

/// The transformer's memory of past latents.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Context {
    /// Latents a step sees, itself included.
    pub window: usize,
    /// Slots of the ring of keys and values.
    pub slots: usize,
    /// Layers.
    pub layers: usize,
    /// Heads per layer.
    pub heads: usize,
    /// Numbers per head; the rotary pairs are its halves.
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

/// Name and shape of an input or output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
}

impl Port {
    pub(crate) fn new(name: &str, shape: &[usize]) -> Self {
        Self { name: name.to_owned(), shape: shape.to_vec() }
    }
}

impl Manifest {
    /// Reads a contract and checks that it is for this version of Melos.
    ///
    /// # Errors
    /// When it cannot be read, lacks a key, or says other numbers than the ones this version is built on.
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        let text = files::text(path).map_err(|source| ModelError::Read { path: path.into(), source })?;
        let manifest = Self::parse(path, &text).map_err(ModelError::Contract)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// Reads a contract's text; `file` is for the problems.
    ///
    /// # Errors
    /// With everything that is wrong in it.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Vec<Problem>> {
        read::manifest(file, text)
    }

    fn check(&self) -> Result<(), ModelError> {
        let Self { audio, latent, conditions, context, .. } = self;
        let counts: [(&'static str, u64, usize); 10] = [
            ("schema", self.schema, SCHEMA as usize),
            ("audio.sample_rate", audio.sample_rate, SAMPLE_RATE as usize),
            ("audio.n_fft", audio.n_fft, N_FFT),
            ("audio.hop", audio.hop, HOP),
            ("audio.mel_bands", audio.mel_bands, BANDS),
            ("latent.dims", latent.dims, LATENT_DIMS),
            ("latent.mel_frames", latent.mel_frames, FRAMES_PER_LATENT),
            ("conditions.values", conditions.values, VALUE_COUNT),
            ("conditions.masks", conditions.masks, GROUP_COUNT),
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
        let least = context.window + ROLLBACK;
        if context.window == 0 || context.slots < least {
            let expected = format!("at least window + {ROLLBACK} = {least}");
            return Err(self.mismatch("context.slots", expected, context.slots.to_string()));
        }
        if context.head_dim % 2 != 0 {
            return Err(self.mismatch("context.head_dim", "an even number".into(), context.head_dim.to_string()));
        }
        Ok(())
    }

    fn mismatch(&self, key: &'static str, expected: String, found: String) -> ModelError {
        ModelError::Mismatch { path: self.path.clone(), key, expected, found }
    }

    /// What tells this version of the weights from any other: the beginnings of the files' hashes.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.files.iter().map(|file| file.sha256.get(..8).unwrap_or_default()).collect::<Vec<_>>().join("-")
    }

    /// Whether the contract lists a file of that name.
    #[must_use]
    pub fn lists(&self, name: &str) -> bool {
        self.files.iter().any(|file| file.name == name)
    }

    /// The bytes of a listed file in `folder`, checked against size and hash.
    ///
    /// # Errors
    /// When it is not listed, cannot be read, or is not what the contract says.
    pub(crate) fn verified(&self, folder: &Path, name: &str) -> Result<Vec<u8>, ModelError> {
        let file = self
            .files
            .iter()
            .find(|file| file.name == name)
            .ok_or_else(|| ModelError::Unlisted { path: self.path.clone(), name: name.to_owned() })?;
        let path = folder.join(name);
        let size = |found| ModelError::Size { path: path.clone(), expected: file.bytes, found };
        let bytes = match files::bytes(&path, file.bytes) {
            Ok(bytes) if bytes.len() as u64 == file.bytes => bytes,
            Ok(bytes) => return Err(size(bytes.len() as u64)),
            Err(error) if error.kind() == ErrorKind::FileTooLarge => {
                return Err(size(path.metadata().map_or(0, |metadata| metadata.len())));
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
