//! Ten thousand OSC messages a second: the newest values win, and what is heard is still, sample for sample, what the
//! control log says. `benches/flood.py` does the same for a minute and measures latency.
#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

#[path = "support/client.rs"]
mod client;
#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/jack_server.rs"]
mod jack_server;
#[path = "support/recording.rs"]
mod recording;

use std::process::Command;

use client::python;
use daemon::{Daemon, SERVER};
use jack_server::JackServer;
use recording::{channels, record};

const RATE: usize = 48_000;
/// Where `osc_sensors.py` ends.
const AT_REST: [(&str, f64); 8] = [
    ("valence", 0.25),
    ("level/network", -3.0),
    ("temperature", 0.875),
    ("tone", -0.125),
    ("arousal", -0.5),
    ("reverb", 0.375),
    ("density", 0.5),
    ("width", 0.625),
];

#[test]
fn a_flood_leaves_the_newest_values_and_not_one_sample_astray() {
    // What a machine that is too busy does to the sound at once is the one thing that the log cannot say, and it is counted.
    let busy: Vec<_> = (0..3).map_while(|_| flood().err()).collect();
    assert!(busy.len() < 3, "the machine is too busy to play in time, flood or not: {busy:?}");
}

/// Floods and compares; gives the losses for which the log cannot tell what was heard.
fn flood() -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let (log, heard, rendered) =
        (folder.path().join("take.log"), folder.path().join("heard.wav"), folder.path().join("rendered.wav"));
    let _server = JackServer::start(SERVER, 512);
    let arguments = ["--audio", "jack", "--midi", "off", "--preset", "calm", "--control-log", log.to_str().unwrap()];
    let daemon = Daemon::start(folder.path(), &arguments);
    let mut recorder = record(&heard, 7);
    let sent = python("tests/clients/osc_sensors.py", &[&daemon.osc.to_string(), "10000", "5"]).status();
    assert!(sent.unwrap().success());
    daemon.wait_until("every sensor's last value has won", |status| {
        AT_REST.iter().all(|(id, value)| status["parameters"][id] == *value)
    });
    assert!(recorder.wait().unwrap().success());
    let status = daemon.status().unwrap();
    assert!(daemon.terminate().0.success());

    let render = Command::new(env!("CARGO_BIN_EXE_melos"))
        .args(["render", "--bits", "32", "--control-log"])
        .arg(&log)
        .arg("-o")
        .arg(&rendered)
        .status();
    assert!(render.unwrap().success());
    let ([heard, _], [rendered, _]) = (channels(&heard), channels(&rendered));
    // From the first second on.
    let heard = &heard[RATE..];
    let standstill = heard.chunk_by(|a, b| a == b).map(<[f32]>::len).max();
    assert!(standstill < Some(480), "no gap: {standstill:?} equal samples");
    let losses = ["late_commands", "xruns"].map(|loss| (loss, status["losses"][loss].as_u64().unwrap()));
    if losses.iter().any(|(_, count)| *count > 0) {
        return Err(format!("{losses:?}"));
    }
    // A stretch of it tells where the recording lies.
    let start = rendered.windows(2000).position(|window| window == &heard[..2000]);
    let start = start.expect("the recording begins as the log says");
    let differs = heard.iter().zip(&rendered[start..]).position(|(heard, rendered)| heard != rendered);
    assert_eq!(differs, None, "the recording leaves the log after so many frames");
    Ok(())
}
