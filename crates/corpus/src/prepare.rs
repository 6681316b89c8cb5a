//! Converts corpora into training shards: the mel spectrogram of rendered or recorded audio, the notes and pedal, the
//! conditions for every latent, and optionally the audio.

pub mod beats;
pub mod catalogue;
pub mod condition;
pub mod corpus;
mod emopia;
pub mod features;
mod fma;
mod folder;
mod giantmidi;
mod humanise;
pub mod label;
mod maestro;
pub mod midi;
mod mutopia;
mod paths;
pub mod piece;
mod pop909;
mod random;
mod recordings;
mod rendering;
mod rendition;
pub mod shard;
pub mod synth;
mod table;

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;

use catalogue::Content;
use corpus::{Corpus, CorpusError};
use features::{Features, WINDOW, features};
use label::Labeller;
use midi::Note;
use piece::{Piece, Split};
use rendering::{RenderError, Renderer};
use rendition::Rendition;
use synth::{Piano, SynthError};

/// What to prepare, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// Corpora and their root folders.
    pub corpora: Vec<(Corpus, PathBuf)>,
    /// Whether to prepare only pieces held out from training.
    pub held_out: bool,
    /// The piano to render with: a SoundFont (`.sf2`) or a description of a sample library (`.toml`).
    pub piano: PathBuf,
    /// Output folder for the shards.
    pub out: PathBuf,
    /// Number of copies of each training piece, in different keys and tempos, before multiplication by
    /// [`Corpus::weight`].
    pub copies: usize,
    /// Stop once the shards, including existing ones, contain this many hours of audio.
    pub hours: Option<f64>,
    /// Maximum length of the excerpt taken from each piece, at a random position, in seconds.
    pub max_piece_seconds: Option<f64>,
    /// Whether to store the audio along with the mel frames.
    pub audio: bool,
    /// Whether to store the side signal as well.
    pub stereo: bool,
    /// Number of pieces to render in parallel.
    pub jobs: usize,
    /// Seed for all random choices.
    pub seed: u64,
}

/// The result of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// Shards written by this run.
    pub written: usize,
    /// Shards that already existed.
    pub existing: usize,
    /// Hours of audio in the written and existing shards.
    pub hours: f64,
    /// Names of skipped pieces and corpora, each with the reason.
    pub skipped: Vec<(String, String)>,
}

/// Why preparation failed.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The piano cannot be used.
    #[error(transparent)]
    Synth(#[from] SynthError),
    /// The shards cannot be written.
    #[error("{path}: {source}")]
    Output {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// All corpora and pieces were skipped.
    #[error("no usable pieces: {}", reasons(.0))]
    NoUsablePieces(Vec<(String, String)>),
    /// The worker threads cannot be created.
    #[error("cannot start {jobs} jobs: {reason}")]
    Threads {
        /// The requested number of jobs.
        jobs: usize,
        /// The cause.
        reason: String,
    },
}

/// Mean and standard deviation to which the velocities of each corpus are normalised.
const TARGET_VELOCITY: (f32, f32) = (64.0, 14.0);
/// Maximum number of reasons listed in an error.
const MAX_REASONS: usize = 5;

fn reasons(skipped: &[(String, String)]) -> String {
    let listed: Vec<String> =
        skipped.iter().take(MAX_REASONS).map(|(name, reason)| format!("{name}: {reason}")).collect();
    let rest = skipped.len().saturating_sub(MAX_REASONS);
    listed.join("; ") + &if rest > 0 { format!("; and {rest} more") } else { String::new() }
}

/// Prepares shards. Existing shards are kept and counted, so that an interrupted run can be resumed.
///
/// # Errors
/// [`PrepareError`] if the worker threads cannot be created, if the piano or the output folder cannot be used, or if
/// there are no usable pieces. Individual unusable pieces and corpora are skipped.
pub fn run(options: &Options, progress: &ProgressBar) -> Result<Summary, PrepareError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(options.jobs).build();
    let pool = pool.map_err(|error| PrepareError::Threads { jobs: options.jobs, reason: error.to_string() })?;
    pool.install(|| prepare(options, progress))
}

fn prepare(options: &Options, progress: &ProgressBar) -> Result<Summary, PrepareError> {
    let piano = Piano::load(&options.piano)?;
    let (mut pieces, mut skipped) = (Vec::new(), Vec::new());
    for (corpus, root) in &options.corpora {
        match catalogue::list(*corpus, root) {
            Ok(listing) => {
                pieces.extend(listing.pieces);
                skipped.extend(listing.skipped);
            }
            Err(error) => skipped.push((format!("corpus {corpus}"), error.to_string())),
        }
    }
    progress.set_style(progress_style("reading {pos}/{len} pieces"));
    progress.set_length(pieces.len() as u64);
    let mut loaded = load(pieces, &mut skipped, progress);
    if loaded.is_empty() {
        return Err(PrepareError::NoUsablePieces(skipped));
    }
    normalise_velocity(&mut loaded);
    let note_labeller = Labeller::fit(&training_features(&loaded, |content| match content {
        Content::Notes(score) => note_features(&score.notes),
        Content::Recording(_) => Vec::new(),
    }));
    let recording_labeller = Labeller::fit(&training_features(&loaded, |content| match content {
        Content::Notes(_) => Vec::new(),
        Content::Recording(features) => features.clone(),
    }));

    for split in [Split::Train, Split::Valid, Split::Test] {
        let folder = options.out.join(split.name());
        fs::create_dir_all(&folder).map_err(|source| PrepareError::Output { path: folder, source })?;
    }
    let renditions = rendition::plan(&loaded, options);
    progress.reset();
    progress.set_style(progress_style("rendering {pos}/{len}, {msg} ({elapsed}, {eta} left)"));
    progress.set_length(renditions.len() as u64);
    let renderer = Renderer { options, piano: &piano, note_labeller, recording_labeller };
    let mut summary = render_all(&loaded, &renditions, &renderer, progress)?;
    summary.skipped.splice(0..0, skipped);
    progress.finish();
    Ok(summary)
}

fn progress_style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(&format!("{{wide_bar}} {template}")).expect("the template should be well-formed")
}

type LoadedPieces = Vec<(Piece, Content)>;

/// Reads the pieces and adds unusable ones to `skipped`.
fn load(pieces: Vec<Piece>, skipped: &mut Vec<(String, String)>, progress: &ProgressBar) -> LoadedPieces {
    let results: Vec<(Piece, Result<Content, CorpusError>)> = pieces
        .into_par_iter()
        .map(|piece| {
            let content = catalogue::load(&piece);
            progress.inc(1);
            (piece, content)
        })
        .collect();
    let mut loaded = Vec::new();
    for (piece, content) in results {
        match content {
            Ok(content) => loaded.push((piece, content)),
            Err(error) => skipped.push((piece.title(), error.to_string())),
        }
    }
    loaded
}

/// Normalises the velocities of each corpus, so that loudness does not depend on the corpus.
fn normalise_velocity(loaded: &mut LoadedPieces) {
    for corpus in Corpus::ALL {
        let mut notes: Vec<&mut Note> = loaded
            .iter_mut()
            .filter(|(piece, _)| piece.corpus == corpus)
            .filter_map(|(_, content)| match content {
                Content::Notes(score) => Some(&mut score.notes),
                Content::Recording(_) => None,
            })
            .flatten()
            .collect();
        let velocities = || notes.iter().map(|note| f64::from(note.velocity));
        let count = notes.len().max(1) as f64;
        let mean = velocities().sum::<f64>() / count;
        let deviation = (velocities().map(|v| (v - mean).powi(2)).sum::<f64>() / count).sqrt().max(1.0);
        for note in &mut notes {
            let standardised = ((f64::from(note.velocity) - mean) / deviation) as f32;
            note.velocity = (TARGET_VELOCITY.0 + TARGET_VELOCITY.1 * standardised).clamp(1.0, 127.0);
        }
    }
}

/// Returns the features that `extract` finds in the training pieces.
fn training_features(loaded: &LoadedPieces, extract: impl Fn(&Content) -> Vec<Features> + Sync) -> Vec<Features> {
    let training = loaded.par_iter().filter(|(piece, _)| piece.split == Split::Train);
    training.flat_map_iter(|(_, content)| extract(content)).collect()
}

/// Returns the features of a piece's notes in overlapping windows, spaced a quarter of a window apart.
fn note_features(notes: &[Note]) -> Vec<Features> {
    let end = notes.last().map_or(0.0, |note| note.start);
    let centres = (1..).map(|i| f64::from(i) * WINDOW / 4.0).take_while(|centre| *centre < end);
    centres.filter_map(|centre| features(notes, centre)).collect()
}

/// Renders the copies in order, several in parallel, until the shards contain the requested amount of audio.
fn render_all(
    loaded: &LoadedPieces,
    renditions: &[Rendition],
    renderer: &Renderer<'_>,
    progress: &ProgressBar,
) -> Result<Summary, PrepareError> {
    let limit = renderer.options.hours.unwrap_or(f64::INFINITY);
    let next = AtomicUsize::new(0);
    let summary = Mutex::new(Summary::default());
    let locked = || summary.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let work = || -> Result<(), PrepareError> {
        while let Some(rendition) = renditions.get(next.fetch_add(1, Ordering::Relaxed)) {
            if locked().hours >= limit {
                break;
            }
            let (piece, content) = &loaded[rendition.piece];
            let path = rendition.path(&renderer.options.out, piece);
            let existing = shard::duration(&path).ok();
            let result = match existing {
                Some(seconds) => Ok(seconds),
                None => renderer.write_copy(rendition, piece, content),
            };
            let mut summary = locked();
            match result {
                Ok(seconds) => {
                    summary.hours += seconds / 3600.0;
                    *(if existing.is_some() { &mut summary.existing } else { &mut summary.written }) += 1;
                }
                Err(RenderError::TooShort) => summary.skipped.push((piece.title(), "too short".to_owned())),
                Err(RenderError::Input(error)) => summary.skipped.push((piece.title(), error.to_string())),
                Err(RenderError::Piano(error)) => return Err(error.into()),
                Err(RenderError::Output(source)) => return Err(PrepareError::Output { path, source }),
            }
            progress.set_message(format!("{:.2} h", summary.hours));
            progress.inc(1);
        }
        Ok(())
    };
    (0..renderer.options.jobs.max(1)).into_par_iter().with_max_len(1).map(|_| work()).collect::<Result<(), _>>()?;
    Ok(summary.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
}
