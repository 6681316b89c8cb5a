//! Runs the documentation's commands that need no running daemon: starts and stops Melos, renders and learns. Checks what
//! builds and installs it against the Makefile and the manifest.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use crate::support::client::{Client, python};
use crate::support::documents::{Line, commands_of};
use crate::support::home::Home;
use crate::support::jack_server::JackServer;

/// A length that would take too long to render, and the one that the test renders in its place.
const SHORTER: (&str, &str) = ("--seconds 600", "--seconds 6");

/// Returns the different commands of a runner, in order.
fn different(runner: &str) -> Vec<Line> {
    let mut seen = BTreeSet::new();
    commands_of(runner).into_iter().filter(|line| seen.insert(line.text.clone())).collect()
}

#[test]
fn melos_starts_and_stops_as_documented() {
    let home = Home::new();
    let lines = different("run");
    assert!(lines.len() > 5, "only {} commands found", lines.len());
    for Line { location, text } in lines {
        let daemon = home.start(&text);
        let (status, log) = daemon.terminate();
        assert!(status.success(), "{location}: {text}\n{log}");
        if let Some((_, file)) = text.split_once("--control-log ") {
            assert!(home.path().join(file).exists(), "{location}: {text}\nwrote no {file}");
        }
        let is_json = log.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok());
        assert_eq!(is_json, text.contains("JSON"), "{location}: {text}\n{log}");
        assert_eq!(log.contains(" DEBUG "), text.contains("debug"), "{location}: {text}\n{log}");
    }
}

#[test]
fn melos_renders_as_documented() {
    let home = Home::new();
    let lines = different("render");
    assert!(lines.iter().any(|line| line.text.contains(SHORTER.0)), "the documentation no longer contains this length");
    for Line { location, text } in lines {
        let output = home.run(&text.replace(SHORTER.0, SHORTER.1));
        assert!(output.status.success(), "{location}: {text}\n{output:?}");
        let file = text.split_once(" -o ").and_then(|(_, rest)| rest.split_whitespace().next()).unwrap();
        let bytes = fs::metadata(home.path().join(file)).unwrap().len();
        assert!(bytes > 100_000, "{location}: {text}\n{file} has only {bytes} bytes");
    }
}

#[test]
fn controls_are_learned_as_documented() {
    let home = Home::new();
    let name = "melos-docs";
    let _server = JackServer::start_synchronous(name);
    let server = [("JACK_DEFAULT_SERVER", name), ("JACK_NO_START_SERVER", "1")];
    for Line { text, .. } in different("learn") {
        let melos = Client::spawn(home.command(&text).envs(server));
        melos.expect("move the control that you want to bind to valence");
        let controls = ["melos:midi_in", "controls"];
        let _sender = Client::spawn(python("tests/clients/jack_midi_send.py", &controls).envs(server));
        melos.expect_all(&["[[bind]]", "to = \"valence\""]);
    }
}

#[test]
fn completions_are_loaded_as_documented() {
    let home = Home::new();
    for Line { location, text } in commands_of("completions") {
        let output = home.run(&format!("{text} && complete -p melos"));
        assert!(output.status.success(), "{location}: {text}\n{output:?}");
    }
}

/// `make -n` prints the recipes without running them.
#[test]
fn documented_make_targets_exist() {
    let makefile = fs::read_to_string("Makefile").unwrap();
    let lines = different("make");
    assert!(lines.len() > 10, "only {} commands found", lines.len());
    for Line { location, text } in lines {
        let line = text.trim_start_matches("sudo ").replacen("make ", "make -n ", 1);
        let output = Command::new("sh").args(["-c", &line]).env_remove("MAKEFLAGS").output().unwrap();
        assert!(output.status.success(), "{location}: {text}\n{output:?}");
        // make ignores variables that the Makefile does not use.
        for (name, _) in text.split_whitespace().filter_map(|word| word.split_once('=')) {
            assert!(makefile.contains(&format!("$({name}")), "{location}: the Makefile does not use {name}");
        }
    }
}

#[test]
fn documented_features_exist() {
    let manifest: toml::Table = fs::read_to_string("Cargo.toml").unwrap().parse().unwrap();
    for Line { location, text } in commands_of("cargo") {
        let features = text.split_once("--features ").map(|(_, rest)| rest.split_whitespace().next().unwrap());
        for feature in features.unwrap_or_default().split(',') {
            assert!(manifest["features"].get(feature).is_some(), "{location}: there is no feature {feature:?}");
        }
    }
}
