//! `melos-corpus`: prepares corpora for training and measures recordings.
#![allow(clippy::print_stderr, reason = "an offline tool may panic if standard error is closed")]

mod cli {
    pub(crate) mod analyze;
    pub(crate) mod prepare;
}

use std::io::{ErrorKind, IsTerminal};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Prepare corpora for training, and measure recordings
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure audio files: tempo, key, loudness, timbre
    Analyze(cli::analyze::Args),
    /// Turn a music corpus into training shards
    Prepare(cli::prepare::Args),
}

fn main() -> ExitCode {
    let command = Cli::parse().command;
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let result = match command {
        Command::Analyze(args) => cli::analyze::run(args),
        Command::Prepare(args) => cli::prepare::run(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // A closed pipe, as in `melos-corpus analyze … | head`, is not an error.
        Err(error) if error.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == ErrorKind::BrokenPipe) => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("melos-corpus: {error:#}");
            ExitCode::FAILURE
        }
    }
}
