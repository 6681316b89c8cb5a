//! How the daemon starts: what it refuses, and what it hears from the moment it says that it is ready.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};

/// `EX_CONFIG` of sysexits.h, which the systemd units name.
const WRONG: i32 = 78;

fn melos(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_melos"));
    command
        .args(["run", "--audio", "null", "--midi", "off", "--osc", "127.0.0.1:0", "--http", "0", "--state"])
        .arg(folder);
    command.stdin(Stdio::null());
    command
}

#[test]
fn a_wrong_configuration_is_told_once_and_ends_it_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("melos.toml");
    fs::write(&file, "[audio]\nblock_frames = \"many\"\n").unwrap();
    let refused = melos(folder.path()).arg("--config").arg(&file).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(WRONG), "{said}");
    assert_eq!(said.matches("parse error").count(), 1, "{said}");
    assert!(said.contains("melos.toml") && said.contains("line 2"), "{said}");

    let refused = melos(folder.path()).args(["--preset", "no-such-preset"]).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(WRONG), "{said}");
    assert!(said.contains("no-such-preset") && said.contains("calm"), "{said}");
}

#[test]
fn signals_are_heard_from_the_moment_it_is_ready() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let told = UnixDatagram::bind(&path).unwrap();
    let child = melos(folder.path()).env("NOTIFY_SOCKET", &path).stderr(Stdio::piped()).spawn().unwrap();
    let mut message = [0; 256];
    while !message.starts_with(b"READY=1") {
        told.recv(&mut message).unwrap();
    }
    let id = child.id().to_string();
    for signal in ["-HUP", "-TERM"] {
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(ended.status.success() && said.contains("fading out"), "{:?}: {said}", ended.status);
}
