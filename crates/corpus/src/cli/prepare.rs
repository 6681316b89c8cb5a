//! `melos-corpus prepare`.

use std::path::PathBuf;

use anyhow::bail;
use indicatif::ProgressBar;
use melos_corpus::prepare::corpus::Corpus;
use melos_corpus::prepare::{self, Options};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A corpus and its folder, such as pop909=data/pop909; can be given several times
    #[arg(long = "corpus", value_name = "NAME=FOLDER", required = true, value_parser = parse_corpus)]
    corpora: Vec<(Corpus, PathBuf)>,
    /// Piano to render with: a SoundFont (.sf2; its program 0), or the description of a sample library (.toml)
    #[arg(long, value_name = "FILE")]
    piano: PathBuf,
    /// Prepare only pieces held out from training
    #[arg(long)]
    held_out: bool,
    /// Output folder for the shards
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Number of copies of each training piece, in different keys and tempos; multiplied by 3 for giantmidi and by 2 for
    /// mutopia
    #[arg(long, default_value_t = 1)]
    copies: usize,
    /// Stop once the shards, including existing ones, contain this many hours of audio
    #[arg(long)]
    hours: Option<f64>,
    /// Use at most this many seconds of each piece, from a random position
    #[arg(long, value_name = "SECONDS")]
    max_piece_seconds: Option<f64>,
    /// Store the audio along with the mel frames
    #[arg(long)]
    audio: bool,
    /// Also store the side signal (half the difference of the channels)
    #[arg(long, requires = "audio")]
    stereo: bool,
    /// Number of pieces to render in parallel [default: one per core]
    #[arg(long)]
    jobs: Option<usize>,
    /// Seed for all random choices
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

fn parse_corpus(text: &str) -> Result<(Corpus, PathBuf), String> {
    let known = || Corpus::ALL.map(Corpus::name).join(", ");
    let Some((name, folder)) = text.split_once('=') else {
        return Err(format!("expected NAME=FOLDER, where NAME is one of {}", known()));
    };
    match Corpus::ALL.into_iter().find(|corpus| corpus.name() == name) {
        Some(corpus) => Ok((corpus, PathBuf::from(folder))),
        None => Err(format!("unknown corpus {name:?}; expected one of {}", known())),
    }
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    if args.copies == 0 {
        bail!("--copies must be at least 1");
    }
    let options = Options {
        corpora: args.corpora,
        held_out: args.held_out,
        piano: args.piano,
        out: args.out,
        copies: args.copies,
        hours: args.hours,
        max_piece_seconds: args.max_piece_seconds,
        audio: args.audio,
        stereo: args.stereo,
        jobs: args.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)),
        seed: args.seed,
    };
    let summary = prepare::run(&options, &ProgressBar::new(0))?;
    eprintln!(
        "{} shards written, {} already existed, {:.2} h in total, {} pieces or corpora skipped",
        summary.written,
        summary.existing,
        summary.hours,
        summary.skipped.len()
    );
    for (name, reason) in &summary.skipped {
        eprintln!("  {name}: {reason}");
    }
    Ok(())
}
