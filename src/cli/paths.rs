//! `melos paths`.

use melos::files::{SearchPath, state_folder};
use melos::session::live::stored_scenes;

use super::data::DataArgs;
use super::output::{Output, OutputError};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    data: DataArgs,
}

/// Prints the search path, the state folder with its scenes, and the files found in the search path.
pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let search_path = args.data.search_path()?;
    let mut out = Output::lock();
    out.line("search path, first match wins:")?;
    for root in search_path.roots() {
        out.line(format_args!("  {}{}", root.display(), if root.is_dir() { "" } else { " (missing)" }))?;
    }
    match state_folder() {
        Some(folder) => {
            out.line("state, scenes and recordings (change with `melos run --state`):")?;
            out.line(format_args!("  {}", folder.display()))?;
            out.line("scenes stored while playing:")?;
            out.lines(stored_scenes(&folder).iter().map(|name| format!("  {name}")))?;
        }
        None => out.line("state, scenes and recordings: no home folder; choose a folder with `melos run --state`")?,
    }
    print_configuration(&search_path, &mut out)?;
    for kind in ["presets", "scenes", "setlists", "mappings", "models"] {
        out.line(format_args!("{kind}:"))?;
        for (name, file) in search_path.find(kind) {
            out.line(format_args!("  {name:<24} {}", file.path.display()))?;
            out.lines(file.hidden.iter().map(|hidden| format!("  {:<24}   hides {}", "", hidden.display())))?;
        }
    }
    Ok(())
}

fn print_configuration(search_path: &SearchPath, out: &mut Output) -> Result<(), OutputError> {
    let mut files = search_path.candidates("melos.toml").into_iter().filter(|file| file.exists());
    match files.next() {
        Some(file) => out.lines(["configuration:".to_owned(), format!("  {}", file.display())])?,
        None => out.line("configuration: no melos.toml; using defaults")?,
    }
    out.lines(files.map(|hidden| format!("    hides {}", hidden.display())))
}
