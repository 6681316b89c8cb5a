//! The command line steers a running daemon, and says how it is.
#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

#[path = "support/daemon.rs"]
mod daemon;

use std::process::{Command, Output};

use daemon::Daemon;

fn melos(http: u16, arguments: &[&str]) -> Output {
    let http = http.to_string();
    Command::new(env!("CARGO_BIN_EXE_melos")).args(arguments).args(["--http", &http]).output().unwrap()
}

#[test]
fn values_are_set_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(folder.path(), &["--audio", "null", "--midi", "off", "--preset", "calm"]);
    let said = |arguments: &[&str]| {
        let output = melos(daemon.http, arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    for (set, get, value) in [
        (&["set", "emotion", "sad"][..], "emotion", "sad\n"),
        (&["set", "tempo", "90"], "tempo", "90\n"),
        (&["set", "level/pad", "-12.5"], "level/pad", "-12.5\n"),
        (&["set", "hold", "on"], "hold", "true\n"),
        (&["preset", "storm"], "preset", "storm\n"),
    ] {
        assert_eq!(said(set), "", "nothing to say");
        assert_eq!(said(&["get", get]), value);
    }
    assert_eq!(said(&["set", "panic"]), "", "a trigger needs no value");
    let (all, reverb) = (said(&["get"]), said(&["get", "reverb"]));
    assert!(all.contains("emotion/happy") && all.contains("level/pad") && !all.contains("panic"), "{all}");

    for (arguments, hint) in [
        (&["set", "reverb", "7"][..], "expected a number from 0 to 1"),
        (&["set", "tempi", "90"], "tempo"),
        (&["preset", "drizzle"], "did not accept \"drizzle\""),
    ] {
        let refused = melos(daemon.http, arguments);
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(!refused.status.success() && said.contains(hint), "{arguments:?}: {said}");
    }
    assert_eq!(said(&["get", "reverb"]), reverb, "what was refused changed nothing");

    let status = said(&["status"]);
    assert!(status.starts_with("Melos is playing.\n") && status.contains("preset storm"), "{status}");
    assert_eq!(melos(1, &["status"]).status.code(), Some(1), "nobody answers");
}
