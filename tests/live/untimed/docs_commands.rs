//! Runs the documentation's commands that need a running daemon, in order, against a real one.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::daemon::TIMEOUT;
use crate::support::documents::{Line, commands_of};
use crate::support::home::Home;

/// What the test runs in place of lengths that would take it minutes, and of a part that its short session does not have.
const SHORTER: [(&str, &str); 2] =
    [("\"seconds\": 60", "\"seconds\": 10"), ("--from 27000 --seconds 120", "--from 1 --seconds 2")];

/// The comment on a command that is to be repeated.
const REPEAT: &str = "# until \"state\" is \"ready\"";

/// Copies the logs of the last take and of the session to where the documented commands read them.
fn copy_logs(home: &Home) {
    let started = Instant::now();
    let log = loop {
        let takes = fs::read_dir(home.state().join("recordings")).unwrap().map(|entry| entry.unwrap().path());
        let log = takes.filter(|path| path.extension().is_some_and(|extension| extension == "log")).max();
        if let Some(log) = log {
            break log;
        }
        assert!(started.elapsed() < TIMEOUT, "no control log was written beside the take");
        sleep(Duration::from_millis(50));
    };
    fs::copy(log, home.path().join("take.log")).unwrap();
    fs::copy(home.state().join("session.log"), home.path().join("session.log")).unwrap();
}

/// Returns the file that a command writes, if the command names one.
fn output_file(line: &str) -> Option<&str> {
    line.split_once(" -o ").and_then(|(_, rest)| rest.split_whitespace().next())
}

fn is_not_empty(file: &Path) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.len() > 1000)
}

#[test]
fn commands_in_the_documentation_succeed() {
    let home = Home::new();
    let daemon = home.start("melos run");
    let mut count = 0;
    let mut shortened = Vec::new();
    for Line { location, text } in commands_of("daemon") {
        if text.starts_with("melos record start") {
            home.run("melos record stop");
        }
        if text.contains("--control-log") {
            copy_logs(&home);
        }
        // curl ignores HTTP errors by default.
        let mut line = text.replace("curl ", "curl --fail-with-body --show-error ");
        for (written, shorter) in SHORTER.iter().filter(|(written, _)| text.contains(written)) {
            line = line.replace(written, shorter);
            shortened.push(written);
        }
        let started = Instant::now();
        let output = loop {
            let output = home.run(&line);
            let is_done = !line.ends_with(REPEAT) || String::from_utf8_lossy(&output.stdout).contains("\"ready\"");
            if is_done || !output.status.success() {
                break output;
            }
            assert!(started.elapsed() < TIMEOUT, "{location}: {line}\n{output:?}");
            sleep(Duration::from_millis(100));
        };
        // On a busy machine, the generator may be late, which `melos status` reports with this exit status.
        let is_late = text.starts_with("melos status") && output.status.code() == Some(2);
        assert!(output.status.success() || is_late, "{location}: {line}\n{output:?}");
        if let Some(file) = output_file(&line) {
            assert!(is_not_empty(&home.path().join(file)), "{location}: {line}\nwrote no {file}");
        }
        count += 1;
    }
    assert!(count > 40, "only {count} commands found");
    assert_eq!(shortened.len(), SHORTER.len(), "the documentation no longer contains these lengths");
    let status = daemon.status().unwrap();
    let log = daemon.log();
    assert!(status["losses"]["osc_refused"] == 0 && !log.contains("there is no"), "{log}");
}
