//! The command line: one file per subcommand.

use std::fmt::Display;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use melos::files::config::ConfigError;

mod check;
mod client;
mod contract;
mod corpus;
mod data;
mod devices;
mod doctor;
mod endpoint;
mod learn;
mod list;
mod log;
mod man;
mod paths;
mod plan_file;
mod progress;
mod record;
mod render;
mod run;
mod set;
mod setlist;
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
    /// Shows where presets, mappings, models and melos.toml are looked for, and what was found where
    Paths(paths::Args),
    /// Checks presets, mappings, models and melos.toml, and lists every problem
    Check(check::Args),
    /// Waits for a MIDI control to be moved, and prints the mapping block for it
    Learn(learn::Args),
    /// Sets a parameter of the running Melos, as in melos set emotion sad
    Set(set::SetArgs),
    /// Tells what a parameter of the running Melos is, or what all are
    Get(set::GetArgs),
    /// Loads a preset in the running Melos
    Preset(set::PresetArgs),
    /// Goes through a setlist in the running Melos, or shows where it is
    Setlist(setlist::Args),
    /// Lists the presets of the running Melos
    Presets(list::Args),
    /// Lists the scenes of the running Melos
    Scenes(list::Args),
    /// Lists the recordings of the running Melos
    Takes(list::Args),
    /// Prints what the running Melos logged last
    Log(list::Args),
    /// Finds out what this machine lacks for playing, and says what to do
    Doctor(doctor::Args),
    /// Asks the running Melos how it is
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
    let log = match log::Log::start() {
        Ok(log) => log,
        Err(error) => {
            tell(format_args!("melos: there can be no log: {error}"));
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
        Command::Presets(args) => list::run(list::List::Presets, args).map(|()| ExitCode::SUCCESS),
        Command::Scenes(args) => list::run(list::List::Scenes, args).map(|()| ExitCode::SUCCESS),
        Command::Takes(args) => list::run(list::List::Takes, args).map(|()| ExitCode::SUCCESS),
        Command::Log(args) => list::run(list::List::Log, args).map(|()| ExitCode::SUCCESS),
        Command::Doctor(args) => doctor::run(args),
        Command::Status(args) => status::run(args),
        Command::Record(args) => record::run(args).map(|()| ExitCode::SUCCESS),
        Command::Analyze(args) => corpus::run("analyze", args).map(|()| ExitCode::SUCCESS),
        Command::Prepare(args) => corpus::run("prepare", args).map(|()| ExitCode::SUCCESS),
        Command::Contract(args) => contract::run(args).map(|()| ExitCode::SUCCESS),
        Command::Man(args) => man::run(args).map(|()| ExitCode::SUCCESS),
        Command::Completions { shell } => print_completions(shell).map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|error| {
        // A reader that has seen enough, as in `melos status | head`, is no failure.
        if error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe) {
            return ExitCode::SUCCESS;
        }
        log.say(&format!("melos: {}", message(&error)));
        if error.is::<ConfigError>() { ExitCode::from(WRONG) } else { ExitCode::FAILURE }
    })
}

/// The generator of completions panics when it cannot write, so it writes into memory.
fn print_completions(shell: clap_complete::Shell) -> anyhow::Result<()> {
    let mut completions = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "melos", &mut completions);
    std::io::stdout().write_all(&completions)?;
    Ok(())
}

/// Writes a line for whoever called the command; that nobody reads it is no failure.
fn tell(text: impl Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// An error and its causes, but for those that it already tells.
fn message(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |told, cause| match told {
        told if told.is_empty() => cause,
        told if told.contains(&cause) => told,
        told => format!("{told}: {cause}"),
    })
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
