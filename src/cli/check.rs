//! `melos check`.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use melos::files;
use melos::files::SearchPath;
use melos::files::config::{Config, find_data};
use melos::files::document::{Problem, suggestion};
use melos::files::preset::Preset;
use melos::files::setlist::{Cue, Setlist};
use melos::generator::model::{Models, runtime};
use melos::midi::mapping::Mapping;

use super::EX_CONFIG;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files or folders to check: presets, mappings, models, melos.toml; the kind of a file is recognized by its
    /// location or its keys
    #[arg(required = true)]
    paths: Vec<PathBuf>,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut check = Check::default();
    for path in &args.paths {
        let resolved = path.canonicalize().with_context(|| path.display().to_string());
        match resolved {
            Ok(resolved) if resolved.is_dir() => {
                let before = check.files;
                check.folder(path, &resolved);
                if check.files == before {
                    check.problems.push(format!("{}: no TOML files to check", path.display()));
                }
            }
            Ok(resolved) => check.file(path, &resolved, kind_by_path(&resolved)),
            Err(error) => check.problems.push(format!("{error:#}")),
        }
    }
    let mut out = std::io::stdout().lock();
    for problem in &check.problems {
        writeln!(out, "{problem}")?;
    }
    writeln!(out, "{} files checked, {} problems", check.files, check.problems.len())?;
    Ok(if check.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EX_CONFIG) })
}

/// The kind of file to check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Model,
    Mapping,
    Preset,
    Setlist,
    Config,
}

#[derive(Debug, Default)]
struct Check {
    files: usize,
    problems: Vec<String>,
    /// Folders already visited, so that circular links are not followed forever.
    visited: BTreeSet<PathBuf>,
}

impl Check {
    /// Checks everything in a folder. `given` is the path as written, `resolved` the path without links.
    fn folder(&mut self, given: &Path, resolved: &Path) {
        if !self.visited.insert(resolved.to_owned()) {
            return;
        }
        let entries = match fs::read_dir(given) {
            Ok(entries) => entries.flatten().map(|entry| entry.path()),
            Err(error) => return self.problems.push(format!("{}: {error}", given.display())),
        };
        let mut paths: Vec<_> = entries.filter(|path| !is_hidden(path)).collect();
        paths.sort();
        // TOML files beside a model.toml belong to the model.
        let is_model = paths.iter().any(|path| path.ends_with("model.toml"));
        // A models folder may also hold other things, such as training code.
        let only_models = given.ends_with("models") || resolved.ends_with("models");
        for path in paths {
            let resolved = match path.canonicalize() {
                Ok(resolved) => resolved,
                Err(error) => {
                    self.problems.push(format!("{}: {error}", path.display()));
                    continue;
                }
            };
            // A link's own location takes precedence over that of its target.
            let kind = kind_by_path(&absolute(given, &path)).or_else(|| kind_by_path(&resolved));
            if resolved.is_dir() {
                if !only_models || path.join("model.toml").is_file() {
                    self.folder(&path, &resolved);
                }
            } else if path.extension().is_some_and(|extension| extension == "toml")
                && (!is_model || kind == Some(Kind::Model))
            {
                self.file(&path, &resolved, kind);
            }
        }
    }

    fn file(&mut self, given: &Path, resolved: &Path, kind: Option<Kind>) {
        self.files += 1;
        let to_texts = |problems: Vec<Problem>| problems.iter().map(Problem::to_string).collect::<Vec<_>>();
        let text = match files::text(given) {
            Ok(text) => text,
            Err(error) => return self.problems.push(Problem::of_file(given, error).to_string()),
        };
        let problems = match kind.or_else(|| kind_by_keys(&text)) {
            Some(Kind::Model) => {
                let folder = resolved.parent().unwrap_or(Path::new("."));
                let models = runtime().and_then(|runtime| Models::load(runtime, folder));
                models.err().map(|error| error.to_string().lines().map(str::to_owned).collect())
            }
            Some(Kind::Mapping) => match Mapping::parse(given, &text) {
                Ok(mapping) => missing_parent(given, &text, &mapping).map(|problem| vec![problem.to_string()]),
                Err(problems) => Some(to_texts(problems)),
            },
            Some(Kind::Preset) => Preset::parse(given, &text).err().map(to_texts),
            Some(Kind::Setlist) => match Setlist::parse(given, &text) {
                Ok(setlist) => Some(unknown_presets(given, &text, "entry.preset", &presets_of_setlist(&setlist))),
                Err(problems) => Some(to_texts(problems)),
            },
            Some(Kind::Config) => match Config::parse(given, &text) {
                Ok(config) => Some(unknown_presets(given, &text, "preset", &presets_of_config(&text, &config))),
                Err(problems) => Some(to_texts(problems)),
            },
            None => {
                let hint = "cannot tell what this file is from its location or its keys: a preset has schema and name, a mapping [device] \
                            or [[bind]] too, a setlist [[entry]], a configuration [audio], [osc], [http] or [midi]";
                Some(vec![Problem::of_file(given, hint).to_string()])
            }
        };
        self.problems.extend(problems.into_iter().flatten());
    }
}

/// Returns the absolute path of a folder's entry, without resolving links.
fn absolute(folder: &Path, path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default();
    std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned()).join(name)
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

/// Returns a problem if `inherit` names a mapping that exists neither beside the file nor in the search path.
fn missing_parent(file: &Path, text: &str, mapping: &Mapping) -> Option<Problem> {
    let name = mapping.inherit.as_deref()?;
    let search_path = find_data(None).ok().map(|data| SearchPath::new(&data));
    let mut known: Vec<String> =
        search_path.into_iter().flat_map(|search_path| search_path.find("mappings")).map(|(name, _)| name).collect();
    if known.iter().any(|other| other == name) || file.with_file_name(format!("{name}.toml")).is_file() {
        return None;
    }
    known.retain(|other| *other != mapping.file);
    let line = text.lines().position(|line| line.trim_start().starts_with("inherit")).map_or(0, |index| index + 1);
    let hint = format!("there is no such mapping; choose one of {}", known.join(", "));
    Some(Problem { line, key: "inherit".to_owned(), value: format!("{name:?}"), ..Problem::of_file(file, hint) })
}

/// Returns the presets that a setlist names, in the order of its lines.
fn presets_of_setlist(setlist: &Setlist) -> Vec<&str> {
    let entries = setlist.entries.iter();
    entries.filter_map(|entry| if let Cue::Preset(name) = &entry.cue { Some(name.as_str()) } else { None }).collect()
}

/// Returns the presets that a configuration names, in the order of its lines.
fn presets_of_config<'a>(text: &str, config: &'a Config) -> Vec<&'a str> {
    let (root, _) = toml::de::DeTable::parse_recoverable(text);
    let first = root.get_ref().get("preset").map(|_| config.preset.as_str());
    let hours = config.schedule.iter().flat_map(|schedule| &schedule.hours);
    first.into_iter().chain(hours.filter_map(|hours| hours.preset.as_deref())).collect()
}

/// Returns a problem for each preset that a file names but that exists neither beside its folder nor in the search path.
fn unknown_presets(file: &Path, text: &str, key: &str, names: &[&str]) -> Vec<String> {
    let search_path = find_data(None).ok().map(|data| SearchPath::new(&data));
    let found = search_path.into_iter().flat_map(|search_path| search_path.find("presets"));
    let known: Vec<String> = found.map(|(name, _)| name).collect();
    let folders = || file.ancestors().skip(1).take(2).map(|folder| folder.join("presets"));
    let exists = |name: &str| {
        let is_local = folders().any(|folder| folder.join(format!("{name}.toml")).is_file());
        is_local || known.iter().any(|other| other == name)
    };
    let mut lines = text.lines().enumerate().filter(|(_, line)| line.trim_start().starts_with("preset"));
    let presets = names.iter().map(|name| (*name, lines.next().map_or(0, |(index, _)| index + 1)));
    let unknown = presets.filter(|(name, _)| !exists(name)).map(|(name, line)| {
        let hint = format!("there is no preset with this name{}", suggestion(name, known.iter().map(String::as_str)));
        let problem = Problem::of_file(file, hint);
        Problem { line, key: key.to_owned(), value: format!("{name:?}"), ..problem }.to_string()
    });
    unknown.collect()
}

/// Determines the kind of a file from its name or its folder.
fn kind_by_path(path: &Path) -> Option<Kind> {
    let name = path.file_name()?;
    if name == "model.toml" {
        return Some(Kind::Model);
    }
    if name == "melos.toml" {
        return Some(Kind::Config);
    }
    match path.parent()?.file_name()?.to_str()? {
        "mappings" => Some(Kind::Mapping),
        "presets" => Some(Kind::Preset),
        "setlists" => Some(Kind::Setlist),
        _ => None,
    }
}

/// Determines the kind of a file from those of its keys that can be parsed.
fn kind_by_keys(text: &str) -> Option<Kind> {
    let (root, _) = toml::de::DeTable::parse_recoverable(text);
    let has = |keys: &[&str]| keys.iter().any(|key| root.get_ref().get(*key).is_some());
    if has(&["file", "latent", "training_data"]) {
        Some(Kind::Model)
    } else if has(&["bind", "device", "lead", "programs"]) {
        Some(Kind::Mapping)
    } else if has(&["entry"]) {
        Some(Kind::Setlist)
    } else if has(&["schema", "journey"]) {
        Some(Kind::Preset)
    } else if has(&["audio", "osc", "http", "midi", "link", "recordings", "control_log", "schedule", "model", "preset"])
    {
        Some(Kind::Config)
    } else {
        None
    }
}
