//! `melos record`.

use std::time::Duration;

use anyhow::bail;
use melos::event::parameter::{Input, Param, Value};
use melos::quote::visible;
use serde_json::Value as Json;

use super::change::{apply, send};
use super::client::{Client, poll};
use super::output::Output;

/// Time within which the daemon must start or stop recording.
const TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Start or stop recording
    #[arg(value_enum)]
    action: Action,
    /// Seconds of audio before the start to include, at most 30, in place of the parameter record/preroll
    #[arg(long, value_name = "SECONDS", value_parser = preroll, allow_negative_numbers = true)]
    preroll: Option<f32>,
    /// File format, in place of the parameter record/format
    #[arg(long, value_parser = ["wav", "flac"])]
    format: Option<String>,
    #[command(flatten)]
    client: Client,
}

fn preroll(text: &str) -> Result<f32, String> {
    let input = Param::RecordPreRoll.input_from_text(text);
    match Param::RecordPreRoll.fit_within(input).map_err(|error| error.hint())? {
        Some(Value::Number(seconds)) => Ok(seconds),
        _ => Err("expected a number of seconds".to_owned()),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Action {
    /// Start a recording and print its file name
    Start,
    /// Stop the recording and print its file name
    Stop,
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let options = args.options();
    let on = args.action == Action::Start;
    if let (false, Some((param, _))) = (on, options.first()) {
        let option = param.spec().id.trim_start_matches("record/");
        bail!("--{option} can only be used with `melos record start`");
    }
    let status = args.client.status()?;
    // If there is no audio device at startup, Melos records the first minute unasked; this does not set `record`.
    let requested = status["parameters"]["record"] == true;
    if !on && !requested {
        fail_on_trouble(&status["recording"])?;
        bail!("there is nothing to stop: no recording was requested");
    }
    if requested && on && !options.is_empty() {
        super::to_stderr("a recording is in progress, so the options have no effect; they apply to one that starts");
    }
    // The daemon reads these parameters when a recording starts.
    let changed: Vec<_> = options.into_iter().filter(|_| !requested).collect();
    let set = |param: Param, value: &Value| send(&args.client, param, value, false);
    changed.iter().try_for_each(|(param, value)| set(*param, value))?;
    let file = record(&args.client, on, requested, &status["recording"]["attempts"]);
    // The options apply to this recording only, even if it failed. Waits until they no longer do, since the next recording
    // would otherwise take them for the parameters.
    let restored = changed.iter().try_for_each(|(param, _)| {
        let before = value_in(&status["parameters"], *param);
        before.map_or(Ok(()), |value| apply(&args.client, *param, &value, false))
    });
    let file = file?;
    restored?;
    Ok(Output::lock().line(file)?)
}

/// Returns the value of a parameter in the status.
fn value_in(parameters: &Json, param: Param) -> Option<Value> {
    let value = &parameters[param.spec().id];
    let input = value.as_f64().map(Input::Number).or_else(|| value.as_str().map(Input::Text))?;
    param.fit(input).ok().flatten()
}

impl Args {
    /// Returns the parameters that the options replace, with their values.
    fn options(&self) -> Vec<(Param, Value)> {
        let preroll = self.preroll.map(|seconds| (Param::RecordPreRoll, Value::Number(seconds)));
        let format = self.format.as_deref().and_then(|format| {
            let format = Param::RecordFormat.fit(Input::Text(format)).ok().flatten()?;
            Some((Param::RecordFormat, format))
        });
        preroll.into_iter().chain(format).collect()
    }
}

/// Starts or stops a recording and returns its file. `requested` is whether one was requested before, and `attempts` how many
/// the daemon had started or attempted.
fn record(client: &Client, on: bool, requested: bool, attempts: &Json) -> anyhow::Result<String> {
    send(client, Param::Record, &Value::Toggle(on), false)?;
    let fetch = || Ok(client.get("/status")?["recording"].clone());
    let (recording, is_settled) = poll(TIMEOUT, fetch, |recording| {
        let reacted = if on { requested || recording["attempts"] != *attempts } else { recording["on"] == false };
        reacted && (recording["on"] == on || !recording["trouble"].is_null())
    })?;
    fail_on_trouble(&recording)?;
    if !is_settled {
        bail!("the daemon did not react in time; run `melos log` to see why");
    }
    Ok(recording["file"].as_str().unwrap_or_default().to_owned())
}

/// Reports why the last recording failed, if it did.
fn fail_on_trouble(recording: &Json) -> anyhow::Result<()> {
    recording["trouble"].as_str().map_or(Ok(()), |trouble| bail!("{}", visible(trouble)))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Record {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn options_are_refused_where_they_mean_nothing() {
        for (option, value) in [("--preroll", "5"), ("--format", "flac")] {
            let error = run(Record::parse_from(["record", "stop", option, value]).args).unwrap_err().to_string();
            assert_eq!(error, format!("{option} can only be used with `melos record start`"));
        }
    }

    #[test]
    fn a_daemon_that_is_starting_cannot_record_yet() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
                stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n{\"state\": \"\", \"parameters\": {}}").unwrap();
            }
        });
        for action in ["start", "stop"] {
            let error = run(Record::parse_from(["record", action, "--http", &address]).args).unwrap_err().to_string();
            assert!(error.starts_with("Melos is starting"), "{action}: {error}");
        }
    }

    #[test]
    fn options_replace_parameters() {
        let options = Record::parse_from(["record", "start", "--format", "flac", "--preroll", "2.5"]).args.options();
        let expected = [(Param::RecordPreRoll, Value::Number(2.5)), (Param::RecordFormat, Value::Choice(1))];
        assert_eq!(options, expected);
        let parameters = serde_json::json!({ "record/preroll": 2.5, "record/format": "flac" });
        for (param, value) in expected {
            assert_eq!(value_in(&parameters, param), Some(value));
        }
    }
}
