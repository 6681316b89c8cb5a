//! MIDI output of a running daemon over JACK, received by `jack_midi_dump`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use crate::support::daemon::{Daemon, SERVER, TIMEOUT};
use crate::support::jack_server::JackServer;

/// Status bytes of the piano's channel.
const PIANO_ON: u8 = 0x93;
const PIANO_OFF: u8 = 0x83;
/// The message that presses the piano's pedal.
const PEDAL_DOWN: [u8; 3] = [0xB3, 64, 127];

/// The receiver, which prints a line per message: the frame, a colon, and the bytes in hexadecimal.
struct Dump {
    child: Child,
    lines: Receiver<String>,
}

impl Dump {
    /// Starts receiving from a port.
    fn of(port: &str) -> Self {
        // The program buffers its output unless it runs in a terminal.
        let mut child = Command::new("stdbuf")
            .args(["-oL", "jack_midi_dump", "-a"])
            .env("JACK_DEFAULT_SERVER", SERVER)
            .stdout(Stdio::piped())
            .spawn()
            .expect("jack_midi_dump is needed: apt-get install jack-example-tools");
        let (sender, lines) = channel();
        let out = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let started = Instant::now();
        let connect = || {
            let mut command = Command::new("jack_connect");
            command.args([port, "midi-monitor:input"]).env("JACK_DEFAULT_SERVER", SERVER);
            command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
        };
        while !connect() {
            assert!(started.elapsed() < TIMEOUT, "cannot connect {port} to jack_midi_dump");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        Self { child, lines }
    }

    /// Collects messages until `done` returns true, each as its frame and bytes.
    fn receive(&self, mut done: impl FnMut(&[(u64, Vec<u8>)]) -> bool) -> Vec<(u64, Vec<u8>)> {
        let mut messages = Vec::new();
        while !done(&messages) {
            let line = self
                .lines
                .recv_timeout(TIMEOUT)
                .unwrap_or_else(|_| panic!("no further message within {TIMEOUT:?}; received so far: {messages:02x?}"));
            let Some((frame, rest)) = line.split_once(':') else { continue };
            let Ok(frame) = frame.trim().parse() else { continue };
            let bytes = rest.split_whitespace().map_while(|byte| u8::from_str_radix(byte, 16).ok());
            messages.push((frame, bytes.collect()));
        }
        messages
    }
}

impl Drop for Dump {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

/// Returns the notes still sounding after some messages, as channel and note.
fn sounding(messages: &[(u64, Vec<u8>)]) -> Vec<(u8, u8)> {
    let mut notes = Vec::new();
    for (_, bytes) in messages {
        match bytes[..] {
            [status @ 0x90..=0x9F, note, velocity] if velocity > 0 => notes.push((status & 15, note)),
            [status @ 0x80..=0x9F, note, _] => notes.retain(|other| *other != (status & 15, note)),
            _ => {}
        }
    }
    notes
}

/// Returns the frames and keys of piano notes struck while the key was down.
fn struck_twice(messages: &[(u64, Vec<u8>)]) -> Vec<(u64, u8)> {
    let (mut down, mut twice) = (Vec::new(), Vec::new());
    for (frame, bytes) in messages {
        match bytes[..] {
            [PIANO_ON, key, velocity] if velocity > 0 => {
                if down.contains(&key) {
                    twice.push((*frame, key));
                }
                down.push(key);
            }
            [PIANO_ON | PIANO_OFF, key, _] => down.retain(|other| *other != key),
            _ => {}
        }
    }
    twice
}

/// Returns whether the piano's pedal is down after some messages.
fn is_pedal_down(messages: &[(u64, Vec<u8>)]) -> bool {
    let last = messages.iter().rev().find(|(_, bytes)| bytes.starts_with(&PEDAL_DOWN[..2]));
    last.is_some_and(|(_, bytes)| bytes[2] >= 64)
}

fn is_all_notes_off(bytes: &[u8]) -> bool {
    bytes[0] & 0xF0 == 0xB0 && bytes[1] == 123
}

fn count(messages: &[(u64, Vec<u8>)], matches: impl Fn(&[u8]) -> bool) -> usize {
    messages.iter().filter(|(_, bytes)| matches(bytes)).count()
}

#[test]
fn other_instruments_receive_notes_and_clock_and_no_note_is_left_hanging() {
    let _server = JackServer::start(SERVER, 256);
    let state = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(state.path(), &["--audio", "jack", "--tempo", "120", "--preset", "calm"]);
    let dump = Dump::of("melos:midi_out");

    let played = dump.receive(|messages| {
        count(messages, |bytes| *bytes == [0xF8]) > 24 * 16
            && count(messages, |bytes| bytes[0] & 0xF0 == 0x90) > 8
            && count(messages, |bytes| bytes[0] == PIANO_ON) > 8
            && count(messages, |bytes| *bytes == PEDAL_DOWN) > 0
    });
    assert!(played.windows(2).all(|pair| pair[0].0 <= pair[1].0), "frames should never decrease");
    let pulses: Vec<u64> = played.iter().filter(|(_, bytes)| *bytes == [0xF8]).map(|(frame, _)| *frame).collect();
    let mean = (pulses[24 * 16] - pulses[0]) as f64 / (24.0 * 16.0);
    assert!((mean / 1000.0 - 1.0).abs() < 0.05, "{mean} frames per pulse at 120 bpm");
    let is_note_on = |channel: u8| move |bytes: &[u8]| bytes[0] == 0x90 | channel;
    assert!(
        count(&played, is_note_on(0)) > 0 && count(&played, is_note_on(1)) > 0,
        "bass and pad should both play: {played:02x?}"
    );
    assert_eq!(struck_twice(&played), [], "a sounding key should be released before it is struck again");

    // Every mood rewrites music that is about to be played.
    let mut before = played;
    for mood in ["angry", "sad", "energetic", "calm"] {
        daemon.oscsend(&["/melos/emotion", "s", mood]);
        before.extend(dump.receive(|messages| count(messages, |bytes| *bytes == [0xF8]) > 12));
    }
    assert_eq!(struck_twice(&before), [], "a new plan should not repeat notes already played");

    daemon.oscsend(&["/melos/panic"]);
    before.extend(dump.receive(|messages| count(messages, is_all_notes_off) == 4));
    let all_notes_off = before.len() - 4;
    assert_eq!(sounding(&before[..=all_notes_off]), [], "every note should end before the first All Notes Off message");
    assert!(!is_pedal_down(&before[..=all_notes_off]), "panic should release the pedal");

    daemon.oscsend(&["/melos/play", "i", "0"]);
    before.extend(dump.receive(|messages| count(messages, |bytes| *bytes == [0xFC]) == 1));
    assert_eq!(sounding(&before), [], "hanging notes after stopping");
    assert!(!is_pedal_down(&before), "the pedal should come up when the music stops");
    daemon.oscsend(&["/melos/play", "i", "1"]);
    before.extend(dump.receive(|messages| count(messages, |bytes| bytes[0] == PIANO_ON) > 4));

    let end = std::thread::spawn(move || daemon.terminate());
    let rest = dump.receive(|messages| count(messages, |bytes| *bytes == [0xFC]) == 1);
    assert!(end.join().unwrap().0.success());
    let all: Vec<_> = before.into_iter().chain(rest).collect();
    assert_eq!(sounding(&all), [], "hanging notes after the end");
    assert_eq!(struck_twice(&all), []);
    assert!(!is_pedal_down(&all), "the pedal should be up after the end");
}

#[test]
fn instruments_that_reconnect_after_a_server_restart_are_silenced_and_play_on() {
    let server = JackServer::start(SERVER, 256);
    let state = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(state.path(), &["--audio", "jack", "--tempo", "120", "--preset", "calm"]);
    let dump = Dump::of("melos:midi_out");
    dump.receive(|messages| count(messages, |bytes| bytes[0] == PIANO_ON) > 1);
    drop((dump, server));
    let _server = JackServer::start(SERVER, 256);
    let dump = Dump::of("melos:midi_out");
    let silenced = dump.receive(|messages| count(messages, is_all_notes_off) == 4);
    assert!(count(&silenced, |bytes| *bytes == [0xB3, 64, 0]) > 0, "the pedal should be released: {silenced:02x?}");
    let played = dump.receive(|messages| count(messages, |bytes| bytes[0] == PIANO_ON) > 4);
    assert_eq!(struck_twice(&played), []);
    drop(daemon);
}
