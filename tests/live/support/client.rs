//! Third-party programs and their output.

use std::io::{BufRead, BufReader, Read};
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// Time limit for any wait, long enough for a busy machine.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(20);

/// A program whose standard output and standard error are read line by line; killed on drop.
#[derive(Debug)]
pub(crate) struct Client {
    child: Child,
    lines: Receiver<String>,
}

impl Client {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let started = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child =
            started.unwrap_or_else(|error| panic!("{command:?}: {error}; `make packages-test` installs it"));
        let (sender, lines) = channel();
        forward(child.stdout.take().unwrap(), sender.clone());
        forward(child.stderr.take().unwrap(), sender);
        Self { child, lines }
    }

    /// Waits for a line containing `expected`.
    pub(crate) fn expect(&self, expected: &str) {
        self.expect_all(&[expected]);
    }

    /// Waits for lines containing each of `expected`, in any order.
    pub(crate) fn expect_all(&self, expected: &[&str]) {
        let (mut missing, mut seen, start) = (expected.to_vec(), Vec::new(), Instant::now());
        while !missing.is_empty() && start.elapsed() < TIMEOUT {
            let Ok(line) = self.lines.recv_timeout(TIMEOUT) else { break };
            missing.retain(|expected| !line.contains(expected));
            seen.push(line);
        }
        assert!(missing.is_empty(), "{missing:?} did not arrive; got {seen:#?}");
    }

    /// Waits for a line that satisfies a condition.
    pub(crate) fn expect_line(&self, what: &str, mut holds: impl FnMut(&str) -> bool) {
        let start = Instant::now();
        while start.elapsed() < TIMEOUT {
            let Ok(line) = self.lines.recv_timeout(TIMEOUT) else { break };
            if holds(&line) {
                return;
            }
        }
        panic!("no line showing {what} arrived");
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn forward(output: impl Read + Send + 'static, lines: Sender<String>) {
    let output = BufReader::new(output);
    std::thread::spawn(move || output.lines().map_while(Result::ok).all(|line| lines.send(line).is_ok()));
}

/// Returns a command that runs a Python script with the packages of `tests/requirements.txt`.
pub(crate) fn python(script: &str, arguments: &[&str]) -> Command {
    let python = std::env::var("MELOS_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut command = Command::new(python);
    command.arg(script).args(arguments);
    command
}

/// Returns a command that runs a SuperCollider script, with a home folder.
pub(crate) fn sclang(script: &Path, home: &Path) -> Command {
    let mut command = Command::new("sclang");
    // sclang needs a writable home folder, and must run without a display and without the sandbox, which root cannot use.
    command.arg(script).env("HOME", home).stdin(Stdio::piped());
    command.envs([("QT_QPA_PLATFORM", "offscreen"), ("QTWEBENGINE_DISABLE_SANDBOX", "1")]);
    command
}

pub(crate) fn free_port() -> String {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string()
}

/// Waits until another program listens on a UDP port, but no longer than [`TIMEOUT`].
pub(crate) fn wait_until_bound(port: &str) {
    let start = Instant::now();
    while UdpSocket::bind(format!("127.0.0.1:{port}")).is_ok() && start.elapsed() < TIMEOUT {
        std::thread::sleep(Duration::from_millis(10));
    }
}
