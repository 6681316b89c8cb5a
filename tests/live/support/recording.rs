//! Records the daemon through JACK with another program.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::daemon::SERVER;

/// Starts `jack_capture`, which records both outputs for the given number of seconds and exits.
pub(crate) fn record(path: &Path, seconds: u32) -> Child {
    Command::new("jack_capture")
        .args(["--no-stdin", "-d", &seconds.to_string(), "--channels", "2"])
        .args(["--port", "melos-audio:left", "--port", "melos-audio:right", "--format", "wav", "--bitdepth", "FLOAT"])
        .arg(path)
        .env("JACK_DEFAULT_SERVER", SERVER)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("jack_capture is needed: apt-get install jack-capture")
}

/// Returns the channels of a recording.
pub(crate) fn channels(path: &Path) -> [Vec<f32>; 2] {
    let mut wav = hound::WavReader::open(path).unwrap();
    assert_eq!((wav.spec().channels, wav.spec().sample_rate), (2, 48_000));
    let samples: Vec<f32> = wav.samples::<f32>().map(Result::unwrap).collect();
    [0, 1].map(|channel| samples.iter().skip(channel).step_by(2).copied().collect())
}
