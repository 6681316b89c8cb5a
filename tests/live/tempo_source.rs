//! Tempo sources, with a real JACK server, `jack_transport` as timebase master, and a MIDI clock.
//!
//! libjack reads the server's name from the environment, so the test reruns itself in a process whose environment names
//! the daemon's server.

use std::io::Write;
use std::net::UdpSocket;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use jack::{Client, ClientOptions, Control, MidiOut, RawMidi};
use rosc::{OscMessage, OscPacket, OscType};
use serde_json::Value as Json;

use crate::support::daemon::{Daemon, SERVER, TIMEOUT};
use crate::support::jack_server::JackServer;
use crate::support::own_process;

/// A running `jack_transport`, which reads one command per line.
struct TimebaseMaster {
    child: Child,
    commands: ChildStdin,
}

impl TimebaseMaster {
    fn start() -> Self {
        let mut child = Command::new("jack_transport")
            .env("JACK_NO_START_SERVER", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("jack_transport is needed: apt-get install jackd2");
        let commands = child.stdin.take().unwrap();
        Self { child, commands }
    }

    fn send(&mut self, command: &str) {
        writeln!(self.commands, "{command}").unwrap();
    }
}

impl Drop for TimebaseMaster {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a MIDI clock, which runs until dropped. `period` is the number of frames between ticks and may change; 0
/// pauses the clock.
fn midi_clock(period: Arc<AtomicU64>) -> impl Drop {
    struct Clock(Option<Box<dyn FnOnce()>>);
    impl Drop for Clock {
        fn drop(&mut self) {
            if let Some(end) = self.0.take() {
                end();
            }
        }
    }
    let (client, _) = Client::new("test-clock", ClientOptions::NO_START_SERVER).unwrap();
    let mut port = client.register_port("out", MidiOut::default()).unwrap();
    let name = port.name().unwrap();
    let mut next = 0;
    let process = jack::contrib::ClosureProcessHandler::new(move |_: &Client, scope: &jack::ProcessScope| {
        let (period, frames) = (period.load(Relaxed), u64::from(scope.n_frames()));
        let mut writer = port.writer(scope);
        while period > 0 && next < frames {
            let _ = writer.write(&RawMidi { time: next as u32, bytes: &[0xF8] });
            next += period;
        }
        next = next.saturating_sub(frames);
        Control::Continue
    });
    let active = client.activate_async((), process).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    // Like a patchbay, restore connections that a busy machine has dropped.
    let patchbay = std::thread::spawn(move || {
        while !stopped.load(Relaxed) {
            let _ = active.as_client().connect_ports_by_name(&name, "melos:midi_in");
            std::thread::sleep(Duration::from_millis(50));
        }
        drop(active.deactivate());
    });
    Clock(Some(Box::new(move || {
        stop.store(true, Relaxed);
        patchbay.join().unwrap();
    })))
}

fn wait_for_tempo(daemon: &Daemon, what: &str, bpm: f64, source: &str) -> Json {
    daemon.wait_until(what, |status| {
        let parameters = &status["parameters"];
        // A server without real-time priority on a busy machine is not a steady clock.
        let near = (parameters["tempo"].as_f64().unwrap() / bpm - 1.0).abs() < 0.05;
        near && parameters["tempo/source"] == source
    })
}

/// Waits until Melos reports that the tempo source is absent, for the given reason.
fn wait_until_absent(daemon: &Daemon, why: &str) {
    daemon.wait_until(&format!("this trouble is reported: {why}"), |status| {
        status["troubles"]["tempo"].as_str().is_some_and(|reason| reason.contains(why))
    });
}

fn wait_until_present(daemon: &Daemon) {
    daemon.wait_until("the tempo source is present", |status| status["troubles"]["tempo"].is_null());
}

#[test]
fn only_the_selected_source_sets_the_tempo() {
    if std::env::var("JACK_DEFAULT_SERVER").is_ok_and(|server| server == SERVER) {
        return run_with_server();
    }
    let mut command = Command::new(own_process::test_binary());
    command.env("JACK_DEFAULT_SERVER", SERVER);
    own_process::run(command, "tempo_source::only_the_selected_source_sets_the_tempo");
}

fn run_with_server() {
    let _server = JackServer::start_synchronous(SERVER);
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), &["--audio", "jack", "--set", "emotion=calm"]);
    let mut master = TimebaseMaster::start();
    for command in ["master", "tempo 90", "play"] {
        master.send(command);
    }
    let period = Arc::new(AtomicU64::new(48_000 * 60 / 24 / 150));
    let clock = midi_clock(Arc::clone(&period));
    std::thread::sleep(Duration::from_secs(3));
    // Both are running, but the mood still sets the tempo.
    let status = wait_for_tempo(&daemon, "the mood sets the tempo", 60.0, "mood");
    assert_eq!(status["parameters"]["tempo/follow"], true);

    daemon.oscsend(&["/melos/tempo/source", "s", "jack"]);
    wait_for_tempo(&daemon, "the transport sets the tempo", 90.0, "jack");
    master.send("tempo 111");
    wait_for_tempo(&daemon, "the transport's new tempo applies", 111.0, "jack");
    daemon.oscsend(&["/melos/tempo", "f", "180"]);
    daemon.oscsend(&["/melos/preset", "s", "storm"]);
    daemon.wait_until("the preset is loaded", |status| status["parameters"]["preset"] == "storm");
    std::thread::sleep(Duration::from_secs(1));
    wait_for_tempo(&daemon, "neither a manual tempo nor a preset overrides the transport", 111.0, "jack");
    // A transport that stops or disappears leaves the tempo unchanged.
    wait_until_present(&daemon);
    master.send("stop");
    drop(master);
    wait_until_absent(&daemon, "there is no timebase master");
    wait_for_tempo(&daemon, "the tempo is kept", 111.0, "jack");

    daemon.oscsend(&["/melos/tempo/source", "s", "clock"]);
    wait_for_tempo(&daemon, "a clock that has been running all along sets the tempo", 150.0, "clock");
    period.store(48_000 * 60 / 24 / 75, Relaxed);
    wait_for_tempo(&daemon, "the clock's new tempo applies", 75.0, "clock");
    wait_until_present(&daemon);
    period.store(0, Relaxed);
    wait_until_absent(&daemon, "no MIDI clock received");
    wait_for_tempo(&daemon, "a clock that has stopped leaves the tempo unchanged", 75.0, "clock");

    // The deprecated address: off pins the tempo, and on makes it follow the mood again.
    daemon.oscsend(&["/melos/tempo/follow", "i", "1"]);
    daemon.wait_until("the mood sets the tempo", |status| status["parameters"]["tempo/source"] == "mood");
    daemon.oscsend(&["/melos/tempo", "f", "101"]);
    let pinned = wait_for_tempo(&daemon, "setting a tempo pins it", 101.0, "pinned");
    assert_eq!(pinned["parameters"]["tempo/follow"], false);
    drop(clock);

    let (status, log) = daemon.terminate();
    assert!(status.success(), "{log}");
    for expected in [
        "the JACK transport controls the tempo; to set it yourself, run `melos set tempo/source pinned`",
        "the tempo is fixed at 101 bpm; `melos set tempo/source mood` lets the mood control it again",
    ] {
        assert!(log.contains(expected), "{expected}\n{log}");
    }
    let session = std::fs::read_to_string(dir.path().join("session.log")).unwrap();
    let lines: Vec<&str> = session.lines().collect();
    let at = |part: &str| lines.iter().position(|line| line.contains(part)).unwrap_or_else(|| panic!("{part}"));
    // The control log contains tempos and beats only from the selected source, not from the clock that ran before.
    let first = |word: &str| lines.iter().position(|line| line.split(' ').nth(1) == Some(word)).unwrap();
    assert!(first("tempo") > at("/melos/tempo/source \"jack\"") && first("beat") > first("tempo"), "{session}");
}

#[test]
fn an_absent_tempo_source_is_announced() {
    let dir = tempfile::tempdir().unwrap();
    let arguments = ["--audio", "null", "--midi", "off", "--set", "tempo/source=clock"];
    let daemon = Daemon::start(dir.path(), &arguments);
    wait_until_absent(&daemon, "no MIDI clock received");

    let subscriber = UdpSocket::bind("127.0.0.1:0").unwrap();
    subscriber.set_read_timeout(Some(TIMEOUT)).unwrap();
    let message = |addr: &str| OscPacket::Message(OscMessage { addr: addr.to_owned(), args: Vec::new() });
    let subscribe = rosc::encoder::encode(&message("/melos/subscribe")).unwrap();
    subscriber.send_to(&subscribe, ("127.0.0.1", daemon.osc)).unwrap();
    let trouble = || {
        let mut datagram = [0; 4096];
        loop {
            let length = subscriber.recv(&mut datagram).expect("the trouble should be announced");
            let (_, packet) = rosc::decoder::decode_udp(&datagram[..length]).unwrap();
            if let OscPacket::Message(OscMessage { addr, args }) = packet
                && addr == "/melos/trouble"
            {
                return args.into_iter().filter_map(OscType::string).collect::<Vec<_>>();
            }
        }
    };
    let current = trouble();
    assert!(current[0] == "tempo" && current[1].starts_with("no MIDI clock received"), "{current:?}");
    daemon.oscsend(&["/melos/tempo/source", "s", "mood"]);
    assert_eq!(trouble(), ["tempo", ""]);
    daemon.oscsend(&["/melos/tempo/source", "s", "link"]);
    let announced = trouble();
    assert!(announced[0] == "tempo" && announced[1].contains("Ableton Link"), "{announced:?}");
    let status = Command::new(env!("CARGO_BIN_EXE_melos"))
        .args(["status", "--http", &daemon.http.to_string()])
        .output()
        .unwrap();
    let status = String::from_utf8(status.stdout).unwrap();
    assert!(status.contains("bpm (waiting for Ableton Link)") && status.contains("Trouble  tempo: "), "{status}");
}
