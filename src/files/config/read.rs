//! Reads `melos.toml`.

use std::net::{IpAddr, Ipv6Addr};
use std::path::{Path, PathBuf};

use toml::de::DeValue;

use super::{
    AudioConfig, AudioHost, Config, ControlLogConfig, HttpConfig, LogConfig, MIN_PASSWORD_CHARS, MidiChannel,
    MidiConfig, MidiHost, MidiOutConfig, OscConfig, RecordingsConfig, WhenFull, schedule,
};
use crate::files::document::{Document, Field, Problem, Table};
use crate::files::expand_home;

/// Block sizes that at least one audio system accepts, in frames.
const BLOCK_FRAMES: std::ops::RangeInclusive<i64> = 16..=8192;
/// Upper limit for sizes in gigabytes: a petabyte.
const MAX_GIGABYTES: f64 = 1e6;

pub(super) fn config(file: &Path, text: &str) -> Result<Config, Vec<Problem>> {
    let (mut parsed, mut root) = Document::parse(file, text);
    let document = &mut parsed;
    let mut config = Config::default();
    set(&mut config.preset, root.text(document, "preset"));
    set(&mut config.model, root.text(document, "model"));
    set(&mut config.link, link(document, &mut root));
    section(document, &mut root, "audio", &mut config.audio, audio);
    section(document, &mut root, "osc", &mut config.osc, osc);
    section(document, &mut root, "http", &mut config.http, http);
    section(document, &mut root, "midi", &mut config.midi, midi);
    match root.take("recordings") {
        // `recordings = "folder"` is shorthand that sets only the folder.
        Some(field) if matches!(field.value, DeValue::String(_)) => {
            set(&mut config.recordings.folder, folder(document, &field));
        }
        Some(field) => {
            if let Some(mut table) = field.table(document) {
                recordings(document, &mut table, &mut config.recordings);
                table.finish(document);
            }
        }
        None => {}
    }
    section(document, &mut root, "control_log", &mut config.control_log, control_log);
    section(document, &mut root, "log", &mut config.log, log);
    config.schedule = root.table(document, "schedule").and_then(|table| schedule::read(document, table));
    root.finish(document);
    parsed.finish(config)
}

/// Reads whether to join the Ableton Link session, which not every build can.
fn link(document: &mut Document<'_>, root: &mut Table<'_>) -> Option<bool> {
    let field = root.take("link")?;
    let link = field.flag(document)?;
    if link && !cfg!(feature = "link") {
        let hint = "this build of Melos does not support Ableton Link: build it with `cargo build --release --features link`, \
                    or remove this key";
        document.add(field.span, &field.key, hint);
    }
    Some(link)
}

/// Reads a table if present.
fn section<'a, T>(
    document: &mut Document<'_>,
    root: &mut Table<'a>,
    key: &'static str,
    target: &mut T,
    read: impl FnOnce(&mut Document<'_>, &mut Table<'a>, &mut T),
) {
    if let Some(mut table) = root.table(document, key) {
        read(document, &mut table, target);
        table.finish(document);
    }
}

fn set<T>(target: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *target = value;
    }
}

fn audio(document: &mut Document<'_>, table: &mut Table<'_>, audio: &mut AudioConfig) {
    set(&mut audio.host, table.choice(document, "host", &AudioHost::NAMES));
    audio.device = table.text(document, "device");
    audio.block_frames = table.integer(document, "block_frames", BLOCK_FRAMES).map(|frames| frames as u32);
}

fn osc(document: &mut Document<'_>, table: &mut Table<'_>, osc: &mut OscConfig) {
    set(&mut osc.address, address(document, table).map(|(address, _)| address));
    set(&mut osc.port, port(document, table));
    if let Some(field) = table.take("trusted") {
        let hosts = field.texts().and_then(|hosts| hosts.iter().map(|host| host.parse().ok()).collect());
        match hosts {
            Some(hosts) => osc.trusted = hosts,
            None => drop(field.reject::<()>(document, "a list of IP addresses, such as [\"192.168.1.20\"]")),
        }
    }
}

fn http(document: &mut Document<'_>, table: &mut Table<'_>, http: &mut HttpConfig) {
    let address = address(document, table);
    set(&mut http.address, address.as_ref().map(|(address, _)| *address));
    set(&mut http.port, port(document, table));
    if let Some(field) = table.take("password") {
        http.password = field.text(document);
        if http.password.as_ref().is_some_and(|password| password.chars().count() < MIN_PASSWORD_CHARS) {
            field.reject::<()>(document, &format!("a password of at least {MIN_PASSWORD_CHARS} characters"));
        }
    } else if let Some((_, field)) = address.filter(|(address, _)| !address.is_loopback()) {
        let hint = "this address is reachable from the network, so http.password must be set";
        document.add(field.span, &field.key, hint);
    }
    match table.take("local_password") {
        None => {}
        Some(Field { value: DeValue::Boolean(true), span, key }) if http.password.is_none() => {
            document.add(span, &key, "needs http.password");
        }
        Some(Field { value: DeValue::Boolean(required), .. }) => http.local_password = required,
        Some(field) => drop(field.reject::<()>(document, "true or false")),
    }
    if let Some(field) = table.take("hosts") {
        match field.texts().filter(|hosts| hosts.iter().all(|host| is_host(host))) {
            Some(hosts) => http.hosts = hosts,
            None => drop(field.reject::<()>(
                document,
                "a list of host names and addresses, without scheme and port, such as [\"stage.example\"]",
            )),
        }
    }
    set(&mut http.announce, table.flag(document, "announce"));
}

/// Returns whether a text is an address, or a host name as browsers send it: international names are encoded (`xn--…`).
fn is_host(text: &str) -> bool {
    let is_name = |name: &str| {
        let name = name.strip_suffix('.').unwrap_or(name);
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        name.split('.').all(|label| !label.is_empty() && label.bytes().all(is_letter))
    };
    let unbracketed = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    text.parse::<IpAddr>().is_ok() || unbracketed.is_some_and(|text| text.parse::<Ipv6Addr>().is_ok()) || is_name(text)
}

/// Reads the address to listen on; returns it with its field.
fn address<'a>(document: &mut Document<'_>, table: &mut Table<'a>) -> Option<(IpAddr, Field<'a>)> {
    let field = table.take("address")?;
    match field.text(document)?.parse() {
        Ok(address) => Some((address, field)),
        Err(_) => field.reject(document, "an IP address such as 127.0.0.1 or ::1"),
    }
}

fn port(document: &mut Document<'_>, table: &mut Table<'_>) -> Option<u16> {
    table.integer(document, "port", 0..=i64::from(u16::MAX)).map(|port| port as u16)
}

fn midi(document: &mut Document<'_>, table: &mut Table<'_>, midi: &mut MidiConfig) {
    set(&mut midi.host, table.choice(document, "host", &MidiHost::NAMES));
    section(document, table, "out", &mut midi.out, midi_out);
}

fn midi_out(document: &mut Document<'_>, table: &mut Table<'_>, out: &mut MidiOutConfig) {
    set(&mut out.notes, table.flag(document, "notes"));
    set(&mut out.clock, table.flag(document, "clock"));
    if let Some(field) = table.take("channels") {
        let integer = |number: f64| (number.fract() == 0.0).then_some(number as i64);
        let channel = |number: f64| MidiChannel::try_from(integer(number)?).ok();
        let channels = field.numbers().and_then(|numbers| numbers.into_iter().map(channel).collect::<Option<Vec<_>>>());
        match channels.and_then(|channels| channels.try_into().ok()) {
            Some(channels) => out.channels = channels,
            None => drop(field.reject::<()>(document, "three MIDI channels from 1 to 16, such as [1, 2, 3]")),
        }
    }
    let piano = table.integer(document, "piano_channel", 1..=16);
    set(&mut out.piano_channel, piano.and_then(|channel| MidiChannel::try_from(channel).ok()));
}

fn recordings(document: &mut Document<'_>, table: &mut Table<'_>, recordings: &mut RecordingsConfig) {
    set(&mut recordings.folder, table.take("folder").and_then(|field| folder(document, &field)));
    set(&mut recordings.max_gb, table.number(document, "max_gb", 0.001..=MAX_GIGABYTES));
    set(&mut recordings.keep_free_gb, table.number(document, "keep_free_gb", 0.0..=MAX_GIGABYTES));
    recordings.max_days = table.number(document, "max_days", 0.01..=36_500.0);
    let choices = [("stop", WhenFull::Stop), ("delete-oldest", WhenFull::DeleteOldest)];
    set(&mut recordings.when_full, table.choice(document, "when_full", &choices));
}

fn folder(document: &mut Document<'_>, field: &Field<'_>) -> Option<PathBuf> {
    let text = field.text(document)?;
    expand_home(&text).or_else(|| field.reject(document, "a path without ~/, because HOME names no home folder"))
}

fn log(document: &mut Document<'_>, table: &mut Table<'_>, log: &mut LogConfig) {
    set(&mut log.keep_mb, table.integer(document, "keep_mb", 0..=10_000).map(|megabytes| megabytes as u64));
}

fn control_log(document: &mut Document<'_>, table: &mut Table<'_>, log: &mut ControlLogConfig) {
    set(&mut log.write, table.flag(document, "write"));
    set(&mut log.max_mb, table.integer(document, "max_mb", 1..=65_536).map(|megabytes| megabytes as u64));
    set(&mut log.keep, table.integer(document, "keep", 0..=1000).map(|logs| logs as usize));
    let seconds = table.integer(document, "checkpoint_seconds", 1..=86_400);
    set(&mut log.checkpoint_seconds, seconds.map(|seconds| seconds as u64));
    let megabytes = table.integer(document, "checkpoints_mb", 0..=1_000_000);
    set(&mut log.checkpoints_mb, megabytes.map(|megabytes| megabytes as u64));
}
