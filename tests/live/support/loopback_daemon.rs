//! A running `melos` on its own loopback address, where the ports are free, with its log sent where the test chooses.

use std::io::{Read, Write};
use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Time limit for any wait, long enough for a busy machine.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// Name of the JACK server through which the daemon plays if the test starts one.
pub(crate) const SERVER: &str = "melos-playing";

const OSC: u16 = 9410;
const HTTP: u16 = 9411;

/// A daemon on its own loopback address; killed on drop.
#[derive(Debug)]
pub(crate) struct LoopbackDaemon {
    pub(crate) child: Child,
    host: &'static str,
    pub(crate) state: tempfile::TempDir,
}

impl LoopbackDaemon {
    pub(crate) fn start(host: &'static str, log: impl Into<Stdio>) -> Self {
        let mut daemon = Self::spawn(host, log, &["--audio", "null", "--midi", "off"]);
        daemon.wait_until("Melos plays", |status| status["seconds"].as_f64() > Some(0.5));
        daemon
    }

    /// Starts `melos run` with further options, without waiting until it plays.
    pub(crate) fn spawn(host: &'static str, log: impl Into<Stdio>, arguments: &[&str]) -> Self {
        let state = tempfile::tempdir().unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_melos"))
            .args(["run", "--osc", &format!("{host}:{OSC}")])
            .args(["--http", &format!("{host}:{HTTP}"), "--state"])
            .arg(state.path())
            .args(arguments)
            .envs([("JACK_DEFAULT_SERVER", SERVER), ("JACK_NO_START_SERVER", "1")])
            .env("MELOS_LOG", "warn,pulseaudio=off,melos=debug")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child, host, state }
    }

    pub(crate) fn status(&self) -> Option<serde_json::Value> {
        let mut stream = std::net::TcpStream::connect((self.host, HTTP)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.write_all(format!("GET /status HTTP/1.0\r\nHost: {}\r\n\r\n", self.host).as_bytes()).ok()?;
        let mut response = String::new();
        stream.read_to_string(&mut response).ok()?;
        serde_json::from_str(response.split_once("\r\n\r\n")?.1).ok()
    }

    pub(crate) fn wait_until(&mut self, what: &str, condition: impl Fn(&serde_json::Value) -> bool) {
        let started = Instant::now();
        while !self.status().is_some_and(|status| condition(&status)) {
            assert!(self.child.try_wait().unwrap().is_none(), "Melos exited while the test was waiting until {what}");
            assert!(started.elapsed() < TIMEOUT, "timed out waiting until {what}: {:?}", self.status());
            sleep(Duration::from_millis(50));
        }
    }

    /// Sends an OSC message with one string.
    pub(crate) fn send(&self, address: &str, text: &str) {
        self.send_datagram(&message(address, text));
    }

    pub(crate) fn send_datagram(&self, datagram: &[u8]) {
        UdpSocket::bind((self.host, 0)).unwrap().send_to(datagram, (self.host, OSC)).unwrap();
    }

    /// Changes a parameter, and checks that Melos responds and keeps playing.
    pub(crate) fn check_response(&mut self) {
        for emotion in ["angry", "calm"] {
            self.send("/melos/emotion", emotion);
            self.wait_until(&format!("the emotion is {emotion}"), |status| status["parameters"]["emotion"] == emotion);
        }
        let now = self.status().unwrap()["seconds"].as_f64().unwrap();
        self.wait_until("the music continues", |status| status["seconds"].as_f64() > Some(now + 0.5));
    }

    pub(crate) fn terminate(mut self) {
        assert!(Command::new("kill").arg(self.child.id().to_string()).status().unwrap().success());
        let started = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(started.elapsed() < TIMEOUT, "SIGTERM did not end Melos");
            sleep(Duration::from_millis(20));
        }
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for LoopbackDaemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Builds an OSC message with one string.
pub(crate) fn message(address: &str, text: &str) -> Vec<u8> {
    let padded = |text: &str| {
        let mut bytes = text.as_bytes().to_vec();
        bytes.resize(text.len() / 4 * 4 + 4, 0);
        bytes
    };
    [padded(address), padded(",s"), padded(text)].concat()
}

/// Builds an OSC bundle. `time` is its NTP time tag; 1 means "immediately".
pub(crate) fn bundle(time: u64, messages: &[Vec<u8>]) -> Vec<u8> {
    let mut bundle = b"#bundle\0".to_vec();
    bundle.extend(time.to_be_bytes());
    for message in messages {
        bundle.extend((message.len() as u32).to_be_bytes());
        bundle.extend(message);
    }
    bundle
}
