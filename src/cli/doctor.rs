//! `melos doctor`: what this machine lacks for playing, and what to do about it.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::process::ExitCode;

use melos::files::config::Config;
use melos::generator::model::{Models, find_model, runtime};
use melos::midi::{MidiSystem, sources};
use melos::output::device::devices;

use super::data::DataArgs;
use super::devices::is_heard;

/// Something is missing that the music needs.
const UNWELL: u8 = 2;
/// Watches that a folder of presets, mappings and models may need, with some room for other programs.
const WATCHES: u64 = 1024;
/// Instances of watching: three for Melos, and as many for others.
const INSTANCES: u64 = 16;

#[derive(Debug, clap::Args)]
#[command(after_help = "Ends with 0 when Melos can play here, with 2 when something is missing.")]
pub(crate) struct Args {
    #[command(flatten)]
    data: DataArgs,
}

/// What was found.
enum Finding {
    Good(String),
    /// It plays all the same; what would be better, and how.
    Weak(String),
    /// It does not play, or nobody hears it; what to do.
    Bad(String),
}

use Finding::{Bad, Good, Weak};

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let findings = [
        ("sound", sound()),
        ("real time", real_time(&limits)),
        ("MIDI", midi()),
        ("ports", ports()),
        ("model", model(&args.data)),
        ("watching", watching(|name| fs::read_to_string(format!("/proc/sys/fs/inotify/{name}")).ok())),
    ];
    let mut out = std::io::stdout().lock();
    let mut is_well = true;
    for (what, finding) in findings {
        let (mark, text) = match finding {
            Good(text) => ("ok", text),
            Weak(text) => ("--", text),
            Bad(text) => {
                is_well = false;
                ("!!", text)
            }
        };
        writeln!(out, "{mark} {what:<10} {text}")?;
    }
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::from(UNWELL) })
}

fn sound() -> Finding {
    let works = devices().into_iter().find(is_heard);
    works.map_or_else(
        || Bad("no device can be opened: plug one in, or start JACK or PipeWire; `melos devices` says why".to_owned()),
        |device| Good(format!("{} {}", device.host, device.name)),
    )
}

/// `/proc/self/limits` says how high a thread may rise, and how much memory may be held.
fn real_time(limits: &str) -> Finding {
    let soft = |name: &str| {
        let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next().map(str::to_owned)
    };
    match soft("Max realtime priority").as_deref() {
        None => Weak("this system does not say whether real-time priority is allowed".to_owned()),
        Some("0") => Weak(
            "not allowed, so other programs may cause clicks: join the group audio, or set LimitRTPRIO=95 in the unit"
                .to_owned(),
        ),
        Some(priority) => Good(format!("priority up to {priority}")),
    }
}

fn midi() -> Finding {
    let mut found = Vec::new();
    let mut reasons = Vec::new();
    for system in [MidiSystem::Alsa, MidiSystem::Jack] {
        match sources(system) {
            Ok(names) => found.extend(names),
            Err(error) => reasons.push(error.to_string()),
        }
    }
    match (found.as_slice(), reasons.len()) {
        ([], 2) => Weak(format!("cannot be had: {}", reasons.join("; "))),
        ([], _) => Good("no device is plugged in".to_owned()),
        _ => Good(found.join(", ")),
    }
}

fn ports() -> Finding {
    let config = Config::default();
    let (osc, http) = (config.osc.port, config.http.port);
    let taken: Vec<_> = [
        UdpSocket::bind((Ipv4Addr::LOCALHOST, osc)).is_err().then(|| format!("OSC {osc}")),
        TcpListener::bind((Ipv4Addr::LOCALHOST, http)).is_err().then(|| format!("HTTP {http}")),
    ]
    .into_iter()
    .flatten()
    .collect();
    match taken.as_slice() {
        [] => Good(format!("OSC {osc} and HTTP {http} are free")),
        _ => Weak(format!(
            "{} is taken: if `melos status` answers, Melos runs already; otherwise choose others with --osc and --http",
            taken.join(" and ")
        )),
    }
}

fn model(data: &DataArgs) -> Finding {
    let load = || -> anyhow::Result<String> {
        let folder = find_model(&data.places()?, &Config::default().model)?;
        let models = Models::load(runtime()?, &folder)?;
        Ok(format!("{} {}", folder.display(), models.manifest.fingerprint()))
    };
    load().map_or_else(|error| Bad(format!("{error:#}")), Good)
}

/// How many files the system lets programs watch; `read` gives a file of `/proc/sys/fs/inotify`.
fn watching(read: impl Fn(&str) -> Option<String>) -> Finding {
    let limit = |name: &str| read(name)?.trim().parse::<u64>().ok();
    for (name, least) in [("max_user_watches", WATCHES), ("max_user_instances", INSTANCES)] {
        if let Some(limit) = limit(name).filter(|limit| *limit < least) {
            return Weak(format!(
                "the system watches only {limit} for a user, so saved presets may not be noticed: sysctl fs.inotify.{name}={least}"
            ));
        }
    }
    Good("saved presets, mappings and models are noticed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read() {
        let limits = |priority| {
            format!(
                "Limit                     Soft Limit  Hard Limit  Units\nMax realtime priority     {priority}           {priority}\n"
            )
        };
        assert!(matches!(real_time(&limits("95")), Good(text) if text == "priority up to 95"));
        assert!(matches!(real_time(&limits("0")), Weak(text) if text.contains("LimitRTPRIO")));
        assert!(matches!(real_time(""), Weak(_)));
    }

    #[test]
    fn scarce_watches_are_told() {
        let limits = |watches: &'static str| {
            move |name: &str| Some(if name == "max_user_watches" { watches } else { "128" }.to_owned())
        };
        assert!(matches!(watching(limits("65536\n")), Good(_)));
        assert!(matches!(watching(limits("100\n")), Weak(text) if text.contains("fs.inotify.max_user_watches=1024")));
    }
}
