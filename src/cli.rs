//! The command line: one file per subcommand.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod analyze;
mod data;
mod prepare;
mod render;
mod settings;

/// Plays emotion-steered piano music without end.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Renders to a file, as fast as the machine can
    Render(render::Args),
    /// Turns a corpus of music into shards for training
    Prepare(prepare::Args),
    /// Measures audio files: tempo, key, loudness, timbre
    Analyze(analyze::Args),
}

/// Runs the command line; errors go to standard error, with their causes.
pub(crate) fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Render(args) => render::run(args),
        Command::Prepare(args) => prepare::run(args),
        Command::Analyze(args) => analyze::run(args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("melos: {error:#}");
            ExitCode::FAILURE
        }
    }
}
