//! The log never affects the performance: its reader may hang or exit, and its size is bounded.

use std::fs::{self, File};
use std::io::pipe;
use std::process::Command;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use crate::support::full_pipe::full_pipe;
use crate::support::home::Home;
use crate::support::loopback_daemon::{LoopbackDaemon, TIMEOUT};

#[test]
fn a_hung_log_reader_blocks_nothing() {
    let (_reader, writer) = full_pipe();
    let mut daemon = LoopbackDaemon::start("127.0.0.31", writer);
    for _ in 0..100 {
        daemon.send("/melos/chord", "Xm");
    }
    daemon.check_response();
    daemon.terminate();
}

#[test]
fn a_terminal_that_stops_background_writers_does_not_stop_the_music() {
    let home = Home::new();
    let daemon = home.start("script -qec \"bash -mc 'stty tostop; melos run & wait'\" /dev/null");
    daemon.wait_until("the music plays", |status| status["seconds"].as_f64() > Some(2.0));
    // The daemon is not the test's child, but its lock file names it.
    let lock = fs::read_to_string(home.state().join("lock")).unwrap();
    let process = lock.split_once(',').unwrap().0.strip_prefix("process ").unwrap();
    assert!(Command::new("kill").arg(process).status().unwrap().success());
    daemon.wait();
}

#[test]
fn a_log_reader_that_exits_does_not_end_the_music() {
    let (reader, writer) = pipe().unwrap();
    let mut daemon = LoopbackDaemon::start("127.0.0.32", writer);
    drop(reader);
    for _ in 0..100 {
        daemon.send("/melos/chord", "Xm");
    }
    daemon.check_response();
    daemon.terminate();
}

#[test]
fn a_flood_of_errors_is_summarised_and_forges_no_lines() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut daemon = LoopbackDaemon::start("127.0.0.33", File::create(&log).unwrap());
    daemon.send("/melos/x\nFORGED", "x");
    daemon.send("/melos/x\rFORGED\u{1b}[2J", "x");
    daemon.send("/melos/scene", &format!("\nFORGED {}", "long ".repeat(2000)));
    for _ in 0..2000 {
        daemon.send("/melos/chord", "Xm");
        thread::yield_now();
    }
    daemon.wait_until("the flood is over", |status| status["losses"]["osc_refused"].as_u64() > Some(1000));
    for round in 0..200 {
        daemon.send("/melos/emotion", ["angry", "calm"][round % 2]);
        sleep(Duration::from_millis(5));
    }
    daemon.check_response();
    let started = Instant::now();
    let written = || fs::read_to_string(&log).unwrap();
    while !written().contains("similar lines were suppressed") {
        assert!(started.elapsed() < TIMEOUT, "no summary:\n{}", written());
        sleep(Duration::from_millis(100));
    }
    daemon.terminate();
    let written = written();
    let warnings = written.matches("Xm").count();
    assert!((1..20).contains(&warnings), "{warnings} lines about one error: {written}");
    assert!(written.contains("FORGED"), "the message should be quoted: {written}");
    assert!(
        !written.lines().any(|line| line.starts_with("FORGED")) && !written.contains(['\r', '\u{1b}']),
        "{written}"
    );
    let set = written.lines().filter(|line| line.contains("parameter=\"emotion\"")).count();
    assert!((1..40).contains(&set), "{set} lines of one kind");
    assert!(written.lines().count() < 200, "{} lines", written.lines().count());
    assert!(written.lines().all(|line| line.len() < 2100), "{written}");
}

#[test]
fn completions_exit_quietly_if_nobody_reads_them() {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    for shell in ["bash", "fish", "zsh", "elvish", "powershell"] {
        let output = Command::new(env!("CARGO_BIN_EXE_melos"))
            .args(["completions", shell])
            .stdout(writer.try_clone().unwrap())
            .output()
            .unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{shell}: {output:?}");
    }
}
