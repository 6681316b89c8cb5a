//! Tests every part of the page in Chromium against a running daemon, at laptop and phone size.

use crate::support::client;
use crate::support::client::python;
use crate::support::daemon::{Daemon, SERVER};
use crate::support::jack_server::JackServer;

/// No audio or MIDI devices, because these tests are about the page.
const QUIET: [&str; 4] = ["--audio", "null", "--midi", "off"];

/// Tests the page in a browser; with `MELOS_BLESS=1`, retakes the screenshots in `docs/`.
fn test_page(daemon: &Daemon, mode: &str) {
    let port = daemon.http.to_string();
    let mut arguments = vec![port.as_str(), mode];
    if std::env::var_os("MELOS_BLESS").is_some() {
        arguments.push("docs");
    }
    let status = python("tests/browser/run.py", &arguments).status().unwrap();
    assert!(status.success(), "the page failed a test in mode {mode}; see the output above");
}

#[test]
fn every_part_works_on_a_laptop() {
    let state = tempfile::tempdir().unwrap();
    test_page(&Daemon::start(state.path(), &QUIET), "laptop");
}

#[test]
fn every_part_works_on_a_phone() {
    let state = tempfile::tempdir().unwrap();
    test_page(&Daemon::start(state.path(), &QUIET), "phone");
}

#[test]
fn the_page_survives_a_restart_while_listening() {
    let state = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(state.path(), &QUIET);
    let ports = (daemon.osc, daemon.http);
    let client = client::Client::spawn(&mut python("tests/browser/run.py", &[&ports.1.to_string(), "restart"]));
    client.expect("ready for a restart");
    assert!(daemon.terminate().0.success());
    client.expect("a change is pending");
    let _restarted = Daemon::spawn_at(ports, &[], state.path(), &QUIET);
    client.expect("survived the restart");
}

#[test]
fn the_page_notices_a_dead_network() {
    let state = tempfile::tempdir().unwrap();
    test_page(&Daemon::start(state.path(), &QUIET), "network");
}

#[test]
fn a_knob_is_learned_by_selecting_a_fader() {
    let state = tempfile::tempdir().unwrap();
    let _server = JackServer::start_synchronous(SERVER);
    let daemon = Daemon::start(state.path(), &["--audio", "jack", "--midi", "jack"]);
    let mut browser = python("tests/browser/run.py", &[&daemon.http.to_string(), "learn"]);
    let status = browser.env("JACK_DEFAULT_SERVER", SERVER).status().unwrap();
    assert!(status.success(), "the page failed a test of MIDI learn; see the output above");
}
