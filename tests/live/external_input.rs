//! Checks which external input the daemon accepts, logs and stores, with the shipped networks.

use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rosc::{OscMessage, OscPacket, OscType, decoder, encoder};

use crate::support::daemon::{Daemon, TIMEOUT};

const QUIET: [&str; 4] = ["--audio", "null", "--midi", "off"];

fn packet(address: &str, args: Vec<OscType>) -> Vec<u8> {
    encoder::encode(&OscPacket::Message(OscMessage { addr: address.to_owned(), args })).unwrap()
}

/// Reads messages until one has the given address, and returns its arguments; panics if none arrives.
fn receive(socket: &UdpSocket, address: &str) -> Vec<OscType> {
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
    let started = Instant::now();
    let mut bytes = [0; 2048];
    while started.elapsed() < TIMEOUT {
        let length = socket.recv(&mut bytes).unwrap();
        if let Ok((_, OscPacket::Message(message))) = decoder::decode_udp(&bytes[..length])
            && message.addr == address
        {
            return message.args;
        }
    }
    panic!("{address} did not arrive");
}

/// Runs `melos run` with arguments that it must refuse, and returns its log.
fn log_of_refused_start(arguments: &[&str]) -> String {
    let state = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_melos"))
        .args(["run", "--osc", "127.0.0.1:0", "--state"])
        .arg(state.path())
        .args(QUIET)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn http_on_the_network_requires_a_password() {
    let log = log_of_refused_start(&["--http", "0.0.0.0:0"]);
    assert!(log.contains("http.password") && log.contains("0.0.0.0"), "{log}");
}

#[test]
fn opening_osc_opens_nothing_else_and_is_logged() {
    let state = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_melos"))
        .args(["run", "--osc", "0.0.0.0:0", "--http", "0", "--state"])
        .arg(state.path())
        .args(QUIET)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let mut log = Vec::new();
    for line in lines {
        log.push(line);
        if log.iter().any(|line| line.contains("/page")) && log.iter().any(|line| line.contains("open to the network"))
        {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let log = log.join("\n");
    assert!(log.contains("OSC is open to the network on 0.0.0.0:0"), "{log}");
    assert!(log.contains("http://127.0.0.1:") && !log.contains("HTTP is open"), "{log}");
}

#[test]
fn no_message_forges_a_log_line_or_floods_the_log() {
    let state = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(state.path(), &QUIET);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(("127.0.0.1", daemon.osc)).unwrap();
    let text = |text: &str| vec![OscType::String(text.to_owned())];
    for number in 0..700 {
        for sent in [
            packet("/melos/chord", text("Xm")),
            packet("/melos/chord", text(&format!("X{number}\n2026 INFO forged"))),
            packet("/melos/scene", text(&format!("none {number}\n2026 INFO forged"))),
            packet("/melos/preset", text(&format!("none {number}\n2026 INFO forged"))),
            packet(&format!("/melos/none/{number}\n2026 INFO forged"), Vec::new()),
            packet("/melos/next/bar/chord", text(&format!("X{number}"))),
        ] {
            socket.send(&sent).unwrap();
        }
        if number % 50 == 0 {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    let counted =
        daemon.wait_until("the errors are counted", |status| status["losses"]["osc_refused"].as_u64() > Some(2_500));
    assert!(counted["losses"]["osc_refused"].as_u64() <= Some(4_200), "{counted}");
    let (_, log) = daemon.terminate();
    assert!(!log.lines().any(|line| line.starts_with("2026 INFO forged")), "{log}");
    let lines: Vec<_> = log.lines().filter(|line| line.contains("none") || line.contains("X6")).collect();
    assert!((4..=40).contains(&lines.len()), "{lines:#?}");
    assert!(log.lines().all(|line| line.len() < 1_000), "{log}");
}

#[test]
fn a_subscription_survives_a_restart() {
    let state = tempfile::tempdir().unwrap();
    let first = Daemon::start(state.path(), &QUIET);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(&packet("/melos/subscribe", Vec::new()), ("127.0.0.1", first.osc)).unwrap();
    receive(&socket, "/melos/beat");
    let started = Instant::now();
    while !state.path().join("subscribers.json").is_file() {
        assert!(started.elapsed() < TIMEOUT, "the subscription was not saved");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(first.terminate().0.success());
    socket.set_nonblocking(true).unwrap();
    while socket.recv(&mut [0; 2048]).is_ok() {}
    socket.set_nonblocking(false).unwrap();
    let _second = Daemon::start(state.path(), &QUIET);
    receive(&socket, "/melos/valence");
    receive(&socket, "/melos/beat");
}
