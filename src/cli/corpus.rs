//! `melos prepare` and `melos analyze`: commands of `melos-corpus`, a separate program that must be built from source.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::anyhow;

/// Arguments that are passed on unchanged.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Options and files; see `melos-corpus help`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

/// Replaces this process with `melos-corpus`, found beside this program or else in `PATH`.
///
/// # Errors
/// If the program cannot be found or run.
pub(crate) fn run(command: &str, args: Args) -> anyhow::Result<()> {
    let sibling = std::env::current_exe()?.with_file_name("melos-corpus");
    let program = if sibling.is_file() { sibling } else { "melos-corpus".into() };
    let error = Command::new(program).arg(command).args(args.rest).exec();
    Err(anyhow!(
        "cannot run melos-corpus, which provides `melos {command}`: it is neither beside this program nor on the PATH ({error}). \
         It is for training models and measuring recordings, and is not packaged: run `make build-corpus` in the source tree of Melos, then put \
         target/release/melos-corpus in a folder on the PATH"
    ))
}
