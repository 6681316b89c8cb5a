//! A running `melos` with its own ports and state folder.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

/// Name of the JACK server that a daemon started with `--audio jack` plays through.
pub(crate) const SERVER: &str = "melos-test";

/// Time limit for any wait, long enough for a busy machine.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// The daemon; killed on drop.
#[derive(Debug)]
pub(crate) struct Daemon {
    child: Child,
    /// Standard error so far.
    log: Arc<Mutex<String>>,
    /// The thread that reads standard error.
    reader: Option<JoinHandle<()>>,
    /// The OSC and HTTP ports; 0 until the log names them.
    pub(crate) osc: u16,
    pub(crate) http: u16,
}

impl Daemon {
    /// Starts `melos run` and waits until it reports its state.
    pub(crate) fn start(state: &Path, arguments: &[&str]) -> Self {
        Self::start_with(&[], state, arguments)
    }

    /// Like [`Self::start`], with environment variables.
    pub(crate) fn start_with(environment: &[(&str, String)], state: &Path, arguments: &[&str]) -> Self {
        Self::spawn_at((0, 0), environment, state, arguments).wait_until_ready()
    }

    /// Like [`Self::start`], on given ports and with the log sent to `log`.
    pub(crate) fn start_logging_to(log: Stdio, ports: (u16, u16), state: &Path, arguments: &[&str]) -> Self {
        Self::spawn_logging_to(log, ports, &[], state, arguments).wait_until_ready()
    }

    /// Kills the daemon to simulate a crash, restarts it on the same ports and waits until it reports its state.
    pub(crate) fn restart_after_kill(mut self, state: &Path, arguments: &[&str]) -> Self {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        Self::spawn_at((self.osc, self.http), &[], state, arguments).wait_until_ready()
    }

    fn wait_until_ready(self) -> Self {
        let mut daemon = self;
        let started = Instant::now();
        while !daemon.read_ports() || daemon.status().is_none() {
            let exit_status = daemon.child.try_wait().unwrap();
            assert!(
                exit_status.is_none() && started.elapsed() < TIMEOUT,
                "the daemon did not become ready: {}",
                daemon.stop()
            );
            sleep(Duration::from_millis(50));
        }
        daemon
    }

    /// Starts `melos run` on free ports, without waiting until it is ready.
    pub(crate) fn spawn(state: &Path, arguments: &[&str]) -> Self {
        Self::spawn_at((0, 0), &[], state, arguments)
    }

    /// Reads the ports from the log; returns false until they appear there.
    fn read_ports(&mut self) -> bool {
        if self.osc != 0 && self.http != 0 {
            return true;
        }
        let log = self.log.lock().unwrap();
        let port = |before: &str| {
            let (_, after) = log.split_once(before)?;
            let address = after.split(['/', '\n']).next()?.parse::<SocketAddr>().ok()?;
            Some(address.port())
        };
        let (Some(osc), Some(http)) = (port("listening for OSC address="), port("page=http://")) else { return false };
        (self.osc, self.http) = (osc, http);
        true
    }

    /// Starts `melos run` on given ports for OSC and HTTP, such as those of an earlier daemon; 0 selects a free port.
    pub(crate) fn spawn_at(
        (osc, http): (u16, u16),
        environment: &[(&str, String)],
        state: &Path,
        arguments: &[&str],
    ) -> Self {
        Self::spawn_logging_to(Stdio::piped(), (osc, http), environment, state, arguments)
    }

    fn spawn_logging_to(
        log: Stdio,
        (osc, http): (u16, u16),
        environment: &[(&str, String)],
        state: &Path,
        arguments: &[&str],
    ) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_melos"));
        command
            .args(["run", "--osc", &format!("127.0.0.1:{osc}"), "--http", &http.to_string(), "--state"])
            .arg(state)
            .args(arguments)
            .envs([("JACK_DEFAULT_SERVER", SERVER), ("JACK_NO_START_SERVER", "1")])
            .envs(environment.iter().map(|(name, value)| (name, value)));
        Self::spawn_command(log, (osc, http), &mut command)
    }

    /// Runs a command that starts a daemon on the given ports, and waits until the daemon reports its state.
    pub(crate) fn start_command(command: &mut Command, ports: (u16, u16)) -> Self {
        Self::spawn_command(Stdio::piped(), ports, command).wait_until_ready()
    }

    fn spawn_command(log: Stdio, (osc, http): (u16, u16), command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let written = Arc::clone(&log);
        let reader = child.stderr.take().map(|stderr| {
            std::thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    written.lock().unwrap().push_str(&(line + "\n"));
                }
            })
        });
        Self { child, log, reader, osc, http }
    }

    /// Returns the process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the log so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Returns the output of `melos status --json`; `None` until the daemon reports a state.
    pub(crate) fn status(&self) -> Option<serde_json::Value> {
        let output = Command::new(env!("CARGO_BIN_EXE_melos"))
            .args(["status", "--json", "--http", &self.http.to_string()])
            .output()
            .unwrap();
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
        (status["state"].as_str() != Some("")).then_some(status)
    }

    /// Sends a message with liblo's `oscsend`.
    pub(crate) fn oscsend(&self, arguments: &[&str]) {
        let sent = Command::new("oscsend").args(["localhost", &self.osc.to_string()]).args(arguments).status();
        assert!(sent.expect("oscsend is needed: apt-get install liblo-tools").success());
    }

    /// Sends a raw datagram.
    pub(crate) fn send_datagram(&self, datagram: &[u8]) {
        UdpSocket::bind("127.0.0.1:0").unwrap().send_to(datagram, ("127.0.0.1", self.osc)).unwrap();
    }

    /// Waits until the status satisfies a condition, and returns that status.
    pub(crate) fn wait_until(&self, what: &str, condition: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        let started = Instant::now();
        loop {
            if let Some(status) = self.status().filter(&condition) {
                return status;
            }
            assert!(started.elapsed() < TIMEOUT, "timed out waiting until {what}: {:?}", self.status());
            sleep(Duration::from_millis(50));
        }
    }

    /// Sends SIGTERM, as systemd does, and waits for the daemon to exit; returns its exit status and log.
    pub(crate) fn terminate(self) -> (ExitStatus, String) {
        self.signal("-TERM")
    }

    /// Sends SIGINT, as Ctrl-C does, and waits for the daemon to exit; returns its exit status and log.
    pub(crate) fn interrupt(self) -> (ExitStatus, String) {
        self.signal("-INT")
    }

    fn signal(self, signal: &str) -> (ExitStatus, String) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        self.wait()
    }

    /// Waits for the daemon to exit; returns its exit status and log.
    pub(crate) fn wait(mut self) -> (ExitStatus, String) {
        let started = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(started.elapsed() < TIMEOUT, "the daemon did not exit");
            sleep(Duration::from_millis(20));
        }
        let status = self.child.wait().unwrap();
        (status, self.stop())
    }

    /// Kills the daemon and returns its log.
    fn stop(&mut self) -> String {
        let _ = self.child.kill();
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
