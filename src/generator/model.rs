//! The trained networks: the inference runtime, the contract `model.toml`, and the graphs as the generator runs them.
//!
//! A model is a folder with `model.toml` and the ONNX files it lists. Everything is checked when it is loaded, so that a
//! wrong file is said by name before a note is played, never while playing.

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

/// Numbers in one latent.
pub const LATENT_DIMS: usize = 32;
/// Mel frames the vocoder looks ahead.
pub const LOOK_AHEAD: usize = 2;

/// One latent, as the decoder takes it.
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
        /// Where it was looked for and why each place did not do.
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
        /// Why.
        source: std::io::Error,
    },
    /// The contract is not what it should be; everything that is wrong, with line and key.
    #[error("{}", .0.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n"))]
    Contract(Vec<Problem>),
    /// The contract was written for another Melos.
    #[error("{path}: {key} is {found}, but this version of Melos needs {expected}")]
    Mismatch {
        /// The `model.toml`.
        path: PathBuf,
        /// What differs.
        key: &'static str,
        /// What would be right.
        expected: String,
        /// What is there.
        found: String,
    },
    /// The contract does not list a file.
    #[error("{path}: no [[file]] named {name:?}")]
    Unlisted {
        /// The `model.toml`.
        path: PathBuf,
        /// The file that is needed.
        name: String,
    },
    /// A file is shorter or longer than the contract says.
    #[error("{path}: has {found} bytes, but model.toml says {expected}; the file is truncated or from another version")]
    Size {
        /// The file.
        path: PathBuf,
        /// Bytes it should have.
        expected: u64,
        /// Bytes it has.
        found: u64,
    },
    /// A file's content is not what the contract says.
    #[error("{path}: has SHA-256 {found}, but model.toml says {expected}; the file is damaged or was replaced")]
    Hash {
        /// The file.
        path: PathBuf,
        /// The hash it should have.
        expected: String,
        /// The hash it has.
        found: String,
    },
    /// The runtime does not take a file.
    #[error("{path}: ONNX Runtime cannot load it: {reason}")]
    Load {
        /// The file.
        path: PathBuf,
        /// What the runtime says.
        reason: String,
    },
    /// An input or output is missing or has another shape.
    #[error("{path}: {direction} {name:?} should be float {expected}, but is {found}")]
    Shape {
        /// The file.
        path: PathBuf,
        /// `input` or `output`.
        direction: &'static str,
        /// Its name.
        name: String,
        /// The shape it should have.
        expected: String,
        /// What is there.
        found: String,
    },
    /// The runtime failed while running a graph.
    #[error("{path}: inference failed: {reason}")]
    Run {
        /// The file.
        path: PathBuf,
        /// What the runtime says.
        reason: String,
    },
}

/// The networks of one model, ready to run on any one thread at a time.
#[derive(Debug)]
pub struct Models {
    /// The contract.
    pub manifest: Manifest,
    /// Previous latent, conditions and noise to the next latent; see [`transformer`] for its ports.
    pub transformer: Graph,
    /// Latent and state to eight mel frames.
    pub decoder: Graph,
    /// Eight mel frames and state to eight spectra, [`LOOK_AHEAD`] frames late; `None` when the model has none.
    pub vocoder: Option<Graph>,
}

impl Models {
    /// Reads and checks a model folder.
    ///
    /// # Errors
    /// When a file is missing, cut off, damaged, of the wrong shape or not for this version; the message names the file,
    /// what was expected and what was found.
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

/// Positions of the transformer's inputs and outputs.
pub mod transformer {
    /// Previous latent `[1, 32]`.
    pub const Z: usize = 0;
    /// 1 when there is no previous latent `[1]`.
    pub const START: usize = 1;
    /// Conditions of the latent to come, and the reference of the guidance `[2, 52]`.
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
    /// Keys of the past in the first layer, 2 × heads × slots × head_dim; those of the next are two inputs further.
    pub const K: usize = 8;
    /// Values of the past in the first layer, like the keys.
    pub const V: usize = 9;
    /// Output: the next latent.
    pub const Z_NEXT: usize = 0;
    /// Output: this position's keys, layers × 2 × heads × 1 × head_dim.
    pub const K_NEW: usize = 1;
    /// Output: this position's values.
    pub const V_NEW: usize = 2;
}

/// Positions of the inputs and outputs of graphs that carry a state: input 0 and the state, results and the next state.
pub mod stateful {
    /// What goes in.
    pub const INPUT: usize = 0;
    /// The packed state; zeros at the start.
    pub const STATE: usize = 1;
}
