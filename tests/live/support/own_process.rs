//! Runs a test in its own process.

use std::process::Command;

/// Reruns the test `name` of this binary through `command`, which must run the binary with any arguments appended.
/// Fails unless exactly that test ran and passed, because the binary also succeeds if the name matches no test.
pub(crate) fn run(mut command: Command, name: &str) {
    let output = command.args(["--exact", name, "--include-ignored", "--nocapture"]).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && stdout.contains(" 1 passed; 0 failed"), "{name}:\n{stdout}{stderr}");
}

/// Returns the path of this test binary.
pub(crate) fn test_binary() -> std::path::PathBuf {
    std::env::current_exe().unwrap()
}
