//! The supported corpora, their pieces, and how to read a piece.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::beats::BeatGrid;
use super::features::Features;
use super::label::Quadrant;
use super::midi::{self, MidiError, Note, Pedal};
use super::{emopia, fma, folder, giantmidi, heard, humanise, maestro, mutopia, pop909};
use crate::analysis::decode::{self, DecodeError};

/// The supported corpora.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Corpus {
    /// Pop songs arranged for piano, with beats (Wang et al., ISMIR 2020).
    Pop909,
    /// Transcribed performances of classical music (Kong et al., 2020).
    GiantMidi,
    /// Classical scores, played mechanically (mutopiaproject.org).
    Mutopia,
    /// Pop piano clips labelled with quadrants of valence and arousal (Hung et al., ISMIR 2021).
    Emopia,
    /// Competition performances, MIDI and audio (Hawthorne et al., ICLR 2019).
    Maestro,
    /// Music of all genres, as audio (Defferrard et al., ISMIR 2017).
    Fma,
    /// Any folder of MIDI and audio files.
    Folder,
}

impl Corpus {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Pop909, Self::GiantMidi, Self::Mutopia, Self::Emopia, Self::Maestro, Self::Fma, Self::Folder];

    /// The name on the command line and in shards.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pop909 => "pop909",
            Self::GiantMidi => "giantmidi",
            Self::Mutopia => "mutopia",
            Self::Emopia => "emopia",
            Self::Maestro => "maestro",
            Self::Fma => "fma",
            Self::Folder => "folder",
        }
    }

    /// Weight of a corpus in copies: smaller corpora of long pieces would otherwise be underrepresented.
    #[must_use]
    pub const fn weight(self) -> usize {
        match self {
            Self::GiantMidi => 3,
            Self::Mutopia => 2,
            Self::Pop909 | Self::Emopia | Self::Maestro | Self::Fma | Self::Folder => 1,
        }
    }

    /// The pieces under a corpus's root folder, in a fixed order.
    ///
    /// # Errors
    /// [`CorpusError`] when the root does not look like the corpus; single bad entries are listed as skipped.
    pub fn list(self, root: &Path) -> Result<Listing, CorpusError> {
        let mut listing = match self {
            Self::Pop909 => pop909::list(root),
            Self::GiantMidi => giantmidi::list(root),
            Self::Mutopia => mutopia::list(root),
            Self::Emopia => emopia::list(root),
            Self::Maestro => maestro::list(root),
            Self::Fma => fma::list(root),
            Self::Folder => folder::list(root),
        }?;
        if listing.pieces.is_empty() && listing.skipped.is_empty() {
            return Err(CorpusError::NoPieces { corpus: self, root: root.to_path_buf() });
        }
        listing.pieces.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(listing)
    }
}

impl fmt::Display for Corpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The pieces of a corpus.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Those that look usable.
    pub pieces: Vec<Piece>,
    /// Names of unusable pieces, and why.
    pub skipped: Vec<(String, String)>,
}

/// Why a corpus or a piece cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// A required file or folder cannot be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// Its path.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The root contains no pieces of the corpus.
    #[error("{root}: contains no pieces of {corpus}")]
    NoPieces {
        /// The expected corpus.
        corpus: Corpus,
        /// The folder.
        root: PathBuf,
    },
    /// A MIDI file is broken.
    #[error("{path}: {source}")]
    Midi {
        /// Its path.
        path: PathBuf,
        /// The cause.
        source: MidiError,
    },
    /// An audio file is broken.
    #[error("{path}: {source}")]
    Sound {
        /// Its path.
        path: PathBuf,
        /// The cause.
        source: DecodeError,
    },
    /// A table cannot be parsed.
    #[error("{path}: {source}")]
    Table {
        /// Its path.
        path: PathBuf,
        /// The location and the cause.
        source: csv::Error,
    },
    /// A table lacks a column.
    #[error("{path}: no column {column:?}; the columns are {found}")]
    Column {
        /// Its path.
        path: PathBuf,
        /// The missing column.
        column: String,
        /// The existing columns.
        found: String,
    },
    /// A line of an annotation file is not in the published format.
    #[error("{path}, line {line}: found {found:?}, expected {expected}")]
    Annotation {
        /// Its path.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// What was found.
        found: String,
        /// What was expected.
        expected: &'static str,
    },
}

/// The split a piece belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Split {
    /// Nine in ten.
    Train,
    /// One in twenty, to monitor training.
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

/// The source of a piece's notes and audio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Notes, to be rendered.
    Midi(PathBuf),
    /// A recording whose notes are unknown.
    Sound(PathBuf),
    /// A recording and its notes.
    Both {
        /// The notes.
        midi: PathBuf,
        /// The recording.
        sound: PathBuf,
    },
}

impl Source {
    /// The recording, if there is one.
    #[must_use]
    pub fn sound(&self) -> Option<&Path> {
        match self {
            Self::Midi(_) => None,
            Self::Sound(sound) | Self::Both { sound, .. } => Some(sound),
        }
    }
}

/// One piece of a corpus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its corpus.
    pub corpus: Corpus,
    /// Its name within the corpus: ASCII letters, digits and `_` only.
    pub id: String,
    /// Its split.
    pub split: Split,
    /// Its files.
    pub source: Source,
    /// The composer, if the corpus is dominated by one and must be balanced.
    pub composer: Option<String>,
    /// The listeners' label, if the corpus has any.
    pub quadrant: Option<Quadrant>,
    /// Its licence as stated by the corpus.
    pub licence: String,
}

impl Piece {
    /// A piece without composer and label.
    #[must_use]
    pub fn new(corpus: Corpus, id: String, split: Split, source: Source, licence: &str) -> Self {
        Self { corpus, id, split, source, composer: None, quadrant: None, licence: licence.to_owned() }
    }

    /// Corpus and name, for reports.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{} {}", self.corpus, self.id)
    }

    /// Reads the piece.
    ///
    /// # Errors
    /// [`CorpusError`] when a file is missing or broken.
    pub fn load(&self) -> Result<Material, CorpusError> {
        let path = match &self.source {
            Source::Sound(path) => return Ok(Material::Sound(heard::windows(&sound(path)?))),
            Source::Midi(path) | Source::Both { midi: path, .. } => path,
        };
        let midi = midi::parse(&read(path)?).map_err(|source| CorpusError::Midi { path: path.clone(), source })?;
        Ok(Material::Notes(match self.corpus {
            Corpus::Pop909 => Score { notes: midi.notes, pedal: midi.pedal, beats: pop909::beats(path)? },
            Corpus::Mutopia => humanise::play(midi, &self.id),
            _ => Score { notes: midi.notes, pedal: midi.pedal, beats: None },
        }))
    }
}

/// A piece before rendering.
#[derive(Debug, Clone, PartialEq)]
pub enum Material {
    /// Notes.
    Notes(Score),
    /// A recording, reduced to its features.
    Sound(Vec<Features>),
}

/// The notes of a piece, its pedal, and its beats if known.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// In order of onset.
    pub notes: Vec<Note>,
    /// Movements of the sustain pedal, in order of time.
    pub pedal: Vec<Pedal>,
    /// Beats and bars.
    pub beats: Option<BeatGrid>,
}

/// The samples of a recording.
pub(crate) fn sound(path: &Path) -> Result<Vec<f32>, CorpusError> {
    decode::decode(path).map_err(|source| CorpusError::Sound { path: path.to_path_buf(), source })
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

/// A file's name without its extension.
pub(crate) fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Makes a piece's name from text: every run of characters other than ASCII letters and digits becomes `_`.
pub(crate) fn identifier(text: &str) -> String {
    let mut id = String::new();
    for character in text.chars() {
        if character.is_ascii_alphanumeric() {
            id.push(character);
        } else if !id.ends_with('_') {
            id.push('_');
        }
    }
    id.trim_matches('_').to_owned()
}
