//! Pieces of a corpus: their files, splits and labels.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::beats::BeatGrid;
use super::corpus::Corpus;
use super::label::Quadrant;
use super::midi::{Note, Pedal};

/// The pieces of a corpus.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Pieces that seem usable.
    pub pieces: Vec<Piece>,
    /// Names of unusable pieces, each with the reason.
    pub skipped: Vec<(String, String)>,
}

/// One piece of a corpus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The corpus.
    pub corpus: Corpus,
    /// The name in the corpus, consisting of ASCII letters, digits and `_`.
    pub id: String,
    /// The split.
    pub split: Split,
    /// The files.
    pub source: Source,
    /// The composer, if the corpus must be balanced by composer.
    pub composer: Option<String>,
    /// The annotated quadrant, if the corpus has annotations.
    pub quadrant: Option<Quadrant>,
    /// The licence, as stated by the corpus.
    pub licence: String,
}

impl Piece {
    /// Creates a piece without a composer or a quadrant.
    #[must_use]
    pub fn new(corpus: Corpus, id: String, split: Split, source: Source, licence: &str) -> Self {
        Self { corpus, id, split, source, composer: None, quadrant: None, licence: licence.to_owned() }
    }

    /// Returns the corpus and name, for messages.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{} {}", self.corpus, self.id)
    }
}

/// The files that contain a piece's notes and audio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Notes without a recording.
    Midi(PathBuf),
    /// A recording whose notes are unknown.
    Audio(PathBuf),
    /// A recording and its notes.
    Both {
        /// The notes.
        midi: PathBuf,
        /// The recording.
        audio: PathBuf,
    },
}

impl Source {
    /// Returns the recording, if there is one.
    #[must_use]
    pub fn audio(&self) -> Option<&Path> {
        match self {
            Self::Midi(_) => None,
            Self::Audio(audio) | Self::Both { audio, .. } => Some(audio),
        }
    }
}

/// The notes of a piece, its pedal movements, and its beats, if known.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// Notes in order of onset.
    pub notes: Vec<Note>,
    /// Movements of the sustain pedal, in order of time.
    pub pedal: Vec<Pedal>,
    /// Beats and bars.
    pub beats: Option<BeatGrid>,
}

/// The split a piece belongs to. The shares apply to corpora without splits of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Split {
    /// Nine in ten, to train on.
    Train,
    /// One in twenty, to monitor training.
    Valid,
    /// One in twenty, to measure the result.
    Test,
}

impl Split {
    /// Returns the name of the split's folder.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Valid => "valid",
            Self::Test => "test",
        }
    }

    /// Returns the split of a group of pieces that must stay together, derived from a SHA-256 hash of
    /// the names of the corpus and the group.
    #[must_use]
    pub fn of(corpus: Corpus, group: &str) -> Self {
        match hash(&[corpus.name(), group])[0] {
            0..=229 => Self::Train,
            230..=242 => Self::Valid,
            _ => Self::Test,
        }
    }
}

/// Returns the SHA-256 hash of several strings, for splits and seeds.
pub(crate) fn hash(strings: &[&str]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for string in strings {
        hasher.update(string.as_bytes());
        hasher.update([0]);
    }
    hasher.finalize().into()
}
