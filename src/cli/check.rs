//! `melos check`.

mod references;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use melos::files;
use melos::files::config::Config;
use melos::files::document::Problem;
use melos::files::library::{is_item, item_name};
use melos::files::preset::Preset;
use melos::files::scene::Scene;
use melos::files::setlist::Setlist;
use melos::generator::model::{Models, runtime};
use melos::midi::mapping::Mapping;
use melos::session::live::is_state;

use super::EX_CONFIG;
use super::data::DataArgs;
use super::output::{Output, report_failure};
use references::{KnownNames, MissingReferences};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Presets, scenes, setlists, mappings, models and melos.toml to check, or folders that contain them; a file's kind is
    /// recognised by its location or its keys
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    data: DataArgs,
    /// State folder in which scenes are stored [default: ~/.local/state/melos]
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    if let Some(obstacle) = args.state.as_deref().and_then(files::obstacle) {
        bail!("--state: {obstacle}");
    }
    let mut check = Check::new(KnownNames::find(args.data.search_path_if_any()?.as_ref(), args.state));
    for path in &args.paths {
        let resolved = path.canonicalize().with_context(|| path.display().to_string());
        match resolved {
            Ok(resolved) if resolved.is_dir() => {
                let before = check.files + check.repeated;
                check.check_folder(path, &resolved);
                if check.files + check.repeated == before {
                    check.problems.push(format!("{}: no TOML files to check", path.display()));
                }
            }
            Ok(resolved) => check.check_file(path, &resolved, kind_by_location(path, &resolved)),
            Err(error) => check.problems.push(format!("{error:#}")),
        }
    }
    let warnings = match check.warnings.len() {
        0 => String::new(),
        number => format!(", {} to scenes that do not exist", count(number, "reference")),
    };
    let summary =
        format!("{} checked, {}{warnings}", count(check.files, "file"), count(check.problems.len(), "problem"));
    report_failure(Output::lock().lines(check.problems.iter().chain(&check.warnings).chain([&summary])));
    Ok(if check.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EX_CONFIG) })
}

/// Formats a count with its noun, such as `2 files`.
fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Model,
    Mapping,
    Preset,
    Scene,
    Setlist,
    Config,
}

#[derive(Debug)]
struct Check {
    known: KnownNames,
    files: usize,
    /// Number of times a folder was found that had already been checked.
    repeated: usize,
    problems: Vec<String>,
    /// References to scenes that do not exist, which matters only once they are recalled.
    warnings: Vec<String>,
    /// Folders already visited, to avoid following circular links forever.
    visited: BTreeSet<PathBuf>,
}

impl Check {
    const fn new(known: KnownNames) -> Self {
        Self { known, files: 0, repeated: 0, problems: Vec::new(), warnings: Vec::new(), visited: BTreeSet::new() }
    }

    /// Checks everything in a folder. `given` is the path as written, `resolved` the path without links.
    fn check_folder(&mut self, given: &Path, resolved: &Path) {
        if !self.visited.insert(resolved.to_owned()) {
            self.repeated += 1;
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
        // A models folder may also contain other files, such as training code.
        let only_models = given.ends_with("models") || resolved.ends_with("models");
        for path in paths {
            let resolved = match path.canonicalize() {
                Ok(resolved) => resolved,
                Err(error) => {
                    self.problems.push(format!("{}: {error}", path.display()));
                    continue;
                }
            };
            let kind = kind_by_location(&path, &resolved);
            if resolved.is_dir() && is_item(&path) {
                self.files += 1;
                let hint = "expected a file, but this is a folder; only files have names that end in .toml";
                self.problems.push(Problem::of_file(&path, hint).to_string());
            } else if resolved.is_dir() {
                if !only_models || path.join("model.toml").is_file() {
                    self.check_folder(&path, &resolved);
                }
            } else if is_item(&path) && (!is_model || kind == Some(Kind::Model)) {
                match item_name(&path) {
                    Ok(_) => self.check_file(&path, &resolved, kind),
                    Err(problem) => {
                        self.files += 1;
                        self.problems.push(problem.to_string());
                    }
                }
            }
        }
    }

    fn check_file(&mut self, given: &Path, resolved: &Path, kind: Option<Kind>) {
        let text = files::text(given);
        // Users do not write the state, although they may keep it beside their files.
        if text.as_ref().is_ok_and(|text| is_state(text)) {
            return;
        }
        self.files += 1;
        let text = match text {
            Ok(text) => text,
            Err(error) => return self.problems.push(Problem::of_file(given, error).to_string()),
        };
        let problems = match kind.or_else(|| kind_by_keys(&text)) {
            Some(Kind::Model) => {
                let folder = resolved.parent().unwrap_or(Path::new("."));
                let models = runtime().and_then(|runtime| Models::load(runtime, folder));
                models.err().map(|error| error.to_string().lines().map(str::to_owned).collect())
            }
            Some(Kind::Mapping) => Some(self.check_references(given, &text, Mapping::parse(given, &text).err())),
            Some(Kind::Preset) => Preset::parse(given, &text).err().map(texts),
            Some(Kind::Scene) => Scene::parse(given, &text).err().map(texts),
            Some(Kind::Setlist) => Some(self.check_references(given, &text, Setlist::parse(given, &text).err())),
            Some(Kind::Config) => Some(match Config::parse(given, &text) {
                Ok(config) => {
                    let zone_problem = config.schedule.and_then(|schedule| schedule.zone_problem());
                    let zone_problem = zone_problem.map(|hint| Problem::of_file(given, hint).to_string());
                    zone_problem.into_iter().chain(self.check_references(given, &text, None)).collect()
                }
                Err(problems) => texts(problems),
            }),
            None => {
                let hint = "cannot tell what this file is from its location or its keys: presets have schema and name; mappings also have \
                            [device] or [[bind]], and setlists [[entry]]; a configuration has [audio], [osc], [http] or [midi]";
                Some(vec![Problem::of_file(given, hint).to_string()])
            }
        };
        self.problems.extend(problems.into_iter().flatten());
    }

    /// Returns the problems of a file or, if it has none, its references to missing files, and adds its references to
    /// missing scenes to the warnings.
    fn check_references(&mut self, file: &Path, text: &str, problems: Option<Vec<Problem>>) -> Vec<String> {
        let MissingReferences { files, scenes } = match problems {
            Some(problems) => return texts(problems),
            None => self.known.missing(file, text),
        };
        self.warnings.extend(texts(scenes));
        texts(files)
    }
}

fn texts(problems: Vec<Problem>) -> Vec<String> {
    problems.iter().map(Problem::to_string).collect()
}

/// Determines the kind of a file from its location; that of a link takes precedence over that of its target, `resolved`.
fn kind_by_location(given: &Path, resolved: &Path) -> Option<Kind> {
    let absolute = std::path::absolute(given).ok();
    absolute.as_deref().and_then(kind_by_path).or_else(|| kind_by_path(resolved))
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
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
        "scenes" => Some(Kind::Scene),
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
    } else if has(&["bind", "device", "lead", "play", "programs"]) {
        Some(Kind::Mapping)
    } else if has(&["entry"]) {
        Some(Kind::Setlist)
    } else if has(&["schema", "journey"]) {
        Some(Kind::Preset)
    } else if has(&[
        "audio",
        "osc",
        "http",
        "midi",
        "link",
        "recordings",
        "control_log",
        "log",
        "schedule",
        "model",
        "preset",
    ]) {
        Some(Kind::Config)
    } else {
        None
    }
}
