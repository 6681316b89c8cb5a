//! Runs a test in a process of its own.

use std::process::Command;

/// Runs one test of this program again, through `command`: a command that runs the program, given the arguments of a
/// test. Fails unless exactly that test ran and passed; a name that matches no test would pass otherwise.
pub(super) fn run(mut command: Command, name: &str) {
    let output = command.args(["--exact", name, "--include-ignored", "--nocapture"]).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && stdout.contains(" 1 passed; 0 failed"), "{name}:\n{stdout}{stderr}");
}

/// The program of this test.
pub(super) fn this() -> std::path::PathBuf {
    std::env::current_exe().unwrap()
}
