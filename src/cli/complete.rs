//! Shell completions for commands, options and values. The names of presets, setlists and scenes come from the running
//! daemon; without one, those of presets and setlists come from disk.

use std::ffi::OsStr;
use std::time::Duration;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::env::{Bash, Elvish, EnvCompleter, Fish, Powershell, Zsh};
use clap_complete::{ArgValueCompleter, CompleteEnv, CompletionCandidate, Shell};
use melos::event::parameter::{Kind, Param, TABLE};
use melos::files::SearchPath;
use melos::files::config::find_data;
use melos::quote::{is_disruptive, visible};
use serde_json::Value as Json;

use super::Cli;
use super::client::get_from_default;
use super::output::Output;

/// The environment variable through which a shell requests completions.
const COMPLETION_VARIABLE: &str = "COMPLETE";
/// Time limit for the daemon to respond; short, so that completion never hangs the shell.
const RESPONSE_TIMEOUT: Duration = Duration::from_millis(300);

/// Prints completions and exits if a shell requests them.
pub(super) fn complete_and_exit() {
    CompleteEnv::with_factory(Cli::command).var(COMPLETION_VARIABLE).complete();
}

/// Writes a shell's completion script.
///
/// # Errors
/// If the shell is not supported, or if the script cannot be written.
pub(super) fn script(shell: Shell) -> anyhow::Result<()> {
    let completer: &dyn EnvCompleter = match shell {
        Shell::Bash => &Bash,
        Shell::Elvish => &Elvish,
        Shell::Fish => &Fish,
        Shell::PowerShell => &Powershell,
        Shell::Zsh => &Zsh,
        _ => anyhow::bail!("there are no completions for {shell}"),
    };
    let mut text = Vec::new();
    completer
        .write_registration(COMPLETION_VARIABLE, "melos", "melos", "melos", &mut text)
        .context("cannot generate the completions")?;
    Ok(Output::lock().file(&text)?)
}

/// Completes the id of a parameter.
pub(super) fn parameters() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        candidates(current, TABLE.iter().map(|spec| (spec.id.to_owned(), spec.description.to_owned())))
    })
}

/// Completes the value of the parameter that precedes it on the command line.
pub(super) fn values() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let words: Vec<String> = std::env::args().collect();
        let param = words.iter().rev().find_map(|word| Param::from_id(word));
        candidates(current, param.map(values_of).unwrap_or_default())
    })
}

/// Completes the name of a preset, `next` or `previous`.
pub(super) fn presets() -> ArgValueCompleter {
    values_or_steps(Param::Preset, "The next preset", "The previous preset")
}

/// Completes the name of a preset on disk.
pub(super) fn preset_files() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| candidates(current, from_disk("presets")))
}

/// Completes the name of a model.
pub(super) fn models() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| candidates(current, from_disk("models")))
}

/// Completes a value of a given parameter.
pub(super) fn values_for(param: Param) -> ArgValueCompleter {
    ArgValueCompleter::new(move |current: &OsStr| candidates(current, values_of(param)))
}

/// Completes `PARAMETER=VALUE`: first the parameter, then the value.
pub(super) fn assignments() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let text = current.to_string_lossy();
        let Some((id, _)) = text.split_once('=') else {
            let has_option = |param| matches!(param, Param::Preset | Param::Seed);
            let settable = TABLE.iter().filter(|spec| spec.kind != Kind::Trigger && !has_option(spec.param));
            return candidates(current, settable.map(|spec| (format!("{}=", spec.id), spec.description.to_owned())));
        };
        let values = Param::from_id(id).map(values_of).unwrap_or_default();
        candidates(current, values.into_iter().map(|(value, help)| (format!("{id}={value}"), help)))
    })
}

/// Completes the name of a scene.
pub(super) fn scenes() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| candidates(current, values_of(Param::Scene)))
}

/// Completes the name of a setlist, `next` or `previous`.
pub(super) fn setlists() -> ArgValueCompleter {
    values_or_steps(Param::Setlist, "The next entry", "The previous entry")
}

/// Completes a value of a parameter, `next` or `previous`.
fn values_or_steps(param: Param, next: &'static str, previous: &'static str) -> ArgValueCompleter {
    ArgValueCompleter::new(move |current: &OsStr| {
        let steps = [("next", next), ("previous", previous)].map(|(name, help)| (name.to_owned(), help.to_owned()));
        candidates(current, values_of(param).into_iter().chain(steps))
    })
}

fn candidates(prefix: &OsStr, known: impl IntoIterator<Item = (String, String)>) -> Vec<CompletionCandidate> {
    let prefix = prefix.to_string_lossy();
    // Nobody can type a name with control characters, and a shell would show them to the terminal.
    let known = known.into_iter().filter(|(name, _)| !name.contains(is_disruptive));
    let matching = known.filter(|(name, _)| name.starts_with(&*prefix));
    matching
        .map(|(name, help)| {
            let candidate = CompletionCandidate::new(name);
            if help.is_empty() { candidate } else { candidate.help(Some(visible(&help).into_owned().into())) }
        })
        .collect()
}

/// Returns a parameter's possible values with descriptions.
fn values_of(param: Param) -> Vec<(String, String)> {
    let without_help = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), String::new())).collect();
    match (param, param.spec().kind) {
        (_, Kind::Choice { names, .. }) => without_help(names),
        (_, Kind::Toggle { .. }) => without_help(&["on", "off"]),
        (_, Kind::Chord) => without_help(&["auto"]),
        (Param::Preset, _) => from_daemon("/presets", "presets").unwrap_or_else(|| from_disk("presets")),
        (Param::Setlist, _) => from_daemon("/presets", "setlists").unwrap_or_else(|| from_disk("setlists")),
        _ if param.names_scene() || param == Param::SceneStore => {
            from_daemon("/scenes", "scenes").unwrap_or_else(|| from_disk("scenes"))
        }
        _ => Vec::new(),
    }
}

/// Fetches a list from the running daemon.
fn from_daemon(path: &str, key: &str) -> Option<Vec<(String, String)>> {
    let response = get_from_default(path, RESPONSE_TIMEOUT)?;
    let value = |entry: &Json| match entry {
        Json::String(name) => Some((name.clone(), String::new())),
        entry => Some((entry["id"].as_str()?.to_owned(), entry["name"].as_str().unwrap_or_default().to_owned())),
    };
    Some(response[key].as_array()?.iter().filter_map(value).collect())
}

fn from_disk(kind: &str) -> Vec<(String, String)> {
    let search_path = find_data(None).ok().map(|data| SearchPath::new(&data));
    let files = search_path.into_iter().flat_map(|search_path| search_path.find(kind));
    files.map(|(name, _)| (name, String::new())).collect()
}
