//! `melos presets`, `melos takes`, and the list that `melos scenes` prints.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value as Json;

use super::client::Client;
use super::output::Output;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    client: Client,
}

/// The list to print.
#[derive(Debug, Clone, Copy)]
pub(crate) enum List {
    Presets,
    Scenes,
    Takes,
}

impl List {
    const fn path_and_key(self) -> (&'static str, &'static str) {
        match self {
            Self::Presets => ("/presets", "presets"),
            Self::Scenes => ("/scenes", "scenes"),
            Self::Takes => ("/takes", "takes"),
        }
    }

    /// Returns the message that is printed if the list is empty.
    pub(super) const fn hint(self) -> &'static str {
        match self {
            Self::Presets => "no presets; `melos paths` shows the search path",
            Self::Scenes => "no scenes yet; store one with `melos set scene/store NAME`",
            Self::Takes => "no takes yet; record one with `melos record start`",
        }
    }

    fn line(self, entry: &Json) -> String {
        let text = |key: &str| entry[key].as_str().unwrap_or_default();
        let number = |key: &str| entry[key].as_f64().unwrap_or_default();
        match self {
            Self::Presets => format!("{:<18} {}: {}", text("id"), text("name"), text("description")),
            Self::Scenes => entry.as_str().unwrap_or_default().to_owned(),
            Self::Takes => {
                format!("{:<40} {:>8.1} s {:>8.1} MB", text("name"), number("seconds"), number("bytes") / 1e6)
            }
        }
    }
}

/// Formats the time that has passed since `at`, a Unix time in seconds, as in `5 min 3 s ago`.
pub(super) fn ago(at: f64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let elapsed = now.saturating_sub(Duration::try_from_secs_f64(at).unwrap_or_default());
    format!("{} ago", duration(elapsed.as_secs()))
}

/// Formats a duration in seconds, as in `1 d 1 h`, `2 h 5 min`, `5 min 3 s` or `3 s`.
pub(super) fn duration(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, ..) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

pub(crate) fn run(kind: List, args: &Args) -> anyhow::Result<()> {
    list(kind, &args.client)
}

/// Prints a list, one entry per line.
pub(super) fn list(kind: List, client: &Client) -> anyhow::Result<()> {
    let (path, key) = kind.path_and_key();
    let list = client.list(path, key)?;
    let entries = list.as_array().map(Vec::as_slice).unwrap_or_default();
    if entries.is_empty() {
        super::to_stderr(kind.hint());
    }
    let mut out = Output::lock();
    Ok(out.lines(entries.iter().map(|entry| kind.line(entry)))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_formatted_with_up_to_two_units() {
        for (seconds, text) in [(3, "3 s"), (303, "5 min 3 s"), (7500, "2 h 5 min"), (90_000, "1 d 1 h")] {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn entries_are_formatted_as_lines() {
        let preset = serde_json::json!({ "id": "storm", "name": "Storm", "description": "It rages" });
        assert_eq!(List::Presets.line(&preset), "storm              Storm: It rages");
        assert_eq!(List::Scenes.line(&Json::from("dawn")), "dawn");
    }
}
