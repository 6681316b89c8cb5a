//! The command line: one file per subcommand.

use std::io::{ErrorKind, IsTerminal};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use melos::files::config::ConfigError;

mod check;
mod contract;
mod corpus;
mod data;
mod devices;
mod learn;
mod man;
mod plan_file;
mod record;
mod render;
mod run;
mod settings;
mod status;

/// `EX_CONFIG` of sysexits.h: something is wrong in the files, and trying again will not help.
const WRONG: u8 = 78;

/// Plays emotion-steered piano music without end, live, steered by MIDI and OSC.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Plays, live, until it is told to stop
    Run(Box<run::Args>),
    /// Renders to a file, as fast as the machine can
    Render(Box<render::Args>),
    /// Lists audio and MIDI devices, and which can be opened
    Devices(devices::Args),
    /// Checks presets, mappings, models and melos.toml, and lists every problem
    Check(check::Args),
    /// Waits for a MIDI control to be moved, and prints the mapping block for it
    Learn(learn::Args),
    /// Asks the running daemon how it is
    Status(status::Args),
    /// Begins or ends a recording of the running daemon
    Record(record::Args),
    /// Measures audio files: tempo, key, loudness, timbre (runs melos-corpus)
    #[command(disable_help_flag = true)]
    Analyze(corpus::Args),
    /// Turns a corpus of music into shards for training (runs melos-corpus)
    #[command(disable_help_flag = true)]
    Prepare(corpus::Args),
    /// Prints the numbers that playing and training share
    Contract(contract::Args),
    /// Prints the completions for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Writes the manual pages into a folder
    #[command(hide = true)]
    Man(man::Args),
}

/// Runs the command line; errors go to standard error, with their causes.
pub(crate) fn main() -> ExitCode {
    let command = Cli::parse().command;
    log_to_stderr();
    let outcome = match command {
        Command::Run(args) => run::run(*args).map(|()| ExitCode::SUCCESS),
        Command::Render(args) => render::run(*args).map(|()| ExitCode::SUCCESS),
        Command::Devices(args) => devices::run(args).map(|()| ExitCode::SUCCESS),
        Command::Check(args) => check::run(args),
        Command::Learn(args) => learn::run(args).map(|()| ExitCode::SUCCESS),
        Command::Status(args) => status::run(args).map(|()| ExitCode::SUCCESS),
        Command::Record(args) => record::run(args).map(|()| ExitCode::SUCCESS),
        Command::Analyze(args) => corpus::run("analyze", args).map(|()| ExitCode::SUCCESS),
        Command::Prepare(args) => corpus::run("prepare", args).map(|()| ExitCode::SUCCESS),
        Command::Contract(args) => contract::run(args).map(|()| ExitCode::SUCCESS),
        Command::Man(args) => man::run(args).map(|()| ExitCode::SUCCESS),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "melos", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
    };
    outcome.unwrap_or_else(|error| {
        // A reader that has seen enough, as in `melos status | head`, is no failure.
        if error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe) {
            return ExitCode::SUCCESS;
        }
        eprintln!("melos: {}", message(&error));
        if error.is::<ConfigError>() { ExitCode::from(WRONG) } else { ExitCode::FAILURE }
    })
}

/// An error and its causes, but for those that it already tells.
fn message(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |told, cause| match told {
        told if told.is_empty() => cause,
        told if told.contains(&cause) => told,
        told => format!("{told}: {cause}"),
    })
}

/// One line per event; `MELOS_LOG` chooses how much, as in `MELOS_LOG=melos=debug`, `MELOS_LOG_JSON=1` the form.
fn log_to_stderr() {
    // The PulseAudio client calls the end of every connection an error, its own too; a lost device is told by our own line.
    let filter = tracing_subscriber::EnvFilter::try_from_env("MELOS_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,pulseaudio=off,melos=info"));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal());
    if std::env::var_os("MELOS_LOG_JSON").is_some() { lines.json().init() } else { lines.init() }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn causes_are_told_once() {
        assert_eq!(
            message(&anyhow!("no sound").context("melos.toml: no sound").context("start")),
            "start: melos.toml: no sound"
        );
    }
}
