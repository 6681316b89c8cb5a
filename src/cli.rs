//! The command line: parses the arguments and runs the subcommand.

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use melos::files::config::ConfigError;
use melos::generator::model::ModelError;
use melos::quote::visible;
use output::OutputError;

mod check;
mod change;
mod client;
mod complete;
mod contract;
mod corpus;
mod data;
mod destination;
mod devices;
mod doctor;
mod endpoint;
mod events;
mod learn;
mod list;
mod log;
mod man;
mod memory;
mod output;
mod paths;
mod plan_file;
mod progress;
mod record;
mod render;
mod run;
mod scenes;
mod set;
mod setlist;
mod settings;
mod status;

/// Exit status for an unusable configuration or invalid files (`EX_CONFIG` in sysexits.h), after which the systemd
/// units do not restart the daemon.
const EX_CONFIG: u8 = 78;

/// Play endless emotion-steered piano music live, controlled by MIDI and OSC
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Play live until stopped
    Run(Box<run::Args>),
    /// Render to a file, as fast as the machine allows
    Render(Box<render::Args>),
    /// List audio and MIDI devices, and show whether they can be opened
    Devices(devices::Args),
    /// Show where Melos looks for presets, setlists, mappings, models and melos.toml, and what it finds there
    Paths(paths::Args),
    /// Check presets, setlists, mappings, models and melos.toml, and list all problems
    Check(check::Args),
    /// Wait until a MIDI control is moved, and print the mapping block for it
    Learn(learn::Args),
    /// Set a parameter of the running daemon, for example melos set emotion sad
    Set(set::SetArgs),
    /// Print parameters of the running daemon
    Get(set::GetArgs),
    /// Load a preset in the running daemon
    Preset(set::PresetArgs),
    /// Select or step through a setlist of the running daemon, or list the setlists
    Setlist(setlist::Args),
    /// List the presets of the running daemon
    Presets(list::Args),
    /// List, rename or delete the scenes of the running daemon
    Scenes(scenes::Args),
    /// List the takes of the running daemon
    Takes(list::Args),
    /// Print the latest log lines, or everything since a given time
    Log(events::Args),
    /// Check whether this machine can play, and explain how to fix problems
    Doctor(doctor::Args),
    /// Show the status of the running daemon
    Status(status::Args),
    /// Start or stop a recording in the running daemon
    Record(record::Args),
    /// Measure audio files: tempo, key, loudness, timbre (runs melos-corpus)
    #[command(disable_help_flag = true)]
    Analyze(corpus::Args),
    /// Turn a music corpus into training shards (runs melos-corpus)
    #[command(disable_help_flag = true)]
    Prepare(corpus::Args),
    /// Print the constants shared by playback and training
    Contract(contract::Args),
    /// Print shell completions
    Completions {
        /// Shell to generate completions for
        shell: clap_complete::Shell,
    },
    /// Write the manual pages to a folder
    #[command(hide = true)]
    Man(man::Args),
}

/// Parses the command line and runs the command; errors and their causes go to standard error.
pub(crate) fn main() -> ExitCode {
    memory::return_large_blocks();
    complete::complete_and_exit();
    let command = Cli::parse().command;
    let log = match log::Log::start() {
        Ok(log) => log,
        Err(error) => {
            to_stderr(format_args!("melos: cannot start the log: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let outcome = match command {
        Command::Run(args) => run::run(*args).map(|()| ExitCode::SUCCESS),
        Command::Render(args) => render::run(*args).map(|()| ExitCode::SUCCESS),
        Command::Devices(args) => devices::run(args).map(|()| ExitCode::SUCCESS),
        Command::Paths(args) => paths::run(args).map(|()| ExitCode::SUCCESS),
        Command::Check(args) => check::run(args),
        Command::Learn(args) => learn::run(args).map(|()| ExitCode::SUCCESS),
        Command::Set(args) => set::set(args).map(|()| ExitCode::SUCCESS),
        Command::Get(args) => set::get(args).map(|()| ExitCode::SUCCESS),
        Command::Preset(args) => set::preset(args).map(|()| ExitCode::SUCCESS),
        Command::Setlist(args) => setlist::run(args).map(|()| ExitCode::SUCCESS),
        Command::Presets(args) => list::run(list::List::Presets, &args).map(|()| ExitCode::SUCCESS),
        Command::Scenes(args) => scenes::run(args).map(|()| ExitCode::SUCCESS),
        Command::Takes(args) => list::run(list::List::Takes, &args).map(|()| ExitCode::SUCCESS),
        Command::Log(args) => events::run(args).map(|()| ExitCode::SUCCESS),
        Command::Doctor(args) => doctor::run(args),
        Command::Status(args) => status::run(args),
        Command::Record(args) => record::run(args).map(|()| ExitCode::SUCCESS),
        Command::Analyze(args) => corpus::run("analyze", args).map(|()| ExitCode::SUCCESS),
        Command::Prepare(args) => corpus::run("prepare", args).map(|()| ExitCode::SUCCESS),
        Command::Contract(args) => contract::run(args).map(|()| ExitCode::SUCCESS),
        Command::Man(args) => man::run(args).map(|()| ExitCode::SUCCESS),
        Command::Completions { shell } => complete::script(shell).map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|error| {
        if error.downcast_ref().is_some_and(OutputError::is_closed) {
            return ExitCode::SUCCESS;
        }
        log.print_error(&format!("melos: {}", message(&error)));
        let has_no_model = matches!(error.downcast_ref(), Some(ModelError::NoModel { .. }));
        if error.is::<ConfigError>() || has_no_model { ExitCode::from(EX_CONFIG) } else { ExitCode::FAILURE }
    })
}

/// Returns the value of an environment variable; an empty one counts as unset.
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Writes a line to standard error, as [`output::Output::line`] does to standard output, ignoring failures.
fn to_stderr(text: impl Display) {
    let _ = writeln!(std::io::stderr(), "{}", visible(&text.to_string()));
}

/// Formats an error with its causes, omitting any cause that the message already contains.
fn message(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |text, cause| match text {
        text if text.is_empty() => cause,
        text if text.contains(&cause) => text,
        text => format!("{text}: {cause}"),
    })
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn each_cause_appears_once() {
        assert_eq!(
            message(&anyhow!("no sound").context("melos.toml: no sound").context("start")),
            "start: melos.toml: no sound"
        );
    }
}
