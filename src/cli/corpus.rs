//! `melos prepare` and `melos analyze`: commands of `melos-corpus`, the program beside this one.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::anyhow;

/// Arguments handed on as they are.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Options and files; `melos-corpus help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

/// Becomes `melos-corpus`, from the folder of this program or else from the search path.
///
/// # Errors
/// When there is no such program.
pub(crate) fn run(command: &str, args: Args) -> anyhow::Result<()> {
    let beside = std::env::current_exe()?.with_file_name("melos-corpus");
    let program = if beside.is_file() { beside } else { "melos-corpus".into() };
    let error = Command::new(&program).arg(command).args(args.rest).exec();
    Err(anyhow!(
        "cannot run {}: {error}; `melos {command}` needs it: build it with `cargo build --release -p melos-corpus`",
        program.display()
    ))
}
