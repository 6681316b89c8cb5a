//! `melos check`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use melos::files::config::Config;
use melos::files::preset::Preset;
use melos::generator::model::{Models, runtime};
use melos::midi::mapping::Mapping;

use super::WRONG;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files, melos.toml among them, or folders of presets, mappings or models
    #[arg(required = true)]
    paths: Vec<PathBuf>,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut problems = Vec::new();
    let mut files = 0;
    for path in &args.paths {
        check(path, &mut files, &mut problems);
    }
    let mut out = std::io::stdout().lock();
    for problem in &problems {
        writeln!(out, "{problem}")?;
    }
    writeln!(out, "{files} files checked, {} problems", problems.len())?;
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(WRONG) })
}

/// Checks a file, or everything in a folder; what a file is follows from the folder it lies in.
fn check(path: &Path, files: &mut usize, problems: &mut Vec<String>) {
    if path.is_dir() {
        match std::fs::read_dir(path) {
            Ok(entries) => {
                let mut inside: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
                inside.sort();
                // Among models, other TOML files are none of ours.
                let ours = |path: &Path| match kind(path) {
                    Kind::Unknown => path.is_dir(),
                    _ => true,
                };
                inside.iter().filter(|path| ours(path)).for_each(|path| check(path, files, problems));
            }
            Err(error) => problems.push(format!("{}: {error}", path.display())),
        }
        return;
    }
    *files += 1;
    let found: Vec<String> = match kind(path) {
        Kind::Model => {
            let models = runtime().and_then(|runtime| Models::load(runtime, path.parent().unwrap_or(Path::new("."))));
            models.err().iter().map(ToString::to_string).collect()
        }
        Kind::Mapping => Mapping::read(path).err().iter().flatten().map(ToString::to_string).collect(),
        Kind::Preset => Preset::read(path).err().iter().flatten().map(ToString::to_string).collect(),
        Kind::Config => Config::read(path).err().iter().map(ToString::to_string).collect(),
        Kind::Unknown => {
            vec![format!(
                "{}: is it a preset or a mapping? It should lie in a folder of that name; a configuration is named melos.toml",
                path.display()
            )]
        }
    };
    problems.extend(found);
}

/// What a file is, by its place.
enum Kind {
    Model,
    Mapping,
    Preset,
    Config,
    Unknown,
}

fn kind(path: &Path) -> Kind {
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let toml = path.extension().is_some_and(|extension| extension == "toml");
    match &*folder {
        _ if path.file_name().is_some_and(|name| name == "model.toml") => Kind::Model,
        _ if path.file_name().is_some_and(|name| name == "melos.toml") => Kind::Config,
        "mappings" if toml => Kind::Mapping,
        "presets" if toml => Kind::Preset,
        _ => Kind::Unknown,
    }
}
