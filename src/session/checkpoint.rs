//! Checkpoints: the whole state of a performance at a frame, so that its control log can be rendered from there.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::bytes;
use crate::conductor::{Conductor, EngineSync};
use crate::files;

/// File name extension of checkpoints.
const EXTENSION: &str = "checkpoint";
/// Version of the file format.
const FORMAT: u32 = 4;
/// Maximum decompressed size of a file in bytes, about ten times the typical size.
const MAX_BYTES: u64 = 64 << 20;

/// Why a checkpoint cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file cannot be read, or its checksum is wrong.
    #[error("cannot read it: {0}")]
    Read(#[from] io::Error),
    /// The file was not written by this version of Melos.
    #[error("it was written by Melos {found} and cannot be read by Melos {}", env!("CARGO_PKG_VERSION"))]
    Version {
        /// The version that wrote the file.
        found: String,
    },
    /// The checkpoint was written with another model.
    #[error("it belongs to the model {found}, but the control log belongs to {expected}")]
    Model {
        /// The checkpoint's model.
        found: String,
        /// The log's model.
        expected: String,
    },
    /// The contents are invalid.
    #[error("it is damaged")]
    Damaged,
    /// The log does not mention the checkpoint.
    #[error("the control log has no checkpoint at frame {0}")]
    Unlogged(u64),
}

impl From<postcard::Error> for CheckpointError {
    fn from(_: postcard::Error) -> Self {
        Self::Damaged
    }
}

/// The header of a checkpoint file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct FileHeader {
    format: u32,
    version: String,
    /// Name and hash of the model, as in the log's header.
    model: String,
}

/// The state of a performance at a frame.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The frame, the first of a quantum, up to which everything has been planned and played.
    pub frame: u64,
    /// Number of splices that the generator had processed.
    pub(super) splices: u64,
    #[serde(with = "bytes")]
    pub(super) conductor: Vec<u8>,
    #[serde(with = "bytes")]
    pub(super) generator: Vec<u8>,
    #[serde(with = "bytes")]
    pub(super) engine: Vec<u8>,
}

impl Checkpoint {
    /// Starts a checkpoint at the conductor's horizon, with the states of `conductor` and `engine_sync`; those of the
    /// generator and the engine are added later. Reuses the buffers of `self`, which is empty or no longer needed:
    /// allocating several megabytes every few minutes would fragment the heap.
    #[must_use]
    pub fn restart(mut self, conductor: &Conductor, engine_sync: &EngineSync) -> Self {
        self.conductor.clear();
        self.generator.clear();
        self.engine.clear();
        let state = postcard::to_extend(&(conductor, engine_sync), self.conductor);
        let state = state.expect("the state should be serializable");
        Self { frame: conductor.frame(), splices: 0, conductor: state, ..self }
    }

    /// Removes and returns the buffer for the generator's state.
    pub fn take_buffer(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.generator)
    }

    /// Adds the generator's state and the number of splices that it had processed.
    pub fn add_generator(&mut self, state: Vec<u8>, splices: u64) {
        (self.generator, self.splices) = (state, splices);
    }

    /// Adds the engine's state, in two parts, as read from a ring buffer.
    pub fn add_engine(&mut self, parts: [&[u8]; 2]) {
        parts.into_iter().for_each(|part| self.engine.extend_from_slice(part));
    }

    /// Returns whether the states of the generator and the engine have been added.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        !self.generator.is_empty() && !self.engine.is_empty()
    }

    /// Writes the checkpoint, compressed and with a checksum. `model` is the model in the log's header.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, model: &str, to: impl Write) -> io::Result<()> {
        let header =
            FileHeader { format: FORMAT, version: env!("CARGO_PKG_VERSION").to_owned(), model: model.to_owned() };
        let encoder = GzEncoder::new(to, Compression::fast());
        let encoder = postcard::to_io(&(header, self), encoder).map_err(io::Error::other)?;
        encoder.finish()?.flush()
    }

    /// Reads a checkpoint file. `model` is the model in the log's header.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or comes from another version or model.
    pub fn read(path: &Path, model: &str) -> Result<Self, CheckpointError> {
        let mut content = Vec::new();
        GzDecoder::new(files::open(path)?).take(MAX_BYTES).read_to_end(&mut content)?;
        let (header, rest) = postcard::take_from_bytes::<FileHeader>(&content)?;
        if (header.format, header.version.as_str()) != (FORMAT, env!("CARGO_PKG_VERSION")) {
            return Err(CheckpointError::Version { found: header.version });
        }
        if header.model != model {
            return Err(CheckpointError::Model { found: header.model, expected: model.to_owned() });
        }
        Ok(postcard::from_bytes(rest)?)
    }
}

/// Returns the folder for the checkpoints of a session's log: `session.checkpoints` for `session.log`.
#[must_use]
pub fn checkpoint_folder(log: &Path) -> PathBuf {
    log.with_extension("checkpoints")
}

/// Returns the path of a checkpoint in a folder.
#[must_use]
pub fn checkpoint_path(folder: &Path, frame: u64) -> PathBuf {
    folder.join(format!("{frame:012}.{EXTENSION}"))
}

/// Returns the path of the checkpoint beside a take's log.
#[must_use]
pub fn take_checkpoint_path(log: &Path) -> PathBuf {
    log.with_extension(EXTENSION)
}

/// A checkpoint file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointFile {
    /// The checkpoint's frame.
    pub frame: u64,
    /// The file's path.
    pub path: PathBuf,
    /// The file's size in bytes.
    pub bytes: u64,
}

/// Returns the checkpoints in a folder, ordered by frame; empty if the folder does not exist.
#[must_use]
pub fn checkpoint_files(folder: &Path) -> Vec<CheckpointFile> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<CheckpointFile> = entries
        .filter_map(|entry| {
            let path = entry.path();
            let frame = path
                .extension()
                .filter(|extension| *extension == EXTENSION)
                .and(path.file_stem())?
                .to_str()?
                .parse()
                .ok()?;
            Some(CheckpointFile { frame, bytes: entry.metadata().ok()?.len(), path })
        })
        .collect();
    files.sort_by_key(|file| file.frame);
    files
}
