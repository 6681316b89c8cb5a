//! `melos record`.

use std::time::Duration;

use anyhow::bail;
use melos::event::parameter::{Param, Value};
use melos::quote::visible;
use rosc::OscType;
use serde_json::Value as Json;

use super::client::{Client, poll};
use super::output::Output;

/// Time within which the daemon must start or stop recording.
const TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Start or stop recording
    #[arg(value_enum)]
    action: Action,
    /// Seconds of audio before the start to include, at most 30
    #[arg(long, value_name = "SECONDS", value_parser = preroll, allow_negative_numbers = true)]
    preroll: Option<f32>,
    /// File format
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
    let status = args.client.get("/status")?;
    let on = args.action == Action::Start;
    // If there is no audio device at startup, Melos records the first minute unasked; this does not set `record`.
    let requested = status["parameters"]["record"] == true;
    if !on && !requested {
        fail_on_trouble(&status["recording"])?;
        bail!("there is nothing to stop: no recording was requested");
    }
    let attempts = &status["recording"]["attempts"];
    let send = |address: &str, value: OscType| args.client.send(address, vec![value]);
    if let Some(seconds) = args.preroll {
        send("/melos/record/preroll", OscType::Float(seconds))?;
    }
    if let Some(format) = args.format {
        send("/melos/record/format", OscType::String(format))?;
    }
    send("/melos/record", OscType::Int(i32::from(on)))?;
    let fetch = || Ok(args.client.get("/status")?["recording"].clone());
    let (recording, is_settled) = poll(TIMEOUT, fetch, |recording| {
        let reacted = if on { requested || recording["attempts"] != *attempts } else { recording["on"] == false };
        reacted && (recording["on"] == on || !recording["trouble"].is_null())
    })?;
    fail_on_trouble(&recording)?;
    if !is_settled {
        bail!("the daemon did not react in time; run `melos log` to see why");
    }
    Ok(Output::lock().line(recording["file"].as_str().unwrap_or_default())?)
}

/// Reports why the last recording failed, if it did.
fn fail_on_trouble(recording: &Json) -> anyhow::Result<()> {
    recording["trouble"].as_str().map_or(Ok(()), |trouble| bail!("{}", visible(trouble)))
}
