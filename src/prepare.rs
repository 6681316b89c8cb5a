//! Turns corpora into training shards: notes → sound → mel, and what the network is told about every latent frame.

pub mod beats;
pub mod condition;
pub mod corpus;
pub mod features;
mod giantmidi;
mod humanise;
pub mod label;
pub mod midi;
mod mutopia;
mod pop909;
mod random;
mod rendition;
pub mod shard;
pub mod synth;

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;

use corpus::{Corpus, CorpusError, Piece, Score, Split};
use features::{Features, WINDOW, features};
use label::Labeller;
use rendition::{Rendition, Workshop};
use synth::{Piano, SynthError};

/// What to prepare, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// Corpora and their root folders.
    pub corpora: Vec<(Corpus, PathBuf)>,
    /// The SoundFont to render with.
    pub soundfont: PathBuf,
    /// Where the shards go.
    pub out: PathBuf,
    /// Copies of each training piece, each in its own key and tempo.
    pub copies: usize,
    /// Stop when the folder holds this many hours.
    pub hours: Option<f64>,
    /// Take at most this many seconds of each piece, from a random place.
    pub max_piece_seconds: Option<f64>,
    /// Store the sound beside the mel.
    pub audio: bool,
    /// Pieces rendered at a time.
    pub jobs: usize,
    /// Decides everything random.
    pub seed: u64,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// Shards written by this run.
    pub written: usize,
    /// Shards that were there already.
    pub existing: usize,
    /// Hours of sound the folder now holds, as far as this run looked.
    pub hours: f64,
    /// Pieces left out, and why.
    pub skipped: Vec<(String, String)>,
}

/// Why nothing can be prepared.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// A corpus is not where it should be.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// No sound can be made.
    #[error(transparent)]
    Synth(#[from] SynthError),
    /// The shards cannot be written.
    #[error("{path}: {source}")]
    Output {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Every piece was skipped.
    #[error("none of the {0} pieces can be used")]
    NothingLeft(usize),
    /// No threads.
    #[error("cannot start {jobs} jobs: {reason}")]
    Threads {
        /// How many were asked for.
        jobs: usize,
        /// Why.
        reason: String,
    },
}

/// Velocity that every corpus is brought to: mean and standard deviation.
const VELOCITY: (f32, f32) = (64.0, 14.0);
/// Pieces of one composer in one copy of a corpus that has many by one.
const PER_COMPOSER: usize = 32;

/// Prepares shards; those already in the folder are kept and counted, so an interrupted run continues where it stopped.
///
/// # Errors
/// [`PrepareError`] when a corpus, the SoundFont or the output folder cannot be used; single bad pieces are skipped.
pub fn run(options: &Options, progress: &ProgressBar) -> Result<Summary, PrepareError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(options.jobs).build();
    let pool = pool.map_err(|error| PrepareError::Threads { jobs: options.jobs, reason: error.to_string() })?;
    pool.install(|| run_here(options, progress))
}

fn run_here(options: &Options, progress: &ProgressBar) -> Result<Summary, PrepareError> {
    let piano = Piano::load(&options.soundfont)?;
    let mut pieces = Vec::new();
    for (corpus, root) in &options.corpora {
        pieces.extend(corpus.pieces(root)?);
    }
    progress.set_style(bar("reading {pos}/{len} pieces"));
    progress.set_length(pieces.len() as u64);
    let (mut loaded, mut skipped) = load(pieces, progress);
    if loaded.is_empty() {
        return Err(PrepareError::NothingLeft(skipped.len()));
    }
    normalise_velocity(&mut loaded);
    let windows: Vec<Features> =
        loaded.par_iter().filter(|(piece, _)| piece.split == Split::Train).flat_map_iter(windows).collect();
    let Some(labeller) = Labeller::fit(&windows) else { return Err(PrepareError::NothingLeft(skipped.len())) };

    for split in [Split::Train, Split::Valid, Split::Test] {
        let folder = options.out.join(split.name());
        fs::create_dir_all(&folder).map_err(|source| PrepareError::Output { path: folder, source })?;
    }
    let renditions = rendition::plan(&loaded, options);
    progress.reset();
    progress.set_style(bar("rendering {pos}/{len}, {msg} ({elapsed}, {eta} left)"));
    progress.set_length(renditions.len() as u64);
    let workshop = Workshop { options, piano: &piano, labeller: &labeller };
    let outcome = render_all(&loaded, &renditions, &workshop, progress)?;
    skipped.extend(outcome.skipped);
    progress.finish();
    Ok(Summary { skipped, ..outcome })
}

fn bar(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(&format!("{{wide_bar}} {template}")).expect("the templates are fixed")
}

type Loaded = Vec<(Piece, Score)>;

fn load(pieces: Vec<Piece>, progress: &ProgressBar) -> (Loaded, Vec<(String, String)>) {
    let results: Vec<(Piece, Result<Score, CorpusError>)> = pieces
        .into_par_iter()
        .map(|piece| {
            let score = piece.load();
            progress.inc(1);
            (piece, score)
        })
        .collect();
    let (mut loaded, mut skipped) = (Vec::new(), Vec::new());
    for (piece, score) in results {
        match score {
            Ok(score) => loaded.push((piece, score)),
            Err(error) => skipped.push((format!("{} {}", piece.corpus, piece.id), error.to_string())),
        }
    }
    (loaded, skipped)
}

/// Brings each corpus to the same mean and spread of velocity, so that loudness does not tell where a piece is from.
fn normalise_velocity(loaded: &mut Loaded) {
    for corpus in Corpus::ALL {
        let velocities = || {
            let scores = loaded.iter().filter(|(piece, _)| piece.corpus == corpus);
            scores.flat_map(|(_, score)| score.notes.iter().map(|note| f64::from(note.velocity)))
        };
        let count = velocities().count().max(1) as f64;
        let mean = velocities().sum::<f64>() / count;
        let deviation = (velocities().map(|v| (v - mean).powi(2)).sum::<f64>() / count).sqrt().max(1.0);
        for (_, score) in loaded.iter_mut().filter(|(piece, _)| piece.corpus == corpus) {
            for note in &mut score.notes {
                let standard = ((f64::from(note.velocity) - mean) / deviation) as f32;
                note.velocity = (VELOCITY.0 + VELOCITY.1 * standard).clamp(1.0, 127.0);
            }
        }
    }
}

/// The features of a piece, every quarter of a window.
fn windows((_, score): &(Piece, Score)) -> Vec<Features> {
    let end = score.notes.last().map_or(0.0, |note| note.start);
    let step = WINDOW / 4.0;
    (1..).map(|i| f64::from(i) * step).take_while(|at| *at < end).filter_map(|at| features(&score.notes, at)).collect()
}

fn render_all(
    loaded: &Loaded,
    renditions: &[Rendition],
    workshop: &Workshop<'_>,
    progress: &ProgressBar,
) -> Result<Summary, PrepareError> {
    let limit = workshop.options.hours.unwrap_or(f64::INFINITY);
    let next = AtomicUsize::new(0);
    let summary = Mutex::new(Summary::default());
    let locked = || summary.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let work = || -> Result<(), PrepareError> {
        while let Some(rendition) = renditions.get(next.fetch_add(1, Ordering::Relaxed)) {
            if locked().hours >= limit {
                break;
            }
            let (piece, score) = &loaded[rendition.piece];
            let path = rendition.path(&workshop.options.out, piece);
            let existing = shard::duration(&path).ok();
            let outcome = match existing {
                Some(seconds) => Ok(seconds),
                None => workshop.render(rendition, piece, score),
            };
            let mut summary = locked();
            match outcome {
                Ok(seconds) => {
                    summary.hours += seconds / 3600.0;
                    *(if existing.is_some() { &mut summary.existing } else { &mut summary.written }) += 1;
                }
                Err(rendition::Failure::TooShort) => {
                    summary.skipped.push((format!("{} {}", piece.corpus, piece.id), "too short".to_owned()));
                }
                Err(rendition::Failure::Output(source)) => return Err(PrepareError::Output { path, source }),
            }
            progress.set_message(format!("{:.2} h", summary.hours));
            progress.inc(1);
        }
        Ok(())
    };
    (0..workshop.options.jobs.max(1)).into_par_iter().with_max_len(1).map(|_| work()).collect::<Result<(), _>>()?;
    Ok(summary.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
}
