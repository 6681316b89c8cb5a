//! A daemon that plays under JACK's dummy driver while another program, `jack_capture`, records what it plays.

use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::daemon::{Daemon, LONG, SERVER};
use crate::heard::{clicks, silences};
use crate::jack_server::JackServer;
use crate::recording::channels;

const RATE: usize = 48_000;
/// Frames of a block.
const PERIOD: usize = 1024;

/// JACK's name for the server is the same for all, and each needs the processor in time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A performance that is recorded from outside.
#[derive(Debug)]
pub(crate) struct OnStage {
    recorder: Recorder,
    others: Vec<Recorder>,
    pub(crate) daemon: Daemon,
    pub(crate) server: JackServer,
    sound: PathBuf,
    /// Blocks that did not come in time before it was recorded.
    late: u64,
    folder: tempfile::TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl OnStage {
    /// Plays with a state folder, and with recordings that may take all the room that there is.
    pub(crate) fn start(state: &Path) -> Self {
        Self::start_as(state, Daemon::start)
    }

    /// The same with its log wherever a test wants it.
    pub(crate) fn start_logging_to(log: Stdio, state: &Path) -> Self {
        // What it listens to stands in its log.
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
        let sound = folder.path().join("heard.wav");
        let recorder = record(&sound);
        let late = blocks_late(&daemon);
        Self { recorder, others: Vec::new(), daemon, server, sound, late, folder, _alone: alone }
    }

    /// The configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("melos.toml")
    }

    /// Steers it, and sees that it follows and is heard.
    pub(crate) fn follows(&self) {
        for value in [0.25, 0.5] {
            self.daemon.oscsend(&["/melos/reverb", "f", &value.to_string()]);
            self.daemon.wait_until("it follows", |status| {
                status["parameters"]["reverb"] == value && status["state"] == "playing"
            });
        }
        let now = self.daemon.status().unwrap()["seconds"].as_f64();
        self.daemon.wait_until("the music goes on", |status| status["seconds"].as_f64() > now.map(|now| now + 0.5));
    }

    /// Begins to record, by itself.
    pub(crate) fn begin_take(&self) {
        self.daemon.wait_until("a take", |status| {
            self.daemon.oscsend(&["/melos/record", "i", "1"]);
            status["recording"]["on"] == true
        });
    }

    /// What is in trouble according to itself.
    pub(crate) fn wait_for_trouble(&self, parts: &[&str]) {
        self.daemon.wait_until(&format!("{parts:?} in trouble"), |status| {
            parts.iter().all(|part| status["troubles"][part].is_string())
        });
    }

    /// Waits until nothing is in trouble any more.
    pub(crate) fn wait_until_well(&self) {
        self.daemon.wait_until("nothing is in trouble", |status| {
            status["troubles"].as_object().is_some_and(serde_json::Map::is_empty) && status["state"] == "playing"
        });
    }

    /// Begins to record anew: what was heard before does not count.
    pub(crate) fn listen_anew(&mut self) {
        let _ = self.recorder.0.kill();
        let _ = self.recorder.0.wait();
        std::fs::remove_file(&self.sound).unwrap();
        self.recorder = record(&self.sound);
        self.late = blocks_late(&self.daemon);
    }

    /// What was heard since it began to record, which ends now.
    fn heard(&mut self) -> [Vec<f32>; 2] {
        signal(self.recorder.0.id(), "INT");
        let begun = Instant::now();
        while self.recorder.0.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < LONG, "jack_capture does not end");
            sleep(Duration::from_millis(20));
        }
        // Until it is connected on both sides.
        channels(&self.sound).map(|side| side[(RATE / 2).min(side.len())..].to_vec())
    }

    /// Sees that there was no silence and no click, in a second at least.
    pub(crate) fn check_sound(&mut self) {
        let heard = self.heard();
        assert!(heard[0].len() > RATE, "only {} frames", heard[0].len());
        assert_eq!(silences(&heard), [], "silences of more than 100 ms, in frames of {}", heard[0].len());
        assert_eq!(clicks(&heard), [0usize; 0], "clicks, in frames of {}", heard[0].len());
    }

    /// Another program that records it, which ends with this one; gives the number of its process.
    pub(crate) fn another_recorder(&mut self) -> u32 {
        let other = record(&self.folder.path().join("other.wav"));
        let process = other.0.id();
        self.others.push(other);
        process
    }

    /// Sees that it follows, and that all was heard without a silence or a click; then ends it and sees that it ends well.
    pub(crate) fn was_heard(mut self) {
        self.follows();
        sleep(Duration::from_secs(1));
        self.check_sound();
        // Where a block does not come in time, whoever records is not called either.
        let late = blocks_late(&self.daemon) - self.late;
        assert!(late as usize * PERIOD <= RATE / 10, "{late} blocks of {PERIOD} frames did not come in time");
        let (ended, said) = self.daemon.terminate();
        assert!(ended.success(), "{said}");
    }
}

/// How many blocks the server has asked for and not got in time.
fn blocks_late(daemon: &Daemon) -> u64 {
    daemon.status().unwrap()["losses"]["xruns"].as_u64().unwrap()
}

/// A `jack_capture`; dropping it ends it.
#[derive(Debug)]
struct Recorder(Child);

impl Drop for Recorder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Records both outputs until it is told to end.
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
    let begun = Instant::now();
    while !path.exists() {
        assert!(begun.elapsed() < LONG, "jack_capture does not begin");
        sleep(Duration::from_millis(20));
    }
    recorder
}

/// Sends a process a signal, such as `STOP`.
pub(crate) fn signal(process: u32, signal: &str) {
    assert!(Command::new("kill").args([&format!("-{signal}"), &process.to_string()]).status().unwrap().success());
}
