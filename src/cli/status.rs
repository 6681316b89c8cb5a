//! `melos status`: the state of the running daemon.

use std::process::ExitCode;
use std::time::Duration;

use melos::event::health::{Loss, describe_count};
use serde_json::Value as Json;

use super::client::Client;
use super::list::duration;
use super::output::{Output, unless_closed};

/// Exit status during the start, when the generator is late or no audio device is available.
const UNHEALTHY: u8 = 2;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exits with 0 if Melos is playing or paused, 2 if it is starting, if the generator is late or if no audio device is \
                  available, 1 if no daemon responds."
)]
pub(crate) struct Args {
    /// Print everything as JSON
    #[arg(long, conflicts_with = "watch")]
    json: bool,
    /// Repeat every second until Ctrl-C
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    client: Client,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    if args.watch {
        return watch(&args.client);
    }
    let mut out = Output::lock();
    let status = args.client.get("/status")?;
    unless_closed(if args.json { out.json(&status) } else { out.lines(describe(&status)) })?;
    Ok(if is_healthy(&status) { ExitCode::SUCCESS } else { ExitCode::from(UNHEALTHY) })
}

/// Prints the status every second until it cannot be fetched or printed.
fn watch(client: &Client) -> anyhow::Result<ExitCode> {
    let mut out = Output::lock();
    loop {
        let status = client.get("/status")?;
        out.clear()?;
        out.lines(describe(&status))?;
        out.flush()?;
        std::thread::sleep(Duration::from_secs(1));
    }
}

fn is_healthy(status: &Json) -> bool {
    matches!(status["state"].as_str(), Some("playing" | "silent"))
}

/// Describes a status in lines.
fn describe(status: &Json) -> Vec<String> {
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let number = |value: &Json| value.as_f64().unwrap_or_default();
    let parameters = &status["parameters"];
    let state = match status["state"].as_str() {
        Some("playing") if parameters["mute/master"] == true => {
            "Melos is playing with the output muted; unmute it with `melos set mute/master off`.".to_owned()
        }
        Some("playing") => "Melos is playing.".to_owned(),
        Some("silent") if text(&status["show"]["schedule"]).starts_with("closed") => {
            "Melos is silent outside its opening hours; to play anyway, run `melos set play on`.".to_owned()
        }
        Some("silent") => "Melos is paused; resume with `melos set play on`.".to_owned(),
        Some("starved") => "The generator is late; its last sound is sustained.".to_owned(),
        Some("no-device") => "No audio device is available; Melos continues silently.".to_owned(),
        None | Some("") => return vec!["Melos is starting.".to_owned()],
        Some(other) => format!("Melos is {other}."),
    };
    let preset = match text(&parameters["preset"]) {
        name if name.is_empty() => String::new(),
        name => format!(", preset {name}"),
    };
    let source = match text(&parameters["tempo/source"]).as_str() {
        "" | "mood" => String::new(),
        "pinned" => " (pinned)".to_owned(),
        source => {
            let name = match source {
                "clock" => "a MIDI clock",
                "link" => "Ableton Link",
                "jack" => "the JACK transport",
                other => other,
            };
            let is_absent = status["troubles"]["tempo"].is_string();
            format!(" ({} {name})", if is_absent { "waiting for" } else { "from" })
        }
    };
    let block = match number(&status["block_ms"]) {
        0.0 => String::new(),
        block => format!(", {block:.1} ms blocks"),
    };
    let economy = if parameters["economy"] == true { " in economy mode" } else { "" };
    let losses: Vec<_> = Loss::ALL
        .into_iter()
        .filter_map(|loss| {
            status["losses"][loss.id()].as_u64().filter(|count| *count > 0).map(|count| describe_count(loss, count))
        })
        .collect();
    let troubles = status["troubles"].as_object().into_iter().flatten();
    let troubles = troubles.map(|(part, trouble)| format!("Trouble  {part}: {}", text(trouble)));
    let lost = if losses.is_empty() { "nothing since startup".to_owned() } else { losses.join(", ") };
    let (emotion, tempo) = (text(&parameters["emotion"]), number(&parameters["tempo"]));
    let (output, level) = (text(&status["output"]), number(&status["rms_db"]));
    let (percent, running) = (100.0 * number(&status["load"]), duration(number(&status["seconds"]) as u64));
    let mut lines = vec![
        state,
        format!("Music    {emotion}, {tempo:.0} bpm{source}{preset}"),
        format!("Sound    {output}{block}, {level:.1} dB"),
        format!("Load     {percent:.0}% of a core{economy}, running for {running}"),
        format!("Lost     {lost}"),
    ];
    lines.extend(show(&status["show"]));
    lines.extend(troubles);
    lines
}

/// Formats the setlist, the timer and the opening hours, one per line.
fn show(show: &Json) -> Vec<String> {
    let mut lines = Vec::new();
    let text = |key: &str| show[key].as_str();
    if let (Some(next), _) | (None, Some(next)) = (text("next_entry"), text("entry")) {
        let now = text("entry").map_or_else(String::new, |entry| format!("{entry}, "));
        let next = if text("next_entry").is_some() { format!("next {next}") } else { "the last entry".to_owned() };
        lines.push(format!("Setlist  {now}{next}"));
    }
    if let Some(left) = show["timer_seconds_left"].as_f64() {
        lines.push(format!("Timer    fades out in {}", duration(left as u64)));
    }
    if let Some(schedule) = text("schedule") {
        lines.push(format!("Hours    {schedule}"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn describe(status: &Json) -> String {
        super::describe(status).join("\n")
    }

    #[test]
    fn the_status_is_described_in_words() {
        let mut status = json!({
            "state": "playing", "seconds": 7500.2, "output": "JACK", "block_ms": 5.333, "load": 0.234, "rms_db": -25.13,
            "losses": { "unrecorded_frames": 3, "xruns": 0 },
            "troubles": { "state": "the disk is full" },
            "parameters": { "emotion": "calm", "tempo": 56.4, "preset": "slow-dawn", "tempo/source": "clock" },
            "show": {
                "entry": "preset slow-dawn", "next_entry": "scene verse", "timer_seconds_left": 61.2,
                "schedule": "open until Sat 18:00",
            },
        });
        assert_eq!(
            describe(&status),
            "Melos is playing.\nMusic    calm, 56 bpm (from a MIDI clock), preset slow-dawn\nSound    JACK, 5.3 ms blocks, -25.1 dB\n\
             Load     23% of a core, running for 2 h 5 min\nLost     3 frames not recorded\n\
             Setlist  preset slow-dawn, next scene verse\nTimer    fades out in 1 min 1 s\nHours    open until Sat 18:00\n\
             Trouble  state: the disk is full"
        );
        assert!(is_healthy(&status));
        status["troubles"] = json!({ "tempo": "no MIDI clock received" });
        let waiting = describe(&status);
        assert!(waiting.contains("56 bpm (waiting for a MIDI clock)"), "{waiting}");
        assert!(waiting.ends_with("Trouble  tempo: no MIDI clock received"), "{waiting}");
        status["parameters"]["economy"] = json!(true);
        assert!(describe(&status).contains("\nLoad     23% of a core in economy mode, running"));
        status["parameters"]["mute/master"] = json!(true);
        assert!(describe(&status).starts_with("Melos is playing with the output muted;"));
        status["state"] = json!("silent");
        assert!(describe(&status).starts_with("Melos is paused;"));
        status["show"]["schedule"] = json!("closed until Sat 10:00");
        assert!(is_healthy(&status) && describe(&status).starts_with("Melos is silent outside its opening hours;"));
        status["state"] = json!("no-device");
        assert!(!is_healthy(&status) && describe(&status).starts_with("No audio device is available;"));
    }
}
