//! JACK MIDI with a real server and a sender based on a third-party library.
//!
//! libjack reads the server's name from the environment, so the test reruns itself with a server name of its own, which
//! leaves other servers on the machine alone.

use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use melos::event::parameter::{Param, Value};
use melos::event::{ControlEvent, Wake};
use melos::midi::mapping::{LiveMappings, Mapping};
use melos::midi::{MidiConnection, MidiEvent, MidiSystem};

use crate::support::jack_server::JackServer;
use crate::support::own_process;

const SERVER_VARIABLE: &str = "JACK_DEFAULT_SERVER";
/// Time limit for any wait, long enough for a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);

const MAPPING: &str = r#"
schema = 1
name = "Test"
[device]
port_contains = "sender"
clock = true
[[bind]]
cc = 20
to = "temperature"
takeover = "jump"
[[bind]]
nrpn = 300
to = "reverb"
takeover = "jump"
[[bind]]
cc = 21
to = "valence"
takeover = "jump"
[[bind]]
cc14 = 22
to = "width"
range = [0, 1]
takeover = "jump"
[[lead]]
[programs]
presets = ["calm", "angry"]
"#;

struct Rig {
    live: LiveMappings,
    events: Receiver<MidiEvent>,
    wake: Wake,
    start: Instant,
    /// Numbers of devices that appeared and disappeared.
    connected: usize,
    disconnected: usize,
    midi: MidiConnection,
}

impl Rig {
    fn new() -> Self {
        let (sender, events) = sync_channel(4096);
        let wake = Wake::default();
        let mapping = Mapping::parse(Path::new("test.toml"), MAPPING).unwrap();
        let midi = MidiConnection::start(MidiSystem::Jack, sender, wake.clone(), std::sync::Arc::default()).unwrap();
        let (live, start) = (LiveMappings::new(vec![mapping], Vec::new()), Instant::now());
        Self { live, events, wake, start, connected: 0, disconnected: 0, midi }
    }

    /// Collects events until `done` returns true.
    fn run(&mut self, mut done: impl FnMut(&Self, &[ControlEvent]) -> bool) -> Vec<ControlEvent> {
        let (mut out, started) = (Vec::new(), Instant::now());
        while !done(self, &out) {
            assert!(
                started.elapsed() < TIMEOUT,
                "timed out after {} connections and these events: {out:?}",
                self.connected
            );
            let Ok(event) = self.events.try_recv() else {
                // Every event wakes the reader.
                self.wake.wait(TIMEOUT);
                self.midi.forward_received();
                continue;
            };
            match event {
                MidiEvent::Connected(_) => self.connected += 1,
                MidiEvent::Disconnected(_) => self.disconnected += 1,
                MidiEvent::FeedbackReady(_) | MidiEvent::Sent { .. } => {}
            }
            let start = self.start;
            let frame = |at: Instant| (at.saturating_duration_since(start).as_secs_f64() * 48_000.0).round() as u64;
            self.live.process(event, frame, &mut out);
        }
        out
    }

    /// Runs the Python sender, and returns the events received until its port has disappeared.
    fn send(&mut self, what: &str) -> Vec<ControlEvent> {
        let python = std::env::var("MELOS_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let mut sender =
            Command::new(python).args(["tests/clients/jack_midi_send.py", "melos:midi_in", what]).spawn().unwrap();
        let disconnected = self.disconnected;
        // The device on the port is replaced when the sender connects and when it leaves, and each replacement reports a
        // disconnection.
        self.run(|rig, _| {
            let failed = sender.try_wait().unwrap().is_some_and(|status| !status.success());
            assert!(!failed, "the sender failed");
            rig.disconnected >= disconnected + 2
        })
    }
}

#[test]
fn jack_midi_works_and_survives_a_server_restart() {
    // Use a fixed name, so that the server replaces its predecessor in JACK's registry.
    let name = "melos-test-midi";
    if std::env::var(SERVER_VARIABLE).is_ok_and(|server| server == name) {
        return run_with_server(name);
    }
    let mut command = Command::new(own_process::test_binary());
    command.env(SERVER_VARIABLE, name).env("JACK_NO_START_SERVER", "1");
    own_process::run(command, "jack_midi::jack_midi_works_and_survives_a_server_restart");
}

fn run_with_server(name: &str) {
    let mut rig = Rig::new();
    let mut server = JackServer::start_synchronous(name);
    rig.run(|rig, _| rig.connected == 1);

    let events = rig.send("controls");
    let set = |param, value| ControlEvent::Set(param, value);
    let first = [
        set(Param::Temperature, Value::Number(2.0)),
        set(Param::Reverb, Value::Number(64.0 / 127.0)),
        set(Param::Reverb, Value::Number(8192.0 / 16_383.0)),
    ];
    let lead = [1 << 57, 1 << 57 | 1 << 60, 1 << 57 | 1 << 60 | 1 << 64, 0].map(ControlEvent::LeadNotes);
    assert_eq!(events[..3], first);
    assert_eq!(events[3..7], lead);
    assert_eq!(events[7], set(Param::Preset, Value::Text("angry".to_owned())));
    assert_eq!(events.len(), 8 + 2000, "every step of the flood should arrive");

    // A 14-bit fader from a MIDI file: every step is exact, and the value does not jump between the two messages of a
    // step.
    let moves = rig.send("file");
    let widths: Vec<f32> = moves
        .iter()
        .filter_map(|event| match event {
            ControlEvent::Set(Param::Width, Value::Number(width)) => Some(*width),
            _ => None,
        })
        .collect();
    let mut reached = widths.iter();
    for step in 0..100u32 {
        let expected = ((step * 16_383) as f32 / 99.0).round_ties_even() / 16_383.0;
        assert!(reached.any(|width| *width == expected), "{expected} is missing from {widths:?}");
    }
    assert!(widths.windows(2).all(|pair| (pair[1] - pair[0]).abs() < 0.02), "{widths:?}");

    let events = rig.send("clock");
    let tempos: Vec<f64> = events
        .iter()
        .filter_map(|event| match event {
            ControlEvent::Tempo(tempo) => Some(*tempo),
            _ => None,
        })
        .collect();
    // A server without real-time priority on a busy machine is not a steady clock; the unit tests of the clock
    // follower check its precision.
    let near = |expected: f64| tempos.iter().any(|tempo| (tempo / expected - 1.0).abs() < 0.05);
    assert!(near(80.0) && near(140.0), "{tempos:?}");
    let beats: Vec<(f64, u64)> = events
        .iter()
        .filter_map(|event| match event {
            ControlEvent::Beat { beat, at } => Some((*beat, *at)),
            _ => None,
        })
        .collect();
    assert!(beats.iter().map(|(beat, _)| *beat as u64).eq(0..17), "{beats:?}");

    let disconnected = rig.disconnected;
    server.kill();
    rig.run(|rig, _| rig.disconnected > disconnected);
    drop(server);
    let connected = rig.connected;
    let _server = JackServer::start_synchronous(name);
    rig.run(|rig, _| rig.connected > connected);
    // The first knob has not moved since the first run, so it causes no event.
    assert_eq!(rig.send("controls").len(), 2007);
}
