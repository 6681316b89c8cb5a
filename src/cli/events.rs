//! `melos log`: the latest log lines, or everything since a given time.

use std::path::PathBuf;

use anyhow::{Context, anyhow, bail};
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ZonedDateTime};
use melos::files::{self, state_folder};
use melos::remote::journal;
use serde_json::Value as Json;

use super::client::Client;
use super::list::ago;
use super::output::Output;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Show everything since a given time: `"8 hours ago"`, `22:00`, `10pm`, `yesterday`, `2026-11-28`, or
    /// `2026-11-28T22:00:00+01:00`
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// State folder to read when no daemon responds [default: ~/.local/state/melos]
    #[arg(long, requires = "since")]
    state: Option<PathBuf>,
    #[command(flatten)]
    client: Client,
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let mut out = Output::lock();
    let Some(since) = &args.since else {
        let log = args.client.get("/log").map_err(|error| {
            let saved = if args.client.is_remote() { "" } else { "; `melos log --since 1h` reads the saved log" };
            anyhow!("{error:#}{saved}")
        })?;
        for line in log["lines"].as_array().into_iter().flatten() {
            let (at, level, text) = fields(line);
            out.line(format_args!("{:>12} {level:<5} {text}", ago(at)))?;
        }
        return Ok(());
    };
    let at = parse_time(since, &ZonedDateTime::now())?.as_second().max(0) as u64;
    let lines = match args.client.get(&format!("/log?since={at}")) {
        Ok(response) => {
            response["trouble"].as_str().into_iter().for_each(super::to_stderr);
            response["lines"].as_array().cloned().unwrap_or_default()
        }
        Err(error) if args.client.is_remote() => return Err(error),
        Err(error) => {
            let folder = args
                .state
                .clone()
                .or_else(state_folder)
                .context("no home folder; choose a state folder with --state")?;
            if let Some(obstacle) = files::obstacle(&folder) {
                bail!("cannot read the saved log: {obstacle}; and {error:#}");
            }
            let saved = journal::read(&folder, at).context("cannot read the saved log")?;
            if saved.is_empty() {
                bail!("the log in {} has no lines since then, and {error:#}", folder.display());
            }
            super::to_stderr(format_args!("reading the log in {}, because {error:#}", folder.display()));
            saved.iter().map(serde_json::to_value).collect::<Result<_, _>>()?
        }
    };
    if lines.len() == journal::MAX_LINES {
        super::to_stderr(format_args!("showing only the latest {} lines", lines.len()));
    }
    let zone = TimeZone::system();
    for line in &lines {
        let (at, level, text) = fields(line);
        let time = Timestamp::from_second(at as i64)?;
        let time = zone.to_datetime(time).strftime("%a %Y-%m-%d %H:%M:%S");
        out.line(format_args!("{time} {level:<5} {text}"))?;
    }
    Ok(())
}

/// Returns the Unix time in seconds, the level and the text of a log line.
fn fields(line: &Json) -> (f64, &str, &str) {
    let text = |key: &str| line[key].as_str().unwrap_or_default();
    (line["at"].as_f64().unwrap_or_default(), text("level"), text("text"))
}

/// Parses a time: a timestamp, a local day or time, or a span counted back from now.
fn parse_time(text: &str, now: &ZonedDateTime) -> anyhow::Result<Timestamp> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let expected = || {
        format!(
            "--since {text:?}: expected a time such as \"8 hours ago\", 22:00, 10pm, yesterday, 2026-11-28 or \
             2026-11-28T22:00:00+01:00"
        )
    };
    if let Some(time) = parse_local(text, now) {
        return Ok(time.with_context(expected)?.timestamp());
    }
    // The parser's own error describes a grammar instead of saying what to type.
    let span: Span = text.parse().map_err(|_| anyhow!(expected()))?;
    let offset = if span.is_negative() { span } else { -span };
    Ok(now.checked_add(offset).with_context(expected)?.timestamp())
}

/// Parses a day, a time of day or both, in local time; a time of day means its most recent occurrence. Returns `None`
/// for any other text.
fn parse_local(text: &str, now: &ZonedDateTime) -> Option<Result<ZonedDateTime, jiff::Error>> {
    let zone = now.time_zone().clone();
    let twelve_hour_clock = || ["%I %p", "%I:%M %p"].into_iter().find_map(|format| Time::strptime(format, text).ok());
    if let Some(time) = text.parse::<Time>().ok().or_else(twelve_hour_clock) {
        let today = zone.to_zoned_datetime(now.date().to_datetime(time));
        return Some(today.and_then(|at| if at > *now { at.yesterday() } else { Ok(at) }));
    }
    match text {
        "today" => Some(now.start_of_day()),
        "yesterday" => Some(now.yesterday().and_then(|day| day.start_of_day())),
        _ => text.parse::<DateTime>().ok().map(|at| zone.to_zoned_datetime(at)),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Log {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn without_lines_the_missing_daemon_is_reported_too() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().to_str().unwrap();
        let log = Log::parse_from(["log", "--since", "1h", "--state", state, "--http", "127.0.0.1:1"]);
        let error = format!("{:#}", run(log.args).unwrap_err());
        let expected = format!(
            "the log in {state} has no lines since then, and no Melos daemon responds on 127.0.0.1:1 (Connection \
             refused); "
        );
        assert!(error.starts_with(&expected), "{error}");
    }

    #[test]
    fn a_state_folder_that_is_a_file_is_reported() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        let log = Log::parse_from(["log", "--since", "1h", "--state", path, "--http", "127.0.0.1:1"]);
        let error = format!("{:#}", run(log.args).unwrap_err());
        assert!(
            error.starts_with(&format!("cannot read the saved log: {path} is a file, not a folder; and no Melos")),
            "{error}"
        );
    }

    #[test]
    fn common_time_expressions_are_parsed() {
        let now: ZonedDateTime = "2026-11-28T21:00:00+01:00[Europe/Berlin]".parse().unwrap();
        for (text, expected) in [
            ("8 hours ago", "2026-11-28T12:00:00Z"),
            ("8h", "2026-11-28T12:00:00Z"),
            ("90 minutes ago", "2026-11-28T18:30:00Z"),
            ("2 days ago", "2026-11-26T20:00:00Z"),
            ("2026-11-28T22:00:00+01:00", "2026-11-28T21:00:00Z"),
            ("2026-11-28T06:00:00Z", "2026-11-28T06:00:00Z"),
            ("today", "2026-11-27T23:00:00Z"),
            ("yesterday", "2026-11-26T23:00:00Z"),
            ("20:30", "2026-11-28T19:30:00Z"),
            ("22:00", "2026-11-27T21:00:00Z"),
            ("7pm", "2026-11-28T18:00:00Z"),
            ("7:30 PM", "2026-11-28T18:30:00Z"),
            ("12 am", "2026-11-27T23:00:00Z"),
            ("11:05pm", "2026-11-27T22:05:00Z"),
            ("-8h", "2026-11-28T12:00:00Z"),
            ("2026-11-28", "2026-11-27T23:00:00Z"),
            ("2026-11-28 06:15", "2026-11-28T05:15:00Z"),
        ] {
            assert_eq!(parse_time(text, &now).unwrap(), expected.parse::<Timestamp>().unwrap(), "{text}");
        }
        let error = parse_time("last week", &now).unwrap_err();
        assert_eq!(error.chain().count(), 1, "{error:#}");
        let error = error.to_string();
        assert!(error.contains("last week") && error.contains("8 hours ago"), "{error}");
    }
}
