//! `melos man`: the manual pages, made of what the command line says of itself.

use std::path::PathBuf;

use anyhow::Context;
use clap::CommandFactory;

use super::Cli;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder that the pages go to; it is made if there is none
    folder: PathBuf,
}

/// Writes one page for `melos` and one for each of its commands.
pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    std::fs::create_dir_all(&args.folder).with_context(|| args.folder.display().to_string())?;
    clap_mangen::generate_to(Cli::command(), &args.folder).with_context(|| args.folder.display().to_string())?;
    Ok(())
}
