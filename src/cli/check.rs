//! `melos check`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use melos::mapping::Mapping;
use melos::model::{Models, runtime};
use melos::preset::Preset;

/// `EX_CONFIG` of sysexits.h: something is wrong in the files.
const WRONG: u8 = 78;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files, or folders of presets, mappings or models
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
                let inside = inside.into_iter().filter(|path| path.is_dir() || extension(path) == "toml");
                inside.for_each(|path| check(&path, files, problems));
            }
            Err(error) => problems.push(format!("{}: {error}", path.display())),
        }
        return;
    }
    *files += 1;
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let found: Vec<String> = if path.file_name().is_some_and(|name| name == "model.toml") {
        let models = runtime().and_then(|runtime| Models::load(runtime, path.parent().unwrap_or(Path::new("."))));
        models.err().iter().map(ToString::to_string).collect()
    } else if folder == "mappings" {
        Mapping::read(path).err().iter().flatten().map(ToString::to_string).collect()
    } else if folder == "presets" {
        Preset::read(path).err().iter().flatten().map(ToString::to_string).collect()
    } else {
        vec![format!("{}: is it a preset or a mapping? It should lie in a folder of that name", path.display())]
    };
    problems.extend(found);
}

fn extension(path: &Path) -> &str {
    path.extension().and_then(|extension| extension.to_str()).unwrap_or_default()
}
