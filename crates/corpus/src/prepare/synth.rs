//! Renders notes in stereo, without reverb, with a SoundFont or a sample library.

mod library;
mod sampler;
mod sound;
mod soundfont;

use std::path::{Path, PathBuf};

use super::midi::Note;
use super::paths::stem;
use library::Library;
use sampler::Sampler;
use soundfont::Synth;

/// Why notes cannot be rendered.
#[derive(Debug, thiserror::Error)]
pub enum SynthError {
    /// A file cannot be opened.
    #[error("{path}: {source}")]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A file cannot be used.
    #[error("{path}: {reason}")]
    Unusable {
        /// The path.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
}

/// Two channels of equal length at 48 kHz.
#[derive(Debug, Clone, PartialEq)]
pub struct Stereo {
    /// The left channel.
    pub left: Vec<f32>,
    /// The right channel.
    pub right: Vec<f32>,
}

impl Stereo {
    fn silence(length: usize) -> Self {
        Self { left: vec![0.0; length], right: vec![0.0; length] }
    }

    /// Returns the mid signal: half the sum of the channels.
    #[must_use]
    pub fn mid(&self) -> Vec<f32> {
        self.left.iter().zip(&self.right).map(|(l, r)| (l + r) / 2.0).collect()
    }

    /// Returns the side signal: half the difference of the channels, left minus right.
    #[must_use]
    pub fn side(&self) -> Vec<f32> {
        self.left.iter().zip(&self.right).map(|(l, r)| (l - r) / 2.0).collect()
    }
}

/// A piano to render with, usable from several threads at once.
#[derive(Debug)]
pub struct Piano {
    name: String,
    instrument: Instrument,
}

#[derive(Debug)]
enum Instrument {
    SoundFont(Synth),
    Library(Box<Sampler>),
}

impl Piano {
    /// Loads a SoundFont (`.sf2`), whose program 0 is the piano, or a description of a sample library (`.toml`).
    ///
    /// # Errors
    /// [`SynthError`] if a file is missing, broken or of an unsupported kind.
    pub fn load(path: &Path) -> Result<Self, SynthError> {
        let kind = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
        match kind.as_deref() {
            Some("sf2") => Ok(Self { name: stem(path), instrument: Instrument::SoundFont(Synth::load(path)?) }),
            Some("toml") => {
                let library = Library::read(path)?;
                let name = library.name.clone();
                Ok(Self { name, instrument: Instrument::Library(Box::new(Sampler::new(library))) })
            }
            _ => Err(SynthError::Unusable {
                path: path.to_path_buf(),
                reason: "not a piano; expected a SoundFont (.sf2) or the description of a sample library (.toml)"
                    .to_owned(),
            }),
        }
    }

    /// Returns the name used in shards: the library's name, or the SoundFont's file name without its extension.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Renders `length` samples per channel. Onsets are accurate to one sample with a sample library, and to 64 samples
    /// with a SoundFont. Only a sample library can add release noises.
    ///
    /// # Errors
    /// [`SynthError`] if a sample cannot be decoded on first use.
    pub fn render(&self, notes: &[Note], length: usize) -> Result<Stereo, SynthError> {
        match &self.instrument {
            Instrument::SoundFont(synth) => Ok(synth.render(notes, length)),
            Instrument::Library(sampler) => sampler.render(notes, length),
        }
    }
}
