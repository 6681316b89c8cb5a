//! What the commands print: text from the daemon and from file names cannot control the terminal or forge lines, and a
//! result that cannot be written still decides the exit status.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

/// A window title, a forged line, a control character of one byte, a text direction override and a line separator.
const HOSTILE: &str = "\u{1b}]0;pwned\u{7}\nforged\u{9b}2J\u{202e}nwad\u{2028}end";
/// The same, escaped.
const ESCAPED: &str = "\\u{1b}]0;pwned\\u{7}\\nforged\\u{9b}2J\\u{202e}nwad\\u{2028}end";

fn melos(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_melos")).args(arguments).env_remove("MELOS_HTTP").output().unwrap()
}

/// The response of a hostile daemon to a path.
fn response(path: &str) -> Value {
    match path {
        "/scenes" => json!({ "scenes": [HOSTILE] }),
        "/presets" => json!({
            "presets": [{ "id": HOSTILE, "name": HOSTILE, "description": HOSTILE }],
            "setlists": [{ "id": HOSTILE, "name": HOSTILE, "entries": [{ "kind": "scene", "name": HOSTILE, "note": HOSTILE }] }],
        }),
        "/takes" => json!({ "takes": [{ "name": HOSTILE, "seconds": 1, "bytes": 1 }] }),
        "/log" => json!({ "lines": [{ "at": 0, "level": "INFO", "text": HOSTILE }] }),
        "/status" => json!({
            "state": "playing",
            "parameters": { "emotion": "calm", "preset": HOSTILE, "scene": HOSTILE, "setlist": HOSTILE },
            "output": HOSTILE,
            "recording": { "on": false, "trouble": HOSTILE },
            "troubles": { "osc": HOSTILE },
            "show": { "entry": HOSTILE, "next_entry": HOSTILE, "schedule": HOSTILE },
        }),
        _ => json!({ "error": HOSTILE }),
    }
}

/// Starts a hostile daemon; returns its port.
fn hostile_daemon() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut head = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let request = head.next().unwrap_or_default();
            head.by_ref().take_while(|line| !line.is_empty()).for_each(drop);
            let path = request.split([' ', '?']).nth(1).unwrap_or_default();
            let code = if path == "/osc" { "400 Bad Request" } else { "200 OK" };
            let _ = write!(stream, "HTTP/1.0 {code}\r\n\r\n{}", response(path));
        }
    });
    port
}

/// Panics if a text has characters that a terminal would interpret, or more lines than expected.
fn assert_harmless(what: &str, text: &[u8], lines: usize) {
    let text = std::str::from_utf8(text).unwrap();
    let is_harmless = |character: char| {
        character == '\n' || !character.is_control() && !('\u{2028}'..='\u{202e}').contains(&character)
    };
    assert!(text.chars().all(is_harmless), "{what}: {text:?}");
    assert!(!text.lines().any(|line| line.starts_with("forged")), "{what}: {text:?}");
    assert_eq!(text.lines().count(), lines, "{what}: {text:?}");
}

#[test]
fn text_from_the_daemon_cannot_control_the_terminal_or_forge_lines() {
    let port = hostile_daemon().to_string();
    for (command, lines) in [
        ("scenes", 1),
        ("presets", 1),
        ("setlist", 2),
        ("takes", 1),
        ("log", 1),
        ("log --since 1970-01-01", 1),
        ("status", 8),
        ("get preset", 1),
        ("get preset scene", 2),
    ] {
        let arguments: Vec<_> = command.split(' ').chain(["--http", &port]).collect();
        let output = melos(&arguments);
        assert!(output.status.success(), "{command}: {output:?}");
        assert_harmless(command, &output.stdout, lines);
        assert!(String::from_utf8_lossy(&output.stdout).contains(ESCAPED), "{command}: {output:?}");
    }
    for command in ["set tempo 90", "record stop"] {
        let refused = melos(&command.split(' ').chain(["--http", &port]).collect::<Vec<_>>());
        assert!(!refused.status.success(), "{command}");
        assert_harmless(command, &refused.stderr, 1);
        assert!(String::from_utf8_lossy(&refused.stderr).contains(ESCAPED), "{command}: {refused:?}");
    }
    let status = melos(&["status", "--json", "--http", &port]);
    assert_harmless("status --json", &status.stdout, String::from_utf8_lossy(&status.stdout).lines().count());
    assert_eq!(serde_json::from_slice::<Value>(&status.stdout).unwrap(), response("/status"));
}

#[test]
fn a_result_that_cannot_be_written_is_an_error() {
    let port = hostile_daemon().to_string();
    for command in
        ["status", "status --json", "get preset", "takes", "presets", "paths", "completions bash", "contract"]
    {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let mut melos = Command::new(env!("CARGO_BIN_EXE_melos"));
        let output = melos.args(command.split(' ')).env("MELOS_HTTP", &port).stdout(full).output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{command}: {log}");
        assert!(log.starts_with("melos: cannot write the result: No space left"), "{command}: {log}");
    }
}

#[test]
fn a_reader_that_exits_early_is_no_error() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    for command in ["paths", "completions bash", "contract", "contract --json"] {
        let mut melos = Command::new(env!("CARGO_BIN_EXE_melos"));
        let output = melos.args(command.split(' ')).stdout(writer.try_clone().unwrap()).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{command}: {output:?}");
    }
}

#[test]
fn an_invalid_log_filter_is_reported() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_melos"));
    let output = command.arg("contract").env("MELOS_LOG", "melos=loud").output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && log.contains("MELOS_LOG is not a log filter"), "{log}");
}

#[test]
fn file_names_cannot_forge_lines_of_a_check() {
    let folder = tempfile::tempdir().unwrap();
    let presets = folder.path().join("presets");
    fs::create_dir(&presets).unwrap();
    fs::write(presets.join("evil\nforged\u{1b}[2J.toml"), "schema = 1\nname = 7\n").unwrap();
    let output = melos(&["check", presets.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(78));
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(text.contains("evil\\nforged\\u{1b}[2J.toml"), "{text}");
    assert_harmless("check", &output.stdout, text.matches("evil").count() + 1);
}

#[test]
fn the_exit_status_is_that_of_the_check_even_if_nobody_reads_the_result() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("melos.toml");
    fs::write(&config, "[osc]\nprot = 1\n").unwrap();
    let config = config.to_str().unwrap();
    for (arguments, code) in [
        (vec!["check", "/nonexistent"], 78),
        (vec!["check", config], 78),
        (vec!["doctor", "--config", config], 2),
        (vec!["check", "presets/calm.toml"], 0),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_melos"));
        let mut child = command.args(&arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        drop(child.stdout.take());
        assert_eq!(child.wait().unwrap().code(), Some(code), "{arguments:?} into a closed pipe");
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = command.stdout(full).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?} to a full disk");
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(log.contains("cannot write the result"), "{arguments:?}: {log}");
    }
}
