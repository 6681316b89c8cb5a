//! Turns corpora into training shards: notes → audio → mel, and the conditions of every latent.

pub mod beats;
pub mod catalogue;
pub mod condition;
pub mod corpus;
mod emopia;
pub mod features;
mod fma;
mod folder;
mod giantmidi;
mod recordings;
mod humanise;
pub mod label;
mod maestro;
pub mod midi;
mod mutopia;
mod paths;
pub mod piece;
mod pop909;
mod random;
mod rendition;
pub mod shard;
pub mod synth;
mod table;
mod rendering;

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;

use catalogue::Material;
use corpus::{Corpus, CorpusError};
use features::{Features, WINDOW, features};
use label::Labeller;
use midi::Note;
use piece::{Piece, Split};
use rendering::{Failure, Renderer};
use rendition::Rendition;
use synth::{Piano, SynthError};

/// What to prepare, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// Corpora and their root folders.
    pub corpora: Vec<(Corpus, PathBuf)>,
    /// Whether to prepare only pieces held out from training.
    pub held_out: bool,
    /// The piano to render with: a SoundFont (`.sf2`) or the description of a sample library (`.toml`).
    pub piano: PathBuf,
    /// Output folder for the shards.
    pub out: PathBuf,
    /// Copies of each training piece, each in a different key and tempo.
    pub copies: usize,
    /// Stop when the folder contains this many hours.
    pub hours: Option<f64>,
    /// Use at most this many seconds of each piece, at a random position.
    pub max_piece_seconds: Option<f64>,
    /// Store the audio beside the mel.
    pub audio: bool,
    /// Store the difference of the channels as well.
    pub stereo: bool,
    /// Pieces to render in parallel.
    pub jobs: usize,
    /// Seed of all random choices.
    pub seed: u64,
}

/// The result of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// Shards written by this run.
    pub written: usize,
    /// Shards that already existed.
    pub existing: usize,
    /// Hours of audio in the part of the folder that this run has checked.
    pub hours: f64,
    /// Skipped pieces and reasons.
    pub skipped: Vec<(String, String)>,
}

/// Why nothing can be prepared.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// Audio cannot be rendered.
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
    /// Every corpus or piece was skipped.
    #[error("no usable pieces: {}", reasons(.0))]
    NothingLeft(Vec<(String, String)>),
    /// Threads cannot be created.
    #[error("cannot start {jobs} jobs: {reason}")]
    Threads {
        /// The requested number.
        jobs: usize,
        /// The cause.
        reason: String,
    },
}

/// Velocity that every corpus is normalized to: mean and standard deviation.
const VELOCITY: (f32, f32) = (64.0, 14.0);
/// Maximum reasons listed in an error.
const REASONS: usize = 5;

fn reasons(skipped: &[(String, String)]) -> String {
    let listed: Vec<String> = skipped.iter().take(REASONS).map(|(name, reason)| format!("{name}: {reason}")).collect();
    let rest = skipped.len().saturating_sub(REASONS);
    listed.join("; ") + &if rest > 0 { format!("; and {rest} more") } else { String::new() }
}

/// Prepares shards. Existing ones are kept and counted, so an interrupted run resumes.
///
/// # Errors
/// [`PrepareError`] when a corpus, the piano or the output folder cannot be used; single bad pieces are skipped.
pub fn run(options: &Options, progress: &ProgressBar) -> Result<Summary, PrepareError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(options.jobs).build();
    let pool = pool.map_err(|error| PrepareError::Threads { jobs: options.jobs, reason: error.to_string() })?;
    pool.install(|| run_here(options, progress))
}

fn run_here(options: &Options, progress: &ProgressBar) -> Result<Summary, PrepareError> {
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
    progress.set_style(bar("reading {pos}/{len} pieces"));
    progress.set_length(pieces.len() as u64);
    let mut loaded = load(pieces, &mut skipped, progress);
    if loaded.is_empty() {
        return Err(PrepareError::NothingLeft(skipped));
    }
    normalise_velocity(&mut loaded);
    let of_notes = Labeller::fit(&windows(&loaded, |material| match material {
        Material::Notes(score) => note_windows(&score.notes),
        Material::Sound(_) => Vec::new(),
    }));
    let of_sound = Labeller::fit(&windows(&loaded, |material| match material {
        Material::Notes(_) => Vec::new(),
        Material::Sound(windows) => windows.clone(),
    }));

    for split in [Split::Train, Split::Valid, Split::Test] {
        let folder = options.out.join(split.name());
        fs::create_dir_all(&folder).map_err(|source| PrepareError::Output { path: folder, source })?;
    }
    let renditions = rendition::plan(&loaded, options);
    progress.reset();
    progress.set_style(bar("rendering {pos}/{len}, {msg} ({elapsed}, {eta} left)"));
    progress.set_length(renditions.len() as u64);
    let renderer = Renderer { options, piano: &piano, of_notes, of_sound };
    let mut summary = make_all(&loaded, &renditions, &renderer, progress)?;
    summary.skipped.splice(0..0, skipped);
    progress.finish();
    Ok(summary)
}

fn bar(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(&format!("{{wide_bar}} {template}")).expect("the templates are fixed")
}

type Loaded = Vec<(Piece, Material)>;

/// Reads the pieces; broken ones are skipped.
fn load(pieces: Vec<Piece>, skipped: &mut Vec<(String, String)>, progress: &ProgressBar) -> Loaded {
    let results: Vec<(Piece, Result<Material, CorpusError>)> = pieces
        .into_par_iter()
        .map(|piece| {
            let material = catalogue::load(&piece);
            progress.inc(1);
            (piece, material)
        })
        .collect();
    let mut loaded = Vec::new();
    for (piece, material) in results {
        match material {
            Ok(material) => loaded.push((piece, material)),
            Err(error) => skipped.push((piece.title(), error.to_string())),
        }
    }
    loaded
}

/// Normalizes each corpus to the same mean and spread of velocity, so that loudness does not reveal a piece's origin.
fn normalise_velocity(loaded: &mut Loaded) {
    for corpus in Corpus::ALL {
        let mut notes: Vec<&mut Note> = loaded
            .iter_mut()
            .filter(|(piece, _)| piece.corpus == corpus)
            .filter_map(|(_, material)| match material {
                Material::Notes(score) => Some(&mut score.notes),
                Material::Sound(_) => None,
            })
            .flatten()
            .collect();
        let velocities = || notes.iter().map(|note| f64::from(note.velocity));
        let count = notes.len().max(1) as f64;
        let mean = velocities().sum::<f64>() / count;
        let deviation = (velocities().map(|v| (v - mean).powi(2)).sum::<f64>() / count).sqrt().max(1.0);
        for note in &mut notes {
            let standard = ((f64::from(note.velocity) - mean) / deviation) as f32;
            note.velocity = (VELOCITY.0 + VELOCITY.1 * standard).clamp(1.0, 127.0);
        }
    }
}

/// The features of the training pieces.
fn windows(loaded: &Loaded, of: impl Fn(&Material) -> Vec<Features> + Sync) -> Vec<Features> {
    let training = loaded.par_iter().filter(|(piece, _)| piece.split == Split::Train);
    training.flat_map_iter(|(_, material)| of(material)).collect()
}

/// The features of a piece's notes, every quarter of a window.
fn note_windows(notes: &[Note]) -> Vec<Features> {
    let end = notes.last().map_or(0.0, |note| note.start);
    let times = (1..).map(|i| f64::from(i) * WINDOW / 4.0).take_while(|at| *at < end);
    times.filter_map(|at| features(notes, at)).collect()
}

/// Renders the copies in order, several in parallel, until there are enough hours.
fn make_all(
    loaded: &Loaded,
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
            let (piece, material) = &loaded[rendition.piece];
            let path = rendition.path(&renderer.options.out, piece);
            let existing = shard::duration(&path).ok();
            let outcome = match existing {
                Some(seconds) => Ok(seconds),
                None => renderer.make(rendition, piece, material),
            };
            let mut summary = locked();
            match outcome {
                Ok(seconds) => {
                    summary.hours += seconds / 3600.0;
                    *(if existing.is_some() { &mut summary.existing } else { &mut summary.written }) += 1;
                }
                Err(Failure::TooShort) => summary.skipped.push((piece.title(), "too short".to_owned())),
                Err(Failure::Input(error)) => summary.skipped.push((piece.title(), error.to_string())),
                Err(Failure::Piano(error)) => return Err(error.into()),
                Err(Failure::Output(source)) => return Err(PrepareError::Output { path, source }),
            }
            progress.set_message(format!("{:.2} h", summary.hours));
            progress.inc(1);
        }
        Ok(())
    };
    (0..renderer.options.jobs.max(1)).into_par_iter().with_max_len(1).map(|_| work()).collect::<Result<(), _>>()?;
    Ok(summary.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
}
