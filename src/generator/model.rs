//! The trained networks: the inference runtime, the manifest `model.toml`, and the graphs that the generator runs.
//!
//! A model is a folder with `model.toml` and the ONNX files it lists. Everything is checked on load, so that an invalid
//! file is reported by name before any music plays.

mod folder;
mod graph;
mod manifest;
mod port;
mod runtime;

use std::path::{Path, PathBuf};

use thiserror::Error;

pub use folder::find_model;
pub use graph::Graph;
pub use manifest::{Manifest, ROLLBACK, SCHEMA, TransformerLayout};
pub use port::Port;
pub use runtime::{Runtime, runtime};

use crate::files::document::Problem;
use crate::generator::notes::{
    DURATIONS, FINE_WIDTH, KEYS, MEMORY_WIDTH, MOOD_WIDTH, OFFSETS, PEDALS, ROLL_WIDTH, SOUNDING_WIDTH, STEP_WIDTH,
    VELOCITIES, VOICES,
};
use crate::mel::{BANDS, BINS, FRAMES_PER_LATENT};

/// Number of dimensions of a latent.
pub const LATENT_DIMS: usize = 16;
/// The vocoder's look-ahead in mel frames.
pub const LOOK_AHEAD: usize = 2;

/// A latent, which describes how the notes of eight mel frames are played.
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
        /// The paths tried; for a library that exists but cannot be used, also the reason.
        tried: String,
    },
    /// No model has this name.
    #[error("cannot find model {name:?}; no model.toml in {tried}")]
    NoModel {
        /// Name of the model.
        name: String,
        /// The folders searched.
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
    /// The manifest is invalid. Lists all problems with their line and key.
    #[error("{}", .0.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n"))]
    Manifest(Vec<Problem>),
    /// The manifest has a value that this version of Melos does not support.
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
    /// The manifest does not list a required file.
    #[error("{path}: no [[file]] named {name:?}")]
    Unlisted {
        /// The `model.toml`.
        path: PathBuf,
        /// The required file.
        name: String,
    },
    /// A file is shorter or longer than the manifest says.
    #[error("{path} has {found} bytes, but model.toml says {expected}; the file is truncated or from another version")]
    Size {
        /// The file.
        path: PathBuf,
        /// The expected size in bytes.
        expected: u64,
        /// The actual size in bytes.
        found: u64,
    },
    /// A file's hash differs from the manifest's.
    #[error("{path} has SHA-256 {found}, but model.toml says {expected}; the file is damaged or was replaced")]
    Hash {
        /// The file.
        path: PathBuf,
        /// The expected hash.
        expected: String,
        /// The actual hash.
        found: String,
    },
    /// The runtime cannot load a file.
    #[error("ONNX Runtime cannot load {path}: {reason}")]
    Load {
        /// The file.
        path: PathBuf,
        /// The runtime's message.
        reason: String,
    },
    /// An input or output is missing or has the wrong shape.
    #[error("{path}: {direction} {name:?} should be {expected}, but is {found}")]
    Shape {
        /// The file.
        path: PathBuf,
        /// `input` or `output`.
        direction: &'static str,
        /// Name of the input or output.
        name: String,
        /// The expected type and shape.
        expected: String,
        /// The actual type and shape.
        found: String,
    },
    /// The runtime failed while running a graph.
    #[error("inference with {path} failed: {reason}")]
    Run {
        /// The file.
        path: PathBuf,
        /// The runtime's message.
        reason: String,
    },
}

/// Rows in a batch: one with the requested conditions, one with the guidance reference.
const ROWS: usize = 2;

/// The networks of one model. They can run on any thread except the audio thread, but only on one at a time.
#[derive(Debug)]
pub struct Models {
    /// The manifest.
    pub manifest: Manifest,
    /// Decides notes and pedal.
    pub composer: ComposerGraphs,
    /// Plays the notes.
    pub pianist: PianistGraphs,
    /// Maps eight mel frames and a state to eight spectra, delayed by [`LOOK_AHEAD`] frames. If the model has no such network,
    /// the generator uses [`SpectralPeakVocoder`](crate::generator::vocoder::SpectralPeakVocoder).
    pub vocoder: Option<Graph>,
}

/// The composer's networks: the transformer and the parts of its decoder, in the order in which they run. Most process two
/// rows, one with the requested conditions and one with the guidance reference; the transformer can process the first row
/// alone, which takes a quarter less time. Class indices are passed as floats.
#[derive(Debug)]
pub struct ComposerGraphs {
    /// Maps the notes played and the conditions to the latent's base state; see [`transformer`] for its ports.
    pub transformer: Graph,
    /// Maps the base state `[2, width]` and the pedal action `[1]` to the logits of the action's offset `[2, 8]` and the
    /// notes' base state `[2, width]`.
    pub pedal: Graph,
    /// Maps the notes' base state, the summed embeddings of the latent's notes so far, the embedding of the last note (both
    /// `[1, width]`) and a flag for the first note `[1]` to a state `[2, width]` and logits `[2, 9]`.
    pub offset: Graph,
    /// Maps the state, the offset `[1]` and the offset's conditions `[2, 32]` to the next state and logits `[2, 2]`.
    pub voice: Graph,
    /// Maps the state, the voice `[1]` and the melody's last key `[1]` to the next state and logits `[2, 88]`.
    pub key: Graph,
    /// Maps the state and the key `[1]` to the next state and logits `[2, 32]`.
    pub velocity: Graph,
    /// Maps the state and the velocity `[1]` to logits `[2, 24]`.
    pub duration: Graph,
    /// Maps a note `[5]` to three embeddings, `[1, width]` each: for the next latent, for the rest of this latent and for the
    /// next note.
    pub note: Graph,
}

/// The pianist's networks; both carry a state.
#[derive(Debug)]
pub struct PianistGraphs {
    /// Maps the previous latent `[1, 16]`, the roll `[1, 8, 530]`, the piano weights `[pianos]` and the mood `[1, 12]` to the
    /// mean and standard deviation of this latent.
    pub prior: Graph,
    /// Maps the latent, the roll and the piano weights to eight mel frames `[1, 8, 128]`.
    pub decoder: Graph,
}

/// Loads and checks the files of one model.
struct Loader<'a> {
    runtime: &'a Runtime,
    folder: &'a Path,
    manifest: &'a Manifest,
}

impl Loader<'_> {
    fn load(&self, name: &str, inputs: &[Port], outputs: &[Port]) -> Result<Graph, ModelError> {
        let bytes = self.manifest.read_verified(self.folder, name)?;
        let mut graph = Graph::load(self.runtime, &bytes, &self.folder.join(name))?;
        graph.bind(inputs, outputs)?;
        Ok(graph)
    }

    /// Loads a stateful graph. Its inputs are `input`, the state and `inputs`; its outputs are `outputs` and the next state.
    fn load_stateful(&self, name: &str, input: Port, inputs: &[Port], outputs: &[Port]) -> Result<Graph, ModelError> {
        let bytes = self.manifest.read_verified(self.folder, name)?;
        let mut graph = Graph::load(self.runtime, &bytes, &self.folder.join(name))?;
        let state = graph.state_shape();
        let inputs = [&[input, Port::new("state", &state)], inputs].concat();
        graph.bind(&inputs, &[outputs, &[Port::new("state_next", &state)]].concat())?;
        Ok(graph)
    }

    fn composer(&self) -> Result<ComposerGraphs, ModelError> {
        let layout = &self.manifest.composer;
        let (wide, narrow) = ([ROWS, layout.width], [1, layout.width]);
        let logits = |classes| Port::with_rows("logits", &[ROWS, classes], 0);
        let (state, next) = (Port::new("state", &wide), Port::new("state_next", &wide));
        let scalar = |name| Port::new(name, &[1]);
        let ring = [ROWS, layout.heads, layout.slots, layout.head_dim];
        let row = [layout.layers, ROWS, layout.heads, 1, layout.head_dim];
        let mut inputs = vec![
            Port::new("notes", &narrow),
            Port::new("memory", &[1, MEMORY_WIDTH]),
            Port::with_rows("frame", &[ROWS, STEP_WIDTH], 0),
            Port::with_rows("fine", &[ROWS, OFFSETS, FINE_WIDTH], 0),
            Port::new("sounding", &[1, SOUNDING_WIDTH]),
            scalar("melody"),
            scalar("pedal"),
            Port::new("mask", &[layout.slots]),
            Port::new("cos", &[layout.head_dim]),
            Port::new("sin", &[layout.head_dim]),
        ];
        for layer in 0..layout.layers {
            inputs.extend(["k", "v"].map(|kind| Port::with_rows(&format!("{kind}{layer}"), &ring, 0)));
        }
        let base = Port::with_rows("base", &wide, 0);
        let opened = Port::new("opened", &wide);
        let notes = ["so_far", "last"].map(|name| Port::new(name, &narrow));
        let graph = |name: &str, inputs: &[Port], outputs: &[Port]| {
            self.load(&format!("composer-{name}.onnx"), inputs, outputs)
        };
        Ok(ComposerGraphs {
            transformer: graph(
                "frame",
                &inputs,
                &[base.clone(), logits(PEDALS), Port::with_rows("k_new", &row, 1), Port::with_rows("v_new", &row, 1)],
            )?,
            pedal: graph("pedal", &[base, scalar("pedal")], &[logits(OFFSETS), opened.clone()])?,
            offset: graph(
                "offset",
                &[opened, notes[0].clone(), notes[1].clone(), scalar("first")],
                &[state.clone(), logits(OFFSETS + 1)],
            )?,
            voice: graph(
                "voice",
                &[state.clone(), scalar("offset"), Port::new("fine", &[ROWS, FINE_WIDTH])],
                &[next.clone(), logits(VOICES)],
            )?,
            key: graph("key", &[state.clone(), scalar("voice"), scalar("melody")], &[next.clone(), logits(KEYS)])?,
            velocity: graph("velocity", &[state.clone(), scalar("key")], &[next, logits(VELOCITIES)])?,
            duration: graph("duration", &[state, scalar("velocity")], &[logits(DURATIONS)])?,
            note: graph(
                "note",
                &[Port::new("note", &[5])],
                &[Port::new("read", &narrow), notes[0].clone(), notes[1].clone()],
            )?,
        })
    }

    fn pianist(&self) -> Result<PianistGraphs, ModelError> {
        let latent = |name| Port::new(name, &[1, LATENT_DIMS]);
        let roll = Port::new("roll", &[1, FRAMES_PER_LATENT, ROLL_WIDTH]);
        let piano = Port::new("piano", &[self.manifest.pianos.len()]);
        let prior = self.load_stateful(
            "pianist-prior.onnx",
            latent("before"),
            &[roll.clone(), piano.clone(), Port::new("mood", &[1, MOOD_WIDTH])],
            &[latent("mean"), latent("deviation")],
        )?;
        let mel = Port::new("mel", &[1, FRAMES_PER_LATENT, BANDS]);
        let decoder = self.load_stateful("pianist-decoder.onnx", latent("z"), &[roll, piano], &[mel])?;
        Ok(PianistGraphs { prior, decoder })
    }

    fn vocoder(&self) -> Result<Option<Graph>, ModelError> {
        const NAME: &str = "vocoder.onnx";
        if !self.manifest.lists(NAME) {
            return Ok(None);
        }
        let mel = Port::new("mel", &[1, FRAMES_PER_LATENT, BANDS]);
        let spectrum = |name| Port::new(name, &[1, FRAMES_PER_LATENT, BINS]);
        self.load_stateful(NAME, mel, &[], &[spectrum("real"), spectrum("imag")]).map(Some)
    }
}

impl Models {
    /// Loads the model in a folder and checks it.
    ///
    /// # Errors
    /// If a file is missing, truncated or damaged, has wrong shapes or is for a different version. The message names the file
    /// and, where values differ, the expected and actual values.
    pub fn load(runtime: &Runtime, folder: &Path) -> Result<Self, ModelError> {
        let manifest = Manifest::read(&folder.join("model.toml"))?;
        let loader = Loader { runtime, folder, manifest: &manifest };
        let (composer, pianist, vocoder) = (loader.composer()?, loader.pianist()?, loader.vocoder()?);
        Ok(Self { manifest, composer, pianist, vocoder })
    }
}

/// Indices of the inputs and outputs of [`ComposerGraphs::transformer`].
pub mod transformer {
    /// Summed embeddings of the previous latent's notes `[1, width]`.
    pub const NOTES: usize = 0;
    /// The memory: notes played at the same position in earlier bars, and in the recalled phrase `[1, 1205]`.
    pub const MEMORY: usize = 1;
    /// Conditions for the latent `[2, 66]`.
    pub const STEP: usize = 2;
    /// Conditions for the offsets `[2, 8, 32]`.
    pub const FINE: usize = 3;
    /// Keys held, then strings that only the pedal sustains `[1, 176]`.
    pub const SOUNDING: usize = 4;
    /// Last key of the melody `[1]`.
    pub const MELODY: usize = 5;
    /// Pedal action of the previous latent `[1]`.
    pub const PEDAL: usize = 6;
    /// Attention mask: 0 for visible slots, −1e9 for the others `[slots]`.
    pub const MASK: usize = 7;
    /// Cosines of the rotary angles `[head_dim]`.
    pub const COS: usize = 8;
    /// Sines of the rotary angles `[head_dim]`.
    pub const SIN: usize = 9;
    /// Cached keys of the first layer `[2, heads, slots, head_dim]`; those of each further layer are two inputs further on.
    pub const K: usize = 10;
    /// Cached values of the first layer, with the same shape and spacing as the keys.
    pub const V: usize = 11;
    /// Output: the latent's base state `[2, width]`.
    pub const BASE: usize = 0;
    /// Output: logits of the pedal action `[2, 3]`.
    pub const LOGITS: usize = 1;
    /// Output: this position's keys `[layers, 2, heads, 1, head_dim]`.
    pub const K_NEW: usize = 2;
    /// Output: this position's values, with the same shape.
    pub const V_NEW: usize = 3;
}

/// Indices of the first two inputs of stateful graphs. Their last output is the next state.
pub mod stateful {
    /// The input.
    pub const INPUT: usize = 0;
    /// The state; all zeros at the start.
    pub const STATE: usize = 1;
}
