//! The log is no part of the performance: whoever reads it may stand still or go, and it never grows without bounds.
#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

#[path = "support/daemon.rs"]
mod daemon;

use std::fs::{self, File};
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use daemon::LONG;

/// A daemon that listens on an address of its own, so that its ports are free.
struct Playing {
    child: Child,
    host: &'static str,
    _state: tempfile::TempDir,
}

const OSC: u16 = 9410;
const HTTP: u16 = 9411;

impl Playing {
    fn start(host: &'static str, log: impl Into<Stdio>) -> Self {
        let state = tempfile::tempdir().unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_melos"))
            .args(["run", "--audio", "null", "--midi", "off", "--osc", &format!("{host}:{OSC}")])
            .args(["--http", &HTTP.to_string(), "--state"])
            .arg(state.path())
            .env_remove("MELOS_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut playing = Self { child, host, _state: state };
        playing.wait_until("it plays", |status| status["seconds"].as_f64() > Some(0.5));
        playing
    }

    fn status(&self) -> Option<serde_json::Value> {
        let mut stream = std::net::TcpStream::connect((self.host, HTTP)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.write_all(format!("GET /status HTTP/1.0\r\nHost: {}\r\n\r\n", self.host).as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }

    fn wait_until(&mut self, what: &str, fulfilled: impl Fn(&serde_json::Value) -> bool) {
        let begun = Instant::now();
        while !self.status().is_some_and(|status| fulfilled(&status)) {
            assert!(self.child.try_wait().unwrap().is_none(), "it ended before {what}");
            assert!(begun.elapsed() < LONG, "waited in vain until {what}: {:?}", self.status());
            sleep(Duration::from_millis(50));
        }
    }

    /// Sends an OSC message with one text.
    fn send(&self, address: &str, text: &str) {
        let padded = |text: &str| {
            let mut bytes = text.as_bytes().to_vec();
            bytes.resize(text.len() / 4 * 4 + 4, 0);
            bytes
        };
        let datagram = [padded(address), padded(",s"), padded(text)].concat();
        UdpSocket::bind((self.host, 0)).unwrap().send_to(&datagram, (self.host, OSC)).unwrap();
    }

    /// Steers it, and sees that it follows.
    fn follows(&mut self) {
        for mood in ["angry", "calm"] {
            self.send("/melos/emotion", mood);
            self.wait_until(mood, |status| status["parameters"]["emotion"] == mood);
        }
        let now = self.status().unwrap()["seconds"].as_f64().unwrap();
        self.wait_until("the music goes on", |status| status["seconds"].as_f64() > Some(now + 0.5));
    }

    fn terminate(mut self) {
        assert!(Command::new("kill").arg(self.child.id().to_string()).status().unwrap().success());
        let begun = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < LONG, "SIGTERM does not end it");
            sleep(Duration::from_millis(20));
        }
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A pipe without any room left.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = pipe().unwrap();
    let (mut filling, filled) = (writer.try_clone().unwrap(), Arc::new(AtomicU64::new(0)));
    let count = Arc::clone(&filled);
    // The write that finds no room blocks until the end of the test.
    thread::spawn(move || {
        while filling.write(b"x").is_ok() {
            count.fetch_add(1, Relaxed);
        }
    });
    let mut seen = 0;
    loop {
        sleep(Duration::from_millis(300));
        match filled.load(Relaxed) {
            count if count > 0 && count == seen => return (reader, writer),
            count => seen = count,
        }
    }
}

#[test]
fn a_log_reader_that_stands_still_holds_nothing_up() {
    let (_reader, writer) = full_pipe();
    let mut playing = Playing::start("127.0.0.31", writer);
    for _ in 0..100 {
        playing.send("/melos/chord", "Hm");
    }
    playing.follows();
    playing.terminate();
}

#[test]
fn a_log_reader_that_is_gone_ends_nothing() {
    let (reader, writer) = pipe().unwrap();
    let mut playing = Playing::start("127.0.0.32", writer);
    drop(reader);
    for _ in 0..100 {
        playing.send("/melos/chord", "Hm");
    }
    playing.follows();
    playing.terminate();
}

#[test]
fn a_flood_of_mistakes_is_summed_up_and_forges_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut playing = Playing::start("127.0.0.33", File::create(&log).unwrap());
    playing.send("/melos/x\nFORGED", "x");
    playing.send("/melos/x\rFORGED\u{1b}[2J", "x");
    playing.send("/melos/scene", &format!("\nFORGED {}", "long ".repeat(2000)));
    for _ in 0..2000 {
        playing.send("/melos/chord", "Hm");
        thread::yield_now();
    }
    playing.wait_until("the flood is over", |status| status["losses"]["osc_refused"].as_u64() > Some(1000));
    playing.follows();
    let begun = Instant::now();
    let said = || fs::read_to_string(&log).unwrap();
    while !said().contains("similar lines were left out") {
        assert!(begun.elapsed() < LONG, "nothing is summed up:\n{}", said());
        sleep(Duration::from_millis(100));
    }
    playing.terminate();
    let said = said();
    assert!(said.contains("FORGED"), "what was sent is shown: {said}");
    assert!(!said.lines().any(|line| line.starts_with("FORGED")) && !said.contains(['\r', '\u{1b}']), "{said}");
    assert!(said.lines().count() < 150, "{} lines", said.lines().count());
    assert!(said.lines().all(|line| line.len() < 2100), "{said}");
}

#[test]
fn completions_end_quietly_where_nobody_reads_them() {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    for shell in ["bash", "fish", "zsh", "elvish", "powershell"] {
        let ended = Command::new(env!("CARGO_BIN_EXE_melos"))
            .args(["completions", shell])
            .stdout(writer.try_clone().unwrap())
            .output()
            .unwrap();
        assert!(ended.status.success() && ended.stderr.is_empty(), "{shell}: {ended:?}");
    }
}
