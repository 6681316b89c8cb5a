//! A JACK server that needs no sound card.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A running server; terminated on drop.
#[derive(Debug)]
pub(crate) struct JackServer {
    child: Child,
    name: String,
    log: PathBuf,
}

impl JackServer {
    /// Starts a server with real-time scheduling and the given period in frames; where the system refuses real-time
    /// scheduling, starts a synchronous one with long periods instead. The name distinguishes the server from others on
    /// the machine; programs find it through the environment variable `JACK_DEFAULT_SERVER`.
    pub(crate) fn start(name: &str, period: u32) -> Self {
        let period = period.to_string();
        let server = Self::spawn(name, &["-R", "-P", "70"], &["-p", &period]);
        if !fs::read_to_string(&server.log).unwrap().contains("Cannot use real-time scheduling") {
            return server;
        }
        println!("real-time scheduling was refused: using a synchronous server with long periods instead");
        drop(server);
        Self::start_synchronous(name)
    }

    /// Starts a server that drops neither cycles nor clients on a busy machine: it is synchronous, has long periods,
    /// and does not request real-time scheduling.
    pub(crate) fn start_synchronous(name: &str) -> Self {
        Self::spawn(name, &["-r", "-S", "-t", "3000"], &["-p", "1024"])
    }

    /// Like [`Self::start_synchronous`], with the given number of playback ports.
    pub(crate) fn with_playback(name: &str, ports: u32) -> Self {
        Self::spawn(name, &["-r", "-S", "-t", "3000"], &["-p", "1024", "-P", &ports.to_string()])
    }

    /// Sends the server a signal, such as `STOP`.
    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([&format!("-{signal}"), &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    fn spawn(name: &str, options: &[&str], driver: &[&str]) -> Self {
        let log = std::env::temp_dir().join(format!("{name}.log"));
        let file = File::create(&log).unwrap();
        let child = Command::new("jackd")
            .args(["-n", name])
            .args(options)
            .args(["-d", "dummy", "-r", "48000"])
            .args(driver)
            .envs([("JACK_NO_AUDIO_RESERVATION", "1"), ("JACK_NO_START_SERVER", "1")])
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .expect("jackd is needed: apt-get install jackd2");
        let mut server = Self { child, name: name.to_owned(), log };
        let started = Instant::now();
        while !server.is_ready() {
            let exited = server.child.try_wait().unwrap();
            let log = fs::read_to_string(&server.log).unwrap();
            assert!(exited.is_none() && started.elapsed() < Duration::from_secs(20), "jackd did not start:\n{log}");
            sleep(Duration::from_millis(20));
        }
        server
    }

    /// Returns whether clients can connect.
    fn is_ready(&self) -> bool {
        let list =
            Command::new("jack_lsp").env("JACK_DEFAULT_SERVER", &self.name).env("JACK_NO_START_SERVER", "1").output();
        list.expect("jack_lsp is needed: apt-get install jackd2").status.success()
    }

    /// Kills the server to simulate a crash.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for JackServer {
    fn drop(&mut self) {
        // A killed server keeps its slot in JACK's registry, which has only eight; a terminated one frees it.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let started = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && started.elapsed() < Duration::from_secs(5) {
            sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.log);
    }
}
