//! A controller with motors and lights (a Python client), connected to a running daemon through JACK MIDI.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::sleep;
use std::time::Duration;

use crate::support::client::python;
use crate::support::daemon::{Daemon, SERVER, TIMEOUT};
use crate::support::jack_server::JackServer;

const MAPPING: &str = r#"
schema = 1
name = "Desk"
[device]
port_contains = "desk"
feedback = true
light = 60
[[bind]]
cc = 7
to = "reverb"
[[bind]]
cc14 = 1
to = "width"
range = [0, 1]
[[bind]]
note = 36
to = "emotion"
value = "sad"
[[bind]]
note = 37
to = "hold"
toggle = true
"#;

/// Longer than the time for which a control must be at rest before it gets feedback.
const IDLE_TIME: Duration = Duration::from_millis(500);

/// A program that prints lines. Dropping it closes its standard input and waits until it exits.
struct Program {
    child: Child,
    lines: Receiver<String>,
}

impl Program {
    fn start(mut command: Command) -> Self {
        command.env("JACK_DEFAULT_SERVER", SERVER).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = channel();
        let out = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            BufReader::new(out).lines().map_while(Result::ok).all(|line| sender.send(line).is_ok())
        });
        Self { child, lines }
    }

    fn desk(arguments: &[&str]) -> Self {
        Self::start(python("tests/clients/jack_midi_desk.py", arguments))
    }

    fn send(&self, message: &[u8]) {
        let text: String = message.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(self.child.stdin.as_ref().unwrap(), "{text}").unwrap();
    }

    /// Reads lines up to and including `last`, and returns them.
    fn read_until(&self, last: &str) -> Vec<String> {
        let mut seen = Vec::new();
        while seen.last().is_none_or(|line| line != last) {
            let line = self.lines.recv_timeout(TIMEOUT).unwrap_or_else(|_| panic!("expected {last}, got {seen:#?}"));
            seen.push(line);
        }
        seen
    }

    /// Waits for lines, in any order.
    fn expect_all(&self, expected: &[&str]) {
        let (mut missing, mut seen) = (expected.to_vec(), Vec::new());
        while !missing.is_empty() {
            let line =
                self.lines.recv_timeout(TIMEOUT).unwrap_or_else(|_| panic!("{missing:?} missing from {seen:#?}"));
            missing.retain(|expected| *expected != line);
            seen.push(line);
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Creates a data folder with the shipped presets and models, and one mapping.
fn data_folder(mapping: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    for shipped in ["models", "presets"] {
        std::os::unix::fs::symlink(here.join(shipped), folder.path().join(shipped)).unwrap();
    }
    fs::create_dir(folder.path().join("mappings")).unwrap();
    fs::write(folder.path().join("mappings/desk.toml"), mapping).unwrap();
    folder
}

fn is_near(status: &serde_json::Value, parameter: &str, value: f64) -> bool {
    status["parameters"][parameter].as_f64().is_some_and(|found| (found - value).abs() < 1e-6)
}

#[test]
fn motors_and_lights_follow_parameters_but_never_move_a_fader_in_use() {
    let _server = JackServer::start(SERVER, 256);
    let (data, state) = (data_folder(MAPPING), tempfile::tempdir().unwrap());
    let arguments = ["--audio", "jack", "--preset", "calm", "--set", "reverb=0.5", "--set", "width=1"];
    let daemon = Daemon::start(state.path(), &[&arguments[..], &["--data", data.path().to_str().unwrap()]].concat());

    let desk = Program::desk(&[]);
    desk.expect_all(&["b0 07 40", "b0 01 7f", "b0 21 7f", "80 24 00", "80 25 00"]);

    daemon.oscsend(&["/melos/reverb", "f", "1"]);
    desk.read_until("b0 07 7f");
    daemon.oscsend(&["/melos/emotion", "s", "sad"]);
    desk.read_until("90 24 3c");

    // A fader never gets its own values back, either while it moves or when it is at rest.
    for position in (64..127).rev() {
        desk.send(&[0xB0, 7, position]);
    }
    daemon.wait_until("the fader sets the reverb", |status| is_near(status, "reverb", 64.0 / 127.0));
    daemon.oscsend(&["/melos/hold", "i", "1"]);
    let mut received = desk.read_until("90 25 3c");
    sleep(IDLE_TIME);
    daemon.oscsend(&["/melos/hold", "i", "0"]);
    received.extend(desk.read_until("80 25 00"));
    assert!(!received.iter().any(|line| line.starts_with("b0 07")), "{received:?}");

    // The motor has moved the fader to the value, so the next move takes effect, however large.
    daemon.oscsend(&["/melos/reverb", "f", "0"]);
    desk.read_until("b0 07 00");
    desk.send(&[0xB0, 7, 100]);
    daemon.wait_until("the fader sets the reverb", |status| is_near(status, "reverb", 100.0 / 127.0));

    // Loading a preset sends all feedback again.
    daemon.oscsend(&["/melos/preset", "s", "storm"]);
    desk.expect_all(&["80 25 00", "80 24 00"]);
    let reverb = daemon.wait_until("storm plays", |status| status["parameters"]["preset"] == "storm");
    let reverb = (reverb["parameters"]["reverb"].as_f64().unwrap() * 127.0).round() as u8;

    // A controller that reconnects gets all feedback, and one that echoes all messages changes nothing.
    drop(desk);
    let desk = Program::desk(&["--echo"]);
    desk.read_until(&format!("b0 07 {reverb:02x}"));
    daemon.oscsend(&["/melos/reverb", "f", "0.9"]);
    daemon.oscsend(&["/melos/width", "f", "0.3"]);
    daemon.oscsend(&["/melos/hold", "i", "1"]);
    desk.expect_all(&["b0 07 72", "b0 01 26", "90 25 3c"]);
    sleep(IDLE_TIME);
    daemon.oscsend(&["/melos/hold", "i", "0"]);
    let received = desk.read_until("80 25 00");
    assert!(received.len() <= 2, "feedback loop: {received:?}");
    let status = daemon.wait_until("hold is off", |status| status["parameters"]["hold"] == false);
    assert!(is_near(&status, "reverb", f64::from(0.9f32)) && is_near(&status, "width", f64::from(0.3f32)), "{status}");
}

#[test]
fn a_control_learned_over_osc_works_immediately_and_after_a_restart() {
    let _server = JackServer::start(SERVER, 256);
    let state = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(state.path(), &["--audio", "jack", "--preset", "calm"]);
    let desk = Program::desk(&[]);
    let client = Program::start(python("tests/clients/osc_learn.py", &[&daemon.osc.to_string(), "reverb"]));
    // Move the control until it is learned.
    let reply = (0..).find_map(|step: u32| {
        desk.send(&[0xB0, 20, (10 + step % 100) as u8]);
        client.lines.recv_timeout(Duration::from_millis(50)).ok()
    });
    let reply = reply.unwrap();
    assert!(reply.starts_with("/melos/learn reverb [[bind]]; cc = 20; channel = 1; to = \"reverb\""), "{reply}");
    desk.send(&[0xB0, 20, 0]);
    desk.send(&[0xB0, 20, 127]);
    daemon.wait_until("the control sets the reverb", |status| is_near(status, "reverb", 1.0));
    assert!(daemon.terminate().0.success());
    drop(desk);

    let daemon = Daemon::start(state.path(), &["--audio", "jack"]);
    daemon.wait_until("the state is restored", |status| is_near(status, "reverb", 1.0));
    let desk = Program::desk(&[]);
    desk.read_until("connected");
    // Messages sent before the daemon sees the connection are lost.
    daemon.wait_until("the control still sets the reverb", |status| {
        desk.send(&[0xB0, 20, 127]);
        desk.send(&[0xB0, 20, 0]);
        is_near(status, "reverb", 0.0)
    });
    let client = Program::start(python("tests/clients/osc_learn.py", &[&daemon.osc.to_string(), "reverb", "forget"]));
    client.read_until("/melos/learn reverb ");
    desk.send(&[0xB0, 20, 127]);
    daemon.oscsend(&["/melos/width", "f", "0.25"]);
    daemon.wait_until("the control no longer has any effect", |status| {
        is_near(status, "width", 0.25) && is_near(status, "reverb", 0.0)
    });
}

#[test]
fn each_of_two_devices_uses_its_own_mapping() {
    let _server = JackServer::start(SERVER, 256);
    let (data, state) = (data_folder(MAPPING), tempfile::tempdir().unwrap());
    fs::copy("mappings/keyboard.toml", data.path().join("mappings/keyboard.toml")).unwrap();
    let arguments =
        ["--audio", "jack", "--preset", "calm", "--set", "reverb=0.5", "--data", data.path().to_str().unwrap()];
    let daemon = Daemon::start(state.path(), &arguments);
    let (desk, keys) = (Program::desk(&[]), Program::desk(&["keys", "_2"]));
    keys.read_until("connected");
    desk.read_until("b0 07 40");
    sleep(IDLE_TIME);
    // Only the keyboard's mapping has programs, and only the desk's fader sets the reverb.
    keys.send(&[0xC0, 5]);
    let status = daemon.wait_until("the keyboard selects a preset", |status| status["parameters"]["preset"] == "angry");
    let reverb = (status["parameters"]["reverb"].as_f64().unwrap() * 127.0).round() as u8;
    desk.read_until(&format!("b0 07 {reverb:02x}"));
    desk.send(&[0xB0, 7, 127]);
    daemon.wait_until("the desk's fader sets the reverb", |status| is_near(status, "reverb", 1.0));
    assert!(is_near(&daemon.status().unwrap(), "level/master", 0.0));
}
