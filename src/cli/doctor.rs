//! `melos doctor`: checks whether this machine can play, and explains how to fix problems.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use melos::files::config::{AudioConfig, AudioHost, Config, ConfigSource, Schedule};
use melos::files::{free_bytes, obstacle, size_in_words, state_folder};
use melos::generator::model::{Models, find_model, runtime};
use melos::midi::{MidiSystem, sources};
use melos::output::device::find_output;

use super::data::DataArgs;
use super::output::{Output, report_failure};

/// Exit status when Melos cannot play on this machine, or cannot be heard.
const UNHEALTHY: u8 = 2;
/// Minimum number of inotify watches: those for the folders that Melos watches, and some for other programs.
const MIN_WATCHES: u64 = 1024;
/// Minimum number of inotify instances: those for Melos, and some for other programs.
const MIN_INSTANCES: u64 = 16;
/// Minimum disk space for state, scenes and logs, in bytes.
const MIN_STATE_BYTES: u64 = 50_000_000;
/// Size of a one-hour recording, in gigabytes.
const RECORDING_GB: f64 = 1.0;

#[derive(Debug, clap::Args)]
#[command(after_help = "Exits with 0 if Melos can play on this machine, 2 if not.")]
pub(crate) struct Args {
    /// Configuration file [default: the first melos.toml that `melos paths` finds]
    #[arg(long, value_name = "TOML")]
    config: Option<PathBuf>,
    /// Folder for the saved state and recordings [default: ~/.local/state/melos]
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
    #[command(flatten)]
    data: DataArgs,
}

/// The result of a check.
enum Finding {
    /// The check passed.
    Pass(String),
    /// Melos can play, but with limitations; the text says how to remove them.
    Warning(String),
    /// Melos cannot play, or cannot be heard; the text says how to fix it.
    Failure(String),
}

use Finding::{Failure, Pass, Warning};

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let required = args.config.is_some();
    let candidates =
        || args.data.search_path().map(|search_path| search_path.candidates("melos.toml")).unwrap_or_default();
    let files = args.config.map_or_else(candidates, |file| vec![file]);
    let (config, settings) = settings(&ConfigSource { files, required, overrides: Box::new(|_| {}) });
    let state = args.state.or_else(state_folder);
    let keep_free = config.recordings.keep_free_gb;
    let findings = [
        ("settings", settings),
        ("sound", sound(&config.audio)),
        ("real time", real_time(&limits)),
        ("MIDI", midi()),
        ("ports", ports(config.osc.port, config.http.port)),
        ("schedule", schedule(config.schedule.as_ref())),
        ("model", model(&args.data, &config.model)),
        ("disk", disk(state.as_deref(), keep_free, free_bytes)),
        ("watching", watching(|name| fs::read_to_string(format!("/proc/sys/fs/inotify/{name}")).ok())),
    ];
    let is_healthy = !findings.iter().any(|(_, finding)| matches!(finding, Failure(_)));
    let lines = findings.iter().map(|(name, finding)| {
        let (mark, text) = match finding {
            Pass(text) => ("ok", text),
            Warning(text) => ("--", text),
            Failure(text) => ("!!", text),
        };
        format!("{mark} {name:<10} {text}")
    });
    report_failure(Output::lock().lines(lines));
    Ok(if is_healthy { ExitCode::SUCCESS } else { ExitCode::from(UNHEALTHY) })
}

/// Reads the configuration; if it has errors, returns the default one and the first error.
fn settings(source: &ConfigSource) -> (Config, Finding) {
    let file = source.file().display();
    match source.read() {
        Ok(config) if source.file().exists() => (config, Pass(file.to_string())),
        Ok(config) => (config, Pass("no melos.toml: the defaults apply".to_owned())),
        Err(problems) => {
            let first = problems.first().map(ToString::to_string).unwrap_or_default();
            (Config::default(), Failure(format!("{first}; run `melos check {file}`")))
        }
    }
}

/// Checks the configured output.
fn sound(config: &AudioConfig) -> Finding {
    match find_output(config) {
        Ok(name) if config.host == AudioHost::Null => Warning(format!("{name}: configured to play silently")),
        Ok(name) => Pass(name),
        Err(error) => {
            Failure(format!("{error}; plug a device in, start JACK or PipeWire, or change [audio] in melos.toml"))
        }
    }
}

/// Checks the limit on real-time priority; `limits` is the text of `/proc/self/limits`.
fn real_time(limits: &str) -> Finding {
    let soft = |name: &str| {
        let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next().map(str::to_owned)
    };
    match soft("Max realtime priority").as_deref() {
        None => Warning("cannot tell whether real-time priority is allowed".to_owned()),
        Some("0") => Warning(
            "not allowed, so other programs may cause clicks: join the audio group, or set LimitRTPRIO=95 in the systemd \
             unit"
                .to_owned(),
        ),
        Some(priority) => Pass(format!("priority up to {priority}")),
    }
}

fn midi() -> Finding {
    let mut names = Vec::new();
    let mut errors = Vec::new();
    for system in [MidiSystem::Alsa, MidiSystem::Jack] {
        match sources(system) {
            Ok(sources) => names.extend(sources),
            Err(error) => errors.push(error.to_string()),
        }
    }
    match (names.as_slice(), errors.len()) {
        ([], 2) => Warning(format!("unavailable: {}", errors.join("; "))),
        ([], _) => Pass("no device is plugged in".to_owned()),
        _ => Pass(names.join(", ")),
    }
}

fn ports(osc: u16, http: u16) -> Finding {
    let in_use: Vec<_> = [
        UdpSocket::bind((Ipv4Addr::LOCALHOST, osc)).is_err().then(|| format!("OSC {osc}")),
        TcpListener::bind((Ipv4Addr::LOCALHOST, http)).is_err().then(|| format!("HTTP {http}")),
    ]
    .into_iter()
    .flatten()
    .collect();
    match in_use.as_slice() {
        [] => Pass(format!("OSC {osc} and HTTP {http} are free")),
        _ => Warning(format!(
            "in use: {}; if `melos status` responds, Melos is already running; otherwise choose other ports with --osc and --http",
            in_use.join(" and ")
        )),
    }
}

fn model(data: &DataArgs, name: &str) -> Finding {
    let load = || -> anyhow::Result<String> {
        let folder = find_model(&data.search_path()?, name)?;
        let models = Models::load(runtime()?, &folder)?;
        Ok(format!("{} {}", folder.display(), models.manifest.fingerprint()))
    };
    load().map_or_else(|error| Failure(format!("{error:#}")), Pass)
}

/// Checks the free space for state, recordings and logs. Recordings leave `keep_free` gigabytes free; `free` returns
/// the number of bytes free on a folder's disk.
fn disk(folder: Option<&Path>, keep_free: f64, free: impl Fn(&Path) -> io::Result<u64>) -> Finding {
    let Some(folder) = folder else {
        return Warning("no home folder: choose a folder for state and recordings with `melos run --state`".to_owned());
    };
    if let Some(obstacle) = obstacle(folder) {
        return Failure(format!("{obstacle}, so nothing can be saved; choose another folder with `melos run --state`"));
    }
    let bytes = match free(folder) {
        Ok(bytes) => bytes,
        Err(error) => return Warning(format!("cannot determine the free space in {}: {error}", folder.display())),
    };
    let free_space = format!("{} free in {}", size_in_words(bytes), folder.display());
    if bytes < MIN_STATE_BYTES {
        Failure(format!(
            "{free_space}: too little for settings, scenes and logs; free some space, or choose another folder with `melos run \
             --state`"
        ))
    } else if bytes as f64 / 1e9 < keep_free + RECORDING_GB {
        Warning(format!(
            "{free_space}: recordings leave {keep_free} GB free, so there is little or no room for them; free some space, or see [recordings] in \
             melos.toml"
        ))
    } else {
        Pass(free_space)
    }
}

/// Checks that the opening hours are in a known time zone.
fn schedule(schedule: Option<&Schedule>) -> Finding {
    match schedule.map(Schedule::zone_problem) {
        None => Pass("no opening hours: plays whenever it runs".to_owned()),
        Some(None) => Pass("the opening hours are in a known time zone".to_owned()),
        Some(Some(problem)) => Warning(problem),
    }
}

/// Checks the inotify limits; `read` returns the contents of a file in `/proc/sys/fs/inotify`.
fn watching(read: impl Fn(&str) -> Option<String>) -> Finding {
    let limit = |name: &str| read(name)?.trim().parse::<u64>().ok();
    for (kind, minimum) in [("watches", MIN_WATCHES), ("instances", MIN_INSTANCES)] {
        let name = format!("max_user_{kind}");
        if let Some(limit) = limit(&name).filter(|limit| *limit < minimum) {
            return Warning(format!(
                "only {limit} inotify {kind} are allowed per user, so changed files may go unnoticed: run `sudo \
                 sysctl fs.inotify.{name}={minimum}`"
            ));
        }
    }
    Pass("changed files take effect when they are saved".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_real_time_priority_limit_is_reported() {
        let limits = |priority| {
            format!(
                "Limit                     Soft Limit  Hard Limit  Units\nMax realtime priority     {priority}           {priority}\n"
            )
        };
        assert!(matches!(real_time(&limits("95")), Pass(text) if text == "priority up to 95"));
        assert!(matches!(real_time(&limits("0")), Warning(text) if text.contains("LimitRTPRIO")));
        assert!(matches!(real_time(""), Warning(_)));
    }

    #[test]
    fn the_configured_output_is_checked() {
        let config = |host, device: Option<&str>| AudioConfig {
            host,
            device: device.map(str::to_owned),
            ..AudioConfig::default()
        };
        assert!(matches!(sound(&config(AudioHost::Null, None)), Warning(text) if text.contains("silently")));
        let missing = sound(&config(AudioHost::Alsa, Some("no such device")));
        assert!(matches!(missing, Failure(text) if text.contains("ALSA") && text.contains("[audio]")));
    }

    #[test]
    fn free_disk_space_is_reported() {
        let finding = |bytes: u64| disk(Some(Path::new("/state")), 1.0, |_| Ok(bytes));
        assert!(matches!(finding(20_000_000_000), Pass(text) if text == "20.0 GB free in /state"));
        assert!(matches!(finding(1_500_000_000), Warning(text) if text.contains("recordings leave 1 GB free")));
        assert!(matches!(finding(1_000_000), Failure(text) if text.starts_with("1 MB free in /state: too little for")));
        let file = tempfile::NamedTempFile::new().unwrap();
        let in_the_way = disk(Some(file.path()), 1.0, |_| Ok(20_000_000_000));
        assert!(matches!(in_the_way, Failure(text) if text.contains("is a file, not a folder")));
        assert!(matches!(disk(Some(Path::new("/state")), 1.0, |_| Err(io::ErrorKind::Other.into())), Warning(_)));
        assert!(matches!(disk(None, 1.0, |_| Ok(0)), Warning(_)));
    }

    #[test]
    fn configuration_errors_are_reported() {
        let folder = tempfile::tempdir().unwrap();
        let files = vec![folder.path().join("melos.toml")];
        let source = ConfigSource { files, required: false, overrides: Box::new(|_| {}) };
        assert!(matches!(settings(&source).1, Pass(text) if text.contains("defaults")));
        fs::write(source.file(), "[osc]\nport = 9010\n").unwrap();
        let (config, finding) = settings(&source);
        assert!(config.osc.port == 9010 && matches!(finding, Pass(_)));
        fs::write(source.file(), "[osc]\nprot = 9010\n").unwrap();
        let (_, finding) = settings(&source);
        assert!(
            matches!(finding, Failure(text) if text.contains("melos.toml:2: osc.prot") && text.contains("melos check"))
        );
    }

    #[test]
    fn a_low_watch_limit_is_reported() {
        let limits = |watches: &'static str| {
            move |name: &str| Some(if name == "max_user_watches" { watches } else { "128" }.to_owned())
        };
        assert!(matches!(watching(limits("65536\n")), Pass(_)));
        assert!(
            matches!(watching(limits("100\n")), Warning(text) if text.contains("fs.inotify.max_user_watches=1024"))
        );
    }
}
