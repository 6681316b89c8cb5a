//! A daemon that plays under JACK's dummy driver while `jack_capture` records it.

use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::daemon::{Daemon, SERVER, TIMEOUT};
use super::glitches::{clicks, silences};
use super::jack_server::JackServer;
use super::recording::channels;

const RATE: usize = 48_000;
/// Block size in frames.
const PERIOD: usize = 1024;

/// The tests share a JACK server name and depend on timing.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A daemon whose output another program records.
#[derive(Debug)]
pub(crate) struct RecordedDaemon {
    recorder: Recorder,
    extra_recorders: Vec<Recorder>,
    pub(crate) daemon: Daemon,
    pub(crate) server: JackServer,
    sound: PathBuf,
    /// Number of late blocks before the recording started.
    late_before: u64,
    folder: tempfile::TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl RecordedDaemon {
    /// Starts a daemon with the given state folder, whose recordings may fill the disk completely.
    pub(crate) fn start(state: &Path) -> Self {
        Self::start_as(state, Daemon::start)
    }

    /// Like [`Self::start`], with the daemon's log sent to `log`.
    pub(crate) fn start_logging_to(log: Stdio, state: &Path) -> Self {
        // Choose the ports here, because the log that would name them goes elsewhere.
        let osc = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let http = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self::start_as(state, |state, arguments| Daemon::start_logging_to(log, (osc, http), state, arguments))
    }

    fn start_as(state: &Path, start: impl FnOnce(&Path, &[&str]) -> Daemon) -> Self {
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("melos.toml");
        std::fs::write(&config, "[recordings]\nkeep_free_gb = 0\n").unwrap();
        let server = JackServer::start(SERVER, PERIOD as u32);
        let arguments = ["--audio", "jack", "--midi", "off", "--preset", "calm", "--config", config.to_str().unwrap()];
        let daemon = start(state, &arguments);
        let sound = folder.path().join("recorded.wav");
        let recorder = record(&sound);
        let late_before = late_blocks(&daemon);
        Self { recorder, extra_recorders: Vec::new(), daemon, server, sound, late_before, folder, _alone: alone }
    }

    /// Returns the path of the configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("melos.toml")
    }

    /// Changes a parameter, and checks that Melos responds and keeps playing.
    pub(crate) fn check_response(&self) {
        for value in [0.25, 0.5] {
            self.daemon.oscsend(&["/melos/reverb", "f", &value.to_string()]);
            self.daemon.wait_until("Melos responds", |status| {
                status["parameters"]["reverb"] == value && status["state"] == "playing"
            });
        }
        let now = self.daemon.status().unwrap()["seconds"].as_f64();
        self.daemon.wait_until("the music continues", |status| status["seconds"].as_f64() > now.map(|now| now + 0.5));
    }

    /// Starts recording a take in the daemon.
    pub(crate) fn start_take(&self) {
        self.daemon.wait_until("a take starts", |status| {
            self.daemon.oscsend(&["/melos/record", "i", "1"]);
            status["recording"]["on"] == true
        });
    }

    /// Waits until Melos reports the given troubles.
    pub(crate) fn wait_for_trouble(&self, parts: &[&str]) {
        self.daemon.wait_until(&format!("troubles of {parts:?} are reported"), |status| {
            parts.iter().all(|part| status["troubles"][part].is_string())
        });
    }

    /// Waits until Melos reports no troubles.
    pub(crate) fn wait_until_healthy(&self) {
        self.daemon.wait_until("there are no troubles", |status| {
            status["troubles"].as_object().is_some_and(serde_json::Map::is_empty) && status["state"] == "playing"
        });
    }

    /// Discards the external recording and starts a new one.
    pub(crate) fn restart_recording(&mut self) {
        let _ = self.recorder.0.kill();
        let _ = self.recorder.0.wait();
        std::fs::remove_file(&self.sound).unwrap();
        self.recorder = record(&self.sound);
        self.late_before = late_blocks(&self.daemon);
    }

    /// Stops the external recording and returns its channels.
    fn stop_recording(&mut self) -> [Vec<f32>; 2] {
        signal(self.recorder.0.id(), "INT");
        let started = Instant::now();
        while self.recorder.0.try_wait().unwrap().is_none() {
            assert!(started.elapsed() < TIMEOUT, "jack_capture did not exit");
            sleep(Duration::from_millis(20));
        }
        // Skip the part before both channels are connected.
        channels(&self.sound).map(|side| side[(RATE / 2).min(side.len())..].to_vec())
    }

    /// Stops the external recording, and checks that it lasts at least a second and has no silences or clicks.
    pub(crate) fn check_sound(&mut self) {
        let recorded = self.stop_recording();
        assert!(recorded[0].len() > RATE, "the recording has only {} frames", recorded[0].len());
        let silences = silences(&recorded);
        assert!(silences.is_empty(), "silences in {} frames: {silences:?}", recorded[0].len());
        assert_eq!(clicks(&recorded), [0usize; 0], "clicks in {} frames", recorded[0].len());
    }

    /// Starts a second recorder and returns its process id.
    pub(crate) fn start_second_recorder(&mut self) -> u32 {
        let other = record(&self.folder.path().join("other.wav"));
        let process = other.0.id();
        self.extra_recorders.push(other);
        process
    }

    /// Checks that Melos responds and that the recording has no silences or clicks, then terminates Melos and checks
    /// that it exits cleanly.
    pub(crate) fn finish(mut self) {
        self.check_response();
        sleep(Duration::from_millis(500));
        self.check_sound();
        // Late blocks are missing from the recording, because JACK does not call the recorder either.
        let late = late_blocks(&self.daemon) - self.late_before;
        assert!(late as usize * PERIOD <= RATE / 10, "{late} blocks of {PERIOD} frames were late");
        // Fade out quickly first, so that the daemon exits without its usual fade.
        self.daemon.oscsend(&["/melos/play/fade", "f", "0.05"]);
        self.daemon.oscsend(&["/melos/play", "i", "0"]);
        let (exit_status, log) = self.daemon.terminate();
        assert!(exit_status.success(), "{log}");
    }
}

/// Returns the number of late blocks so far.
fn late_blocks(daemon: &Daemon) -> u64 {
    daemon.status().unwrap()["losses"]["xruns"].as_u64().unwrap()
}

/// A running `jack_capture`; killed on drop.
#[derive(Debug)]
struct Recorder(Child);

impl Drop for Recorder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a recorder of both outputs, which runs until it is stopped.
fn record(path: &Path) -> Recorder {
    let recorder = Command::new("jack_capture")
        .args(["--no-stdin", "--channels", "2", "--format", "wav", "--bitdepth", "FLOAT"])
        .args(["--port", "melos-audio:left", "--port", "melos-audio:right"])
        .arg(path)
        .env("JACK_DEFAULT_SERVER", SERVER)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map(Recorder)
        .expect("jack_capture is needed: apt-get install jack-capture");
    let started = Instant::now();
    while !path.exists() {
        assert!(started.elapsed() < TIMEOUT, "jack_capture did not start");
        sleep(Duration::from_millis(20));
    }
    recorder
}

/// Sends a process a signal, such as `STOP`.
pub(crate) fn signal(process: u32, signal: &str) {
    assert!(Command::new("kill").args([&format!("-{signal}"), &process.to_string()]).status().unwrap().success());
}
