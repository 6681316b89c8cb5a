//! A sound server that starts after Melos is used for both audio and MIDI.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::jack_server::JackServer;
use crate::support::loopback_daemon::{LoopbackDaemon, SERVER, TIMEOUT};

#[test]
fn a_server_that_starts_later_is_used_with_its_midi() {
    let mut daemon = LoopbackDaemon::spawn("127.0.0.51", Stdio::null(), &["--audio", "auto"]);
    daemon.wait_until("Melos reports that it has no device", |status| status["state"] == "no-device");
    daemon.check_response();
    let _server = JackServer::start_synchronous(SERVER);
    daemon.wait_until("Melos plays through JACK", |status| {
        status["state"] == "playing" && status["output"].as_str().is_some_and(|output| output.starts_with("JACK"))
    });
    let started = Instant::now();
    let ports = || {
        let mut listed = Command::new("jack_lsp");
        listed.envs([("JACK_DEFAULT_SERVER", SERVER), ("JACK_NO_START_SERVER", "1")]);
        String::from_utf8(listed.output().unwrap().stdout).unwrap()
    };
    while !["melos-audio:left", "melos:midi_in", "melos:midi_out"].iter().all(|port| ports().contains(port)) {
        assert!(started.elapsed() < TIMEOUT, "{}", ports());
        sleep(Duration::from_millis(100));
    }
    daemon.check_response();
    daemon.terminate();
}
