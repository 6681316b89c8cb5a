//! What the daemon sends to third-party OSC clients, and when the clients' messages take effect.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use melos::event::health::Loss;

use crate::support::client::{Client, free_port, python, wait_until_bound};
use crate::support::daemon::Daemon;

const QUIET: [&str; 6] = ["--audio", "null", "--midi", "off", "--preset", "calm"];

#[test]
fn every_stream_reaches_a_subscriber() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(folder.path(), &QUIET);
    let port = free_port();
    let dump = Client::spawn(Command::new("stdbuf").args(["-oL", "oscdump", &port]));
    wait_until_bound(&port);
    daemon.oscsend(&["/melos/subscribe", "i", &port]);
    dump.expect_all(&[
        "/melos/beat iif ",
        "/melos/bar if ",
        "/melos/chord ss ",
        "/melos/note iifi ",
        "/melos/onset f 0.",
        "/melos/level ff -",
        "/melos/mood ffffffffff ",
        &format!("/melos/health sf{} \"playing\" ", "i".repeat(Loss::ALL.len())),
    ]);
    let status = daemon.status().unwrap();
    let counted: BTreeSet<_> = status["losses"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(counted, Loss::ALL.map(Loss::id).into(), "the status should contain every loss");
    // The current mood glides to the requested one.
    daemon.oscsend(&["/melos/glide", "f", "1"]);
    daemon.oscsend(&["/melos/emotion", "s", "sad"]);
    dump.expect("/melos/mood ffffffffff 0.000000 1.000000 0.000000 0.000000 ");
}

#[test]
fn values_are_rate_limited_and_never_echoed() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(folder.path(), &QUIET);
    let pair = Client::spawn(&mut python("tests/clients/osc_pair.py", &[&daemon.osc.to_string()]));
    pair.expect("newest 1.0");
    pair.expect("in order True");
    pair.expect("at most 30 a second True");
    pair.expect("echoed 0");
    pair.expect("from the other client -0.5");
}

#[test]
fn bundles_take_effect_at_their_time_tags() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("take.log");
    let daemon = Daemon::start(folder.path(), &[&QUIET[..], &["--control-log", log.to_str().unwrap()]].concat());
    let sent = python("tests/clients/osc_schedule.py", &[&daemon.osc.to_string()]).status();
    assert!(sent.unwrap().success());
    daemon.wait_until("both values are applied", |status| status["parameters"]["tone"] == 0.75);
    let log = fs::read_to_string(log).unwrap();
    let applied: Vec<(u64, &str)> = log
        .lines()
        .filter_map(|line| line.split_once(" /melos/tone "))
        .filter_map(|(frame, value)| Some((frame.parse().ok()?, value)))
        .collect();
    let [(first, "0.25"), (second, "0.75")] = applied[..] else { panic!("{applied:?}") };
    // A time tag may fall between frames.
    assert!((second - first).abs_diff(4800) <= 1, "{} frames apart", second - first);
}

#[test]
fn the_latest_value_applies_and_is_sent_at_the_next_bar() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("take.log");
    let daemon = Daemon::start(folder.path(), &[&QUIET[..], &["--control-log", log.to_str().unwrap()]].concat());
    let port = free_port();
    let dump = Client::spawn(Command::new("stdbuf").args(["-oL", "oscdump", &port]));
    wait_until_bound(&port);
    daemon.oscsend(&["/melos/subscribe", "i", &port]);
    let sent = python("tests/clients/osc_bar.py", &[&daemon.osc.to_string()]).status();
    assert!(sent.unwrap().success());
    dump.expect("/melos/tone f 0.75");
    let log = fs::read_to_string(log).unwrap();
    assert!(log.lines().any(|line| line.ends_with(" next-bar /melos/tone 0.75")), "{log}");
    let immediate =
        |line: &str| line.contains(" /melos/tone ") && !line.contains("next-bar") && !line.starts_with("start ");
    assert!(!log.lines().any(immediate), "{log}");
}

#[test]
fn subscribing_again_sends_the_full_state() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(folder.path(), &QUIET);
    let client = Client::spawn(&mut python("tests/clients/osc_again.py", &[&daemon.osc.to_string()]));
    client.expect("initial tone [-0.15");
    client.expect("missing []");
    client.expect("tone [0.5] format ['flac']");
}

#[test]
fn a_restarted_daemon_sends_its_state_to_new_subscriptions() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let dump = Client::spawn(Command::new("stdbuf").args(["-oL", "oscdump", &port]));
    wait_until_bound(&port);
    let first = Daemon::start(folder.path(), &QUIET);
    first.oscsend(&["/melos/subscribe", "i", &port]);
    dump.expect("/melos/record/preroll f 0.0");
    first.oscsend(&["/melos/width", "f", "0.125"]);
    dump.expect("/melos/width f 0.125");
    assert!(first.terminate().0.success());

    // Without a preset, the saved state is restored.
    let second = Daemon::start(folder.path(), &QUIET[..4]);
    second.oscsend(&["/melos/subscribe", "i", &port]);
    dump.expect_all(&["/melos/emotion s \"calm\"", "/melos/width f 0.125", "/melos/record/preroll f 0.0"]);
}
