//! The trained networks: the inference runtime, the contract `model.toml`, and the graphs that the generator runs.
//!
//! A model is a folder with `model.toml` and the ONNX files it lists. Everything is checked on load, so that an invalid
//! file is reported by name before playing.

mod folder;
mod graph;
mod manifest;
mod runtime;

use std::path::{Path, PathBuf};

use thiserror::Error;

pub use folder::find_model;
pub use graph::Graph;
pub use manifest::{Context, Manifest, Port, ROLLBACK, SCHEMA};
pub use runtime::{Runtime, runtime};

use crate::files::document::Problem;
use crate::mel::{BANDS, BINS, FRAMES_PER_LATENT};
use crate::music::conditions::CONDITION_COUNT;

/// Dimensions of a latent.
pub const LATENT_DIMS: usize = 32;
/// The vocoder's look-ahead in mel frames.
pub const LOOK_AHEAD: usize = 2;

/// One latent, the decoder's input.
pub type Latent = [f32; LATENT_DIMS];

/// Why a model cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ModelError {
    /// No inference runtime was found.
    #[error(
        "cannot find ONNX Runtime; run `make runtime` to fetch it, or set MELOS_ONNXRUNTIME to a libonnxruntime.so of \
         version 1.24 or newer (tried: {tried})"
    )]
    NoRuntime {
        /// The places tried, and why each failed.
        tried: String,
    },
    /// No folder of that name.
    #[error("cannot find model {name:?}; no model.toml in {tried}")]
    NoModel {
        /// Name of the model.
        name: String,
        /// The folders tried.
        tried: String,
    },
    /// A file is missing or cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The contract is invalid; lists all problems with line and key.
    #[error("{}", .0.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n"))]
    Contract(Vec<Problem>),
    /// The contract is for a different version of Melos.
    #[error("{path}: {key} is {found}, but this version of Melos needs {expected}")]
    Mismatch {
        /// The `model.toml`.
        path: PathBuf,
        /// The key that differs.
        key: &'static str,
        /// The expected value.
        expected: String,
        /// The actual value.
        found: String,
    },
    /// The contract does not list a file.
    #[error("{path}: no [[file]] named {name:?}")]
    Unlisted {
        /// The `model.toml`.
        path: PathBuf,
        /// The required file.
        name: String,
    },
    /// A file is shorter or longer than the contract says.
    #[error("{path}: has {found} bytes, but model.toml says {expected}; the file is truncated or from another version")]
    Size {
        /// The file.
        path: PathBuf,
        /// The expected size in bytes.
        expected: u64,
        /// The actual size in bytes.
        found: u64,
    },
    /// A file's content is not what the contract says.
    #[error("{path}: has SHA-256 {found}, but model.toml says {expected}; the file is damaged or was replaced")]
    Hash {
        /// The file.
        path: PathBuf,
        /// The expected hash.
        expected: String,
        /// The actual hash.
        found: String,
    },
    /// The runtime does not take a file.
    #[error("{path}: ONNX Runtime cannot load it: {reason}")]
    Load {
        /// The file.
        path: PathBuf,
        /// The runtime's message.
        reason: String,
    },
    /// An input or output is missing or has the wrong shape.
    #[error("{path}: {direction} {name:?} should be float {expected}, but is {found}")]
    Shape {
        /// The file.
        path: PathBuf,
        /// `input` or `output`.
        direction: &'static str,
        /// Its name.
        name: String,
        /// The expected shape.
        expected: String,
        /// The actual value.
        found: String,
    },
    /// The runtime failed while running a graph.
    #[error("{path}: inference failed: {reason}")]
    Run {
        /// The file.
        path: PathBuf,
        /// The runtime's message.
        reason: String,
    },
}

/// The networks of one model. They can run on any thread, one thread at a time.
#[derive(Debug)]
pub struct Models {
    /// The contract.
    pub manifest: Manifest,
    /// Maps previous latent, conditions and noise to the next latent; see [`transformer`] for its ports.
    pub transformer: Graph,
    /// Maps latent and state to eight mel frames.
    pub decoder: Graph,
    /// Maps eight mel frames and state to eight spectra, delayed by [`LOOK_AHEAD`] frames; `None` if the model has none.
    pub vocoder: Option<Graph>,
}

impl Models {
    /// Loads and checks a model folder.
    ///
    /// # Errors
    /// If a file is missing, truncated, damaged, of the wrong shape or for a different version; the message gives the file, the
    /// expected and the actual value.
    pub fn load(runtime: &Runtime, folder: &Path) -> Result<Self, ModelError> {
        let manifest = Manifest::read(&folder.join("model.toml"))?;
        let context = &manifest.context;
        let ring = [2, context.heads, context.slots, context.head_dim];
        let row = [context.layers, 2, context.heads, 1, context.head_dim];
        let latent = [1, LATENT_DIMS];
        let mel = [1, FRAMES_PER_LATENT, BANDS];
        let spectrum = [1, FRAMES_PER_LATENT, BINS];
        let open = |name: &str| Graph::load(runtime, &manifest.verified(folder, name)?, &folder.join(name));

        let mut transformer = open("transformer.onnx")?;
        let mut inputs = vec![
            Port::new("z", &latent),
            Port::new("start", &[1]),
            Port::new("conditions", &[2, CONDITION_COUNT]),
            Port::new("noise", &latent),
            Port::new("guidance", &[1]),
            Port::new("mask", &[1, context.slots]),
            Port::new("cos", &[context.head_dim]),
            Port::new("sin", &[context.head_dim]),
        ];
        for layer in 0..context.layers {
            inputs.extend(["k", "v"].map(|kind| Port::new(&format!("{kind}{layer}"), &ring)));
        }
        transformer
            .expect(&inputs, &[Port::new("z_next", &latent), Port::new("k_new", &row), Port::new("v_new", &row)])?;
        let mut decoder = open("decoder.onnx")?;
        let state = decoder.state_shape();
        decoder.expect(
            &[Port::new("z", &latent), Port::new("state", &state)],
            &[Port::new("mel", &mel), Port::new("state_next", &state)],
        )?;
        let vocoder = if manifest.lists("vocoder.onnx") {
            let mut vocoder = open("vocoder.onnx")?;
            let state = vocoder.state_shape();
            vocoder.expect(
                &[Port::new("mel", &mel), Port::new("state", &state)],
                &[Port::new("real", &spectrum), Port::new("imag", &spectrum), Port::new("state_next", &state)],
            )?;
            Some(vocoder)
        } else {
            None
        };
        Ok(Self { manifest, transformer, decoder, vocoder })
    }
}

/// Indices of the transformer's inputs and outputs.
pub mod transformer {
    /// Previous latent `[1, 32]`.
    pub const Z: usize = 0;
    /// 1 if there is no previous latent `[1]`.
    pub const START: usize = 1;
    /// Conditions of the next latent, and the guidance reference `[2, 52]`.
    pub const CONDITIONS: usize = 2;
    /// Normal noise `[1, 32]`.
    pub const NOISE: usize = 3;
    /// Guidance `[1]`.
    pub const GUIDANCE: usize = 4;
    /// 0 for visible slots, −1e9 for the others `[1, slots]`.
    pub const MASK: usize = 5;
    /// Cosines of the position `[head_dim]`.
    pub const COS: usize = 6;
    /// Sines of the position `[head_dim]`.
    pub const SIN: usize = 7;
    /// Cached keys of the first layer, 2 × heads × slots × head_dim; each further layer is two inputs later.
    pub const K: usize = 8;
    /// Cached values of the first layer, like the keys.
    pub const V: usize = 9;
    /// Output: the next latent.
    pub const Z_NEXT: usize = 0;
    /// Output: this position's keys, layers × 2 × heads × 1 × head_dim.
    pub const K_NEW: usize = 1;
    /// Output: this position's values.
    pub const V_NEW: usize = 2;
}

/// Indices of the inputs of stateful graphs: the input and the state. The last output is the next state.
pub mod stateful {
    /// The input.
    pub const INPUT: usize = 0;
    /// The packed state; zeros at the start.
    pub const STATE: usize = 1;
}
