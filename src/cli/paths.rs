//! `melos paths`.

use std::io::Write;

use melos::files::{SearchPath, state_folder};
use melos::session::live::stored_scenes;

use super::data::DataArgs;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    data: DataArgs,
}

/// Prints the search path, the state folder with its scenes, and the files found in the search path.
pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let search_path = args.data.search_path()?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "search path, first match wins:")?;
    for root in search_path.roots() {
        writeln!(out, "  {}{}", root.display(), if root.is_dir() { "" } else { " (missing)" })?;
    }
    match state_folder() {
        Some(folder) => {
            writeln!(out, "state, scenes and recordings (change with `melos run --state`):\n  {}", folder.display())?;
            writeln!(out, "scenes stored while playing:")?;
            stored_scenes(&folder).iter().try_for_each(|name| writeln!(out, "  {name}"))?;
        }
        None => {
            writeln!(out, "state, scenes and recordings: no home folder; choose a folder with `melos run --state`")?
        }
    }
    print_configuration(&search_path, &mut out)?;
    for kind in ["presets", "scenes", "setlists", "mappings", "models"] {
        writeln!(out, "{kind}:")?;
        for (name, file) in search_path.find(kind) {
            writeln!(out, "  {name:<24} {}", file.path.display())?;
            for hidden in file.hidden {
                writeln!(out, "  {:<24}   hides {}", "", hidden.display())?;
            }
        }
    }
    Ok(())
}

fn print_configuration(search_path: &SearchPath, out: &mut impl Write) -> std::io::Result<()> {
    let mut files = search_path.candidates("melos.toml").into_iter().filter(|file| file.exists());
    match files.next() {
        Some(file) => writeln!(out, "configuration:\n  {}", file.display())?,
        None => writeln!(out, "configuration: no melos.toml; using defaults")?,
    }
    files.try_for_each(|hidden| writeln!(out, "    hides {}", hidden.display()))
}
