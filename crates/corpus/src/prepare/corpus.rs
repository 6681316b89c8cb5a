//! The supported corpora.

use std::fmt;
use std::path::PathBuf;

use super::midi::MidiError;
use crate::analysis::decode::DecodeError;

/// A supported corpus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Corpus {
    /// Pop songs arranged for piano, with annotated beats (Wang et al., ISMIR 2020).
    Pop909,
    /// Transcribed performances of classical music (Kong et al., 2020).
    GiantMidi,
    /// Classical scores, played mechanically (mutopiaproject.org).
    Mutopia,
    /// Pop piano clips annotated with quadrants of valence and arousal (Hung et al., ISMIR 2021).
    Emopia,
    /// Competition performances, as MIDI and audio (Hawthorne et al., ICLR 2019).
    Maestro,
    /// Music of all genres, as audio (Defferrard et al., ISMIR 2017).
    Fma,
    /// Any folder of MIDI and audio files.
    Folder,
}

impl Corpus {
    /// All corpora.
    pub const ALL: [Self; 7] =
        [Self::Pop909, Self::GiantMidi, Self::Mutopia, Self::Emopia, Self::Maestro, Self::Fma, Self::Folder];

    /// Returns the name used on the command line and in shards.
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

    /// Returns the factor by which the number of copies of each piece is multiplied, so that small corpora are not
    /// underrepresented.
    #[must_use]
    pub const fn weight(self) -> usize {
        match self {
            Self::GiantMidi => 3,
            Self::Mutopia => 2,
            Self::Pop909 | Self::Emopia | Self::Maestro | Self::Fma | Self::Folder => 1,
        }
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
    /// A required file or folder cannot be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The root contains no pieces from the corpus.
    #[error("{root} contains no pieces from {corpus}")]
    NoPieces {
        /// The expected corpus.
        corpus: Corpus,
        /// The folder.
        root: PathBuf,
    },
    /// A MIDI file cannot be used.
    #[error("{path}: {source}")]
    Midi {
        /// The path.
        path: PathBuf,
        /// The cause.
        source: MidiError,
    },
    /// An audio file cannot be used.
    #[error("{path}: {source}")]
    Audio {
        /// The path.
        path: PathBuf,
        /// The cause.
        source: DecodeError,
    },
    /// A table cannot be parsed.
    #[error("{path}: {source}")]
    Table {
        /// The path.
        path: PathBuf,
        /// The cause, with its location.
        source: csv::Error,
    },
    /// A table lacks a column.
    #[error("{path}: no column {column:?}; the columns are {available}")]
    Column {
        /// The path.
        path: PathBuf,
        /// The missing column.
        column: String,
        /// The columns of the table.
        available: String,
    },
    /// A line of an annotation file does not match the published format.
    #[error("{path}, line {line}: found {found:?}, expected {expected}")]
    Annotation {
        /// The path.
        path: PathBuf,
        /// Line number, starting at 1.
        line: usize,
        /// The line.
        found: String,
        /// The expected contents.
        expected: &'static str,
    },
}
