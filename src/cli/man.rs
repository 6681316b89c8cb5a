//! `melos man`: manual pages generated from the command-line definitions.

use std::path::PathBuf;

use anyhow::Context;
use clap::CommandFactory;

use super::Cli;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder for the pages; created if missing
    folder: PathBuf,
}

/// Writes one page for `melos` and one for each command.
pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    melos::files::create_folder(&args.folder).with_context(|| format!("cannot create {}", args.folder.display()))?;
    clap_mangen::generate_to(Cli::command(), &args.folder).with_context(|| args.folder.display().to_string())?;
    Ok(())
}
