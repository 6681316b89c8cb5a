//! Fuzz targets for all external input to the daemon: any input must be rejected or have a valid effect.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use melos::event::ControlEvent;
use melos::event::log::{ControlLog, Entry, copy_for_take, may_be_log};
use melos::event::parameter::{Input, Kind, Param, TABLE, Value};
use melos::files::config::Config;
use melos::files::preset::{JourneySteps, Preset};
use melos::files::scene::Scene;
use melos::files::setlist::Setlist;
use melos::generator::model::Manifest;
use melos::midi::mapping::{Mapping, Router};
use melos::midi::{ClockEvent, ClockFollower, Parser};
use melos::remote::http::probe_piece;
use melos::remote::osc::{self, Now, Request};
use melos::remote::oscquery::Probe;
use melos::session::checkpoint::Checkpoint;
use melos::session::live::reformat;

/// A target's name, which is also the name of its seed folder, and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All targets of this module.
pub const TARGETS: [Target; 13] = [
    ("osc", osc),
    ("midi", midi),
    ("mapping", mapping),
    ("preset", preset),
    ("oscquery", oscquery),
    ("socket", socket),
    ("post", post),
    ("piece", piece),
    ("control_log", control_log),
    ("checkpoint", checkpoint),
    ("model", model),
    ("config", config),
    ("state", state),
];

/// Decodes arbitrary bytes as a datagram. Accepted requests must have valid values, and every log message must be one
/// short line.
pub fn osc(datagram: &[u8]) {
    let now = Now::read();
    let decoded = osc::decode(datagram, now);
    for fault in &decoded.faults {
        let message = fault.to_string();
        assert!(message.len() < 2_000 && !message.contains(char::is_control), "{message:?}");
    }
    for request in decoded.requests {
        match request {
            Request::Control(event, due) => {
                match event {
                    ControlEvent::Set(param, value) | ControlEvent::NextBar(param, value) => {
                        assert!(is_valid(param, &value), "{} = {value:?}", param.spec().id);
                    }
                    ControlEvent::RenameScene { from, to } => assert!(!from.is_empty() && !to.is_empty()),
                    ControlEvent::PlayNote { note, velocity } => assert!(note < 128 && velocity < 128),
                    other => panic!("OSC cannot send {other:?}"),
                }
                let ahead = due.map_or(Duration::ZERO, |due| due.duration_since(now.monotonic));
                assert!(ahead <= Duration::from_secs(3600), "{ahead:?} ahead");
            }
            Request::Subscribe(port) | Request::Unsubscribe(port) => assert_ne!(port, Some(0)),
            Request::Release(_)
            | Request::Read { .. }
            | Request::ReadStream(_)
            | Request::State
            | Request::Subscribers
            | Request::Ping(_)
            | Request::Confirm(_)
            | Request::Learn(_) => {}
        }
    }
}

/// Sends arbitrary bytes, as if from a MIDI device, through every shipped mapping and through the clock follower; every
/// resulting value and tempo must be valid.
pub fn midi(bytes: &[u8]) {
    static MAPPINGS: LazyLock<Vec<Arc<Mapping>>> = LazyLock::new(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().find(|folder| folder.join("mappings").is_dir());
        let folder = folder.expect("the folder of mappings should exist").join("mappings");
        let files = folder
            .read_dir()
            .expect("the folder should be readable")
            .map(|file| file.expect("the entry should be readable").path());
        files.map(|file| Arc::new(Mapping::read(&file).expect("the shipped mappings should be valid"))).collect()
    });
    for mapping in MAPPINGS.iter() {
        route(mapping, bytes);
    }
    let (mut parser, mut clock, mut events) = (Parser::default(), ClockFollower::default(), Vec::new());
    let mut at = Instant::now();
    for byte in bytes {
        // Each byte also determines the time since the previous one.
        at += Duration::from_micros(u64::from(byte % 128) * 500);
        if let Some(message) = parser.feed(*byte) {
            clock.process(message, at, &mut events);
        }
    }
    for event in events {
        if let ClockEvent::Tempo(tempo) = event {
            assert!(tempo.is_finite() && tempo > 0.0, "{tempo} bpm");
        }
    }
}

/// Parses arbitrary text as a mapping; an accepted mapping must turn all kinds of messages into valid events.
pub fn mapping(text: &[u8]) {
    /// All kinds of channel messages on two channels, and the transport messages.
    static MESSAGES: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let mut bytes = Vec::new();
        for status in (0x80..=0xE0).step_by(0x10).flat_map(|kind| [kind, kind | 9]) {
            for first in 0..128 {
                for second in [0, 1, 63, 64, 65, 127] {
                    bytes.extend([status, first, second]);
                }
            }
        }
        bytes.extend([0xFA, 0xFB, 0xFC]);
        bytes
    });
    let Ok(text) = std::str::from_utf8(text) else { return };
    if let Ok(mapping) = Mapping::parse(Path::new("fuzz.toml"), text) {
        route(&Arc::new(mapping), &MESSAGES);
    }
}

/// Parses arbitrary text as a preset, a scene and a setlist; an accepted preset with its journey, or an accepted scene, must
/// set only valid values, and an accepted setlist must have entries.
pub fn preset(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    for (param, value) in Scene::parse(Path::new("fuzz.toml"), text).unwrap_or_default().values {
        assert!(is_valid(param, &value) && param.policy().scene, "{} = {value:?}", param.spec().id);
    }
    if let Ok(setlist) = Setlist::parse(Path::new("fuzz.toml"), text) {
        assert!(!setlist.entries.is_empty());
    }
    let Ok(preset) = Preset::parse(Path::new("fuzz.toml"), text) else { return };
    let steps = JourneySteps::new(&preset, 0).take(100);
    for (param, value) in preset.settings().into_iter().chain(steps.flat_map(|(_, settings)| settings)) {
        assert!(is_valid(param, &value), "{} = {value:?}", param.spec().id);
    }
}

/// Requests an arbitrary path, which ends at the first line break, with the rest as the query; the response must have an
/// expected status code.
pub fn oscquery(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (path, query) = text.split_once('\n').map_or((&*text, None), |(path, query)| (path, Some(query)));
    let code = Probe::default().query(path, query);
    assert!([200, 204, 400, 404].contains(&code), "status code {code}");
}

/// Sends arbitrary messages to a WebSocket; the number of replies to each must be bounded. In the input, each message
/// consists of a byte whose lowest bit marks text, a two-byte length, and the contents.
pub fn socket(mut bytes: &[u8]) {
    let mut probe = Probe::default();
    while let [kind, high, low, rest @ ..] = bytes {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (message, after) = rest.split_at(length);
        let replies = if kind & 1 == 1 { probe.text(&String::from_utf8_lossy(message)) } else { probe.packet(message) };
        assert!(replies <= TABLE.len() + 8, "{replies} replies to one message");
        bytes = after;
    }
}

/// Sends arbitrary bytes as the body of a `POST /osc`; the reason for a refusal must be a single line.
pub fn post(packet: &[u8]) {
    if let Err(reason) = Probe::default().post(packet) {
        assert!(!reason.is_empty() && !reason.contains(char::is_control), "{reason:?}");
    }
}

/// Sends arbitrary bytes as the body of a `POST /render`; the file of an accepted piece must stay in its folder, and all
/// that is passed to the process that renders it must be options.
pub fn piece(body: &[u8]) {
    match probe_piece(body) {
        Ok((file, arguments)) => {
            assert!(file.starts_with("melos-1") && !file.contains(['/', '\\', '\0']), "{file:?}");
            let is_option = |argument: &std::ffi::OsString| argument.as_encoded_bytes().starts_with(b"--");
            assert!(arguments.iter().all(is_option), "{arguments:?}");
        }
        Err(reason) => assert!(!reason.is_empty()),
    }
}

/// Reads arbitrary bytes as a control log; an accepted log must not end before it starts, and its copy beside a take must
/// have the same entries.
pub fn control_log(bytes: &[u8]) {
    let Ok(log) = ControlLog::read(bytes) else { return };
    let frames = log.frames();
    assert!(frames.start <= frames.end, "{frames:?}");
    assert!(may_be_log(bytes).is_ok_and(|may_be_log| may_be_log));
    let mut copy = Vec::new();
    copy_for_take(bytes, &mut copy, &(64..128), &[70..80]).expect("a log should be copied");
    let copied = ControlLog::read(copy.as_slice()).expect("the copy should be a log");
    let events = |log: &ControlLog| log.entries.iter().filter(|(_, entry)| *entry != Entry::End).count();
    assert_eq!(events(&copied), events(&log));
}

/// Reads a checkpoint file of this version with arbitrary contents after its header; an accepted checkpoint must be read
/// back unchanged.
pub fn checkpoint(bytes: &[u8]) {
    const MODEL: &str = "tiny-model 3f2a";
    /// Number of bytes of an empty checkpoint: two numbers and three lengths.
    const EMPTY: usize = 5;
    let written = |checkpoint: &Checkpoint| {
        let mut file = Vec::new();
        checkpoint.write(MODEL, &mut file).expect("memory can be written to");
        file
    };
    let read = |file: &[u8]| Checkpoint::read(&write_file("take.checkpoint", file), MODEL).ok();
    let mut contents = Vec::new();
    let empty = written(&Checkpoint::default());
    GzDecoder::new(empty.as_slice()).read_to_end(&mut contents).expect("a written file should be readable");
    contents.truncate(contents.len() - EMPTY);
    contents.extend(bytes);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&contents).expect("memory can be written to");
    if let Some(checkpoint) = read(&encoder.finish().expect("memory can be written to")) {
        assert_eq!(read(&written(&checkpoint)), Some(checkpoint));
    }
}

/// Reads arbitrary bytes as a model's manifest; an accepted manifest must have a fingerprint.
pub fn model(text: &[u8]) {
    if let Ok(manifest) = Manifest::read(&write_file("model.toml", text)) {
        assert!(!manifest.fingerprint().is_empty());
    }
}

/// Reads arbitrary bytes as a configuration, and checks whether an accepted one exposes the daemon to the network.
pub fn config(text: &[u8]) {
    if let Ok(config) = Config::read(&write_file("melos.toml", text)) {
        let _ = config.exposure_warnings();
    }
}

/// Reads arbitrary bytes as saved state; what was accepted must be read back unchanged and without problems.
pub fn state(bytes: &[u8]) {
    let (text, _) = reformat(bytes);
    let (reformatted, problems) = reformat(text.as_bytes());
    assert_eq!((reformatted.as_str(), problems), (text.as_str(), 0), "from {:?}", String::from_utf8_lossy(bytes));
}

/// Writes bytes to a file, in memory if the system allows it, and returns the file's path.
fn write_file(name: &str, bytes: &[u8]) -> PathBuf {
    let folder = Path::new("/dev/shm");
    let folder = if folder.is_dir() { folder.to_owned() } else { std::env::temp_dir() };
    let path = folder.join(format!("melos-fuzz-{}-{name}", std::process::id()));
    std::fs::write(&path, bytes).expect("there should be room for a small file");
    path
}

/// Returns whether a value is valid for its parameter.
fn is_valid(param: Param, value: &Value) -> bool {
    match (param.spec().kind, value) {
        (Kind::Number { min, max, .. }, Value::Number(number)) => (min..=max).contains(number),
        (Kind::Choice { names, .. }, Value::Choice(position)) => usize::from(*position) < names.len(),
        (Kind::Toggle { .. }, Value::Toggle(_)) | (Kind::Text { .. }, Value::Text(_)) => true,
        (Kind::Chord, Value::Text(symbol)) => param.fit(Input::Text(symbol)).is_ok(),
        (Kind::Trigger, Value::Trigger) => true,
        _ => false,
    }
}

/// Sends a device's bytes through a mapping; every resulting value must be valid.
fn route(mapping: &Arc<Mapping>, bytes: &[u8]) {
    let values: Vec<_> = TABLE.iter().map(|spec| spec.param.default_value()).collect();
    let mut router = Router::new(Arc::clone(mapping), &values);
    let (mut parser, mut events) = (Parser::default(), Vec::new());
    for message in bytes.iter().filter_map(|byte| parser.feed(*byte)) {
        router.process(message, &mut events);
        for event in events.drain(..) {
            if let ControlEvent::Set(param, value) = event {
                assert!(is_valid(param, &value), "{} = {value:?}", param.spec().id);
                router.update_value(param, &value);
            }
        }
    }
}
