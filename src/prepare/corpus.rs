//! Corpora: which there are, which pieces they hold, and how a piece is read.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::beats::BeatGrid;
use super::midi::{self, MidiError, Note};
use super::{giantmidi, humanise, mutopia, pop909};

/// The corpora whose layout is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Corpus {
    /// Pop songs arranged for piano, with beats (Wang et al., ISMIR 2020).
    Pop909,
    /// Transcribed performances of classical music (Kong et al., 2020).
    GiantMidi,
    /// Classical scores, played mechanically (mutopiaproject.org).
    Mutopia,
}

impl Corpus {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pop909, Self::GiantMidi, Self::Mutopia];

    /// The name on the command line and in shards.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pop909 => "pop909",
            Self::GiantMidi => "giantmidi",
            Self::Mutopia => "mutopia",
        }
    }

    /// How often a piece is taken for each copy asked for: the smaller corpora of long pieces would drown otherwise.
    #[must_use]
    pub const fn weight(self) -> usize {
        match self {
            Self::Pop909 => 1,
            Self::GiantMidi => 3,
            Self::Mutopia => 2,
        }
    }

    /// The pieces under a corpus's root folder, in a fixed order, and the files that belong to none.
    ///
    /// # Errors
    /// [`CorpusError`] when the root does not look like the corpus.
    pub fn pieces(self, root: &Path) -> Result<Vec<Piece>, CorpusError> {
        let mut pieces = match self {
            Self::Pop909 => pop909::pieces(root),
            Self::GiantMidi => giantmidi::pieces(root),
            Self::Mutopia => mutopia::pieces(root),
        }?;
        if pieces.is_empty() {
            return Err(CorpusError::NoPieces { corpus: self, root: root.to_path_buf() });
        }
        pieces.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(pieces)
    }
}

impl fmt::Display for Corpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a corpus or a piece cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// A file or folder that should be there cannot be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The root holds nothing of the corpus.
    #[error("{root}: holds no pieces of {corpus}")]
    NoPieces {
        /// The corpus expected.
        corpus: Corpus,
        /// Where.
        root: PathBuf,
    },
    /// A MIDI file is broken.
    #[error("{path}: {source}")]
    Midi {
        /// Which.
        path: PathBuf,
        /// How.
        source: MidiError,
    },
    /// A line of an annotation file is not as published.
    #[error("{path}, line {line}: found {found:?}, expected {expected}")]
    Annotation {
        /// Which file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What stands there.
        found: String,
        /// What should.
        expected: &'static str,
    },
}

/// Which part of the data a piece belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Split {
    /// Nine in ten.
    Train,
    /// One in twenty, to watch training.
    Valid,
    /// One in twenty, to measure the result.
    Test,
}

impl Split {
    /// The name of its folder.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Valid => "valid",
            Self::Test => "test",
        }
    }

    /// The split of a group of pieces that must stay together, from the SHA-256 of its name.
    #[must_use]
    pub fn of(corpus: Corpus, group: &str) -> Self {
        match hash(&[corpus.name(), group])[0] {
            0..=229 => Self::Train,
            230..=242 => Self::Valid,
            _ => Self::Test,
        }
    }
}

/// The SHA-256 of some words, for splits and seeds.
pub(crate) fn hash(words: &[&str]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for word in words {
        hasher.update(word.as_bytes());
        hasher.update([0]);
    }
    hasher.finalize().into()
}

/// One piece of a corpus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Where it comes from.
    pub corpus: Corpus,
    /// Its name within the corpus: letters, digits, `_` and `.` only.
    pub id: String,
    /// Train, valid or test.
    pub split: Split,
    /// The composer, where a corpus is dominated by one and must be balanced.
    pub composer: Option<String>,
    /// The MIDI file.
    pub path: PathBuf,
}

/// The notes of a piece, and its beats if known.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// In order of onset.
    pub notes: Vec<Note>,
    /// Beats and bars.
    pub beats: Option<BeatGrid>,
}

impl Piece {
    /// Reads the notes and beats.
    ///
    /// # Errors
    /// [`CorpusError`] when a file is missing or broken.
    pub fn load(&self) -> Result<Score, CorpusError> {
        let midi =
            midi::parse(&read(&self.path)?).map_err(|source| CorpusError::Midi { path: self.path.clone(), source })?;
        Ok(match self.corpus {
            Corpus::Pop909 => Score { notes: midi.notes, beats: pop909::beats(&self.path)? },
            Corpus::GiantMidi => Score { notes: midi.notes, beats: None },
            Corpus::Mutopia => humanise::play(midi, &self.id),
        })
    }
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, CorpusError> {
    fs::read(path).map_err(|source| CorpusError::Unreadable { path: path.to_path_buf(), source })
}

/// The entries of a folder, sorted by name; hidden ones left out.
pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>, CorpusError> {
    let unreadable = |source| CorpusError::Unreadable { path: folder.to_path_buf(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.file_name().is_some_and(|name| !name.as_encoded_bytes().starts_with(b".")) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// The files of a folder with one of the extensions, in any case.
pub(crate) fn files(folder: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>, CorpusError> {
    let fits = |path: &PathBuf| {
        path.extension().is_some_and(|found| extensions.iter().any(|extension| found.eq_ignore_ascii_case(extension)))
    };
    Ok(entries(folder)?.into_iter().filter(fits).collect())
}

/// A name for a file's piece: its stem with every run of other characters replaced by `_`.
pub(crate) fn identifier(path: &Path) -> String {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
    let mut id = String::new();
    for character in stem.chars() {
        if character.is_ascii_alphanumeric() {
            id.push(character);
        } else if !id.ends_with('_') {
            id.push('_');
        }
    }
    id.trim_matches('_').to_owned()
}
