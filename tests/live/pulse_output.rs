//! PulseAudio output on a real server with a null sink, recorded from the sink's monitor.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::daemon;
use crate::support::daemon::Daemon;

/// A PulseAudio server for this test; killed on drop.
struct Pulse {
    server: Child,
    folder: TempDir,
}

impl Pulse {
    /// Starts a server whose only sink is a null sink.
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let server = Command::new("pulseaudio")
            .args(["-n", "--daemonize=no", "--exit-idle-time=-1", "--load=module-null-sink sink_name=melos rate=48000"])
            .arg(format!("--load=module-native-protocol-unix socket={} auth-anonymous=1", socket.display()))
            .envs(["HOME", "XDG_RUNTIME_DIR", "PULSE_RUNTIME_PATH"].map(|name| (name, folder.path())))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("pulseaudio is needed: apt-get install pulseaudio pulseaudio-utils");
        let mut pulse = Self { server, folder };
        let started = Instant::now();
        while !socket.exists() {
            let exit_status = pulse.server.try_wait().unwrap();
            assert!(
                exit_status.is_none() && started.elapsed() < daemon::TIMEOUT,
                "the PulseAudio server did not start: {exit_status:?}"
            );
            sleep(Duration::from_millis(50));
        }
        pulse
    }

    /// Returns the environment in which clients find the server.
    fn environment(&self) -> [(&'static str, String); 2] {
        let folder = self.folder.path().display();
        [("PULSE_SERVER", format!("unix:{folder}/socket")), ("HOME", folder.to_string())]
    }

    /// Records the sink for the given number of frames, and returns the left channel.
    fn record(&self, frames: usize) -> Vec<i16> {
        let mut recorder = Command::new("parec")
            .args(["-d", "melos.monitor", "--format=s16le", "--rate=48000", "--channels=2"])
            .envs(self.environment())
            .stdout(Stdio::piped())
            .spawn()
            .expect("parec is needed: apt-get install pulseaudio-utils");
        let mut bytes = vec![0; 4 * frames];
        let read = recorder.stdout.take().unwrap().read_exact(&mut bytes);
        let _ = recorder.kill();
        let _ = recorder.wait();
        read.unwrap();
        bytes.chunks_exact(4).map(|frame| i16::from_le_bytes([frame[0], frame[1]])).collect()
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
fn the_music_plays_through_pulseaudio() {
    let pulse = Pulse::start();
    let state = tempfile::tempdir().unwrap();
    let arguments = ["--audio", "pulse", "--midi", "off", "--preset", "energetic"];
    let daemon = Daemon::start_with(&pulse.environment(), state.path(), &arguments);
    let status = daemon.wait_until("Melos plays", |status| status["state"] == "playing");
    assert!(status["output"].as_str().unwrap().starts_with("PulseAudio"), "{}", status["output"]);
    let sound = pulse.record(96_000);
    assert!(sound.iter().any(|sample| sample.unsigned_abs() > 300), "the recording is silent");
    let (exit_status, log) = daemon.terminate();
    assert!(exit_status.success() && log.contains("fading out"), "{log}");
}
