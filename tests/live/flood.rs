//! Ten thousand OSC messages a second: the latest values win, and the output still matches the rendered control log,
//! sample for sample. `benches/flood.py` does the same for a minute and measures latency.

use std::process::Command;

use crate::support::client::python;
use crate::support::daemon::{Daemon, SERVER};
use crate::support::jack_server::JackServer;
use crate::support::recording::{channels, record};

const RATE: usize = 48_000;
/// The final values of `osc_sensors.py`.
const FINAL_VALUES: [(&str, f64); 8] = [
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
fn after_a_flood_the_latest_values_apply_and_every_sample_matches() {
    // Overload changes the sound in ways that only the loss counters show, not the control log.
    let busy: Vec<_> = (0..3).map_while(|_| flood().err()).collect();
    assert!(
        busy.len() < 3,
        "xruns or late commands in every attempt; the machine may be too busy for real-time playback: {busy:?}"
    );
}

/// Floods Melos and compares the recording with the render; returns as an error the losses that make the control
/// log incomplete.
fn flood() -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let (log, recorded, rendered) =
        (folder.path().join("take.log"), folder.path().join("recorded.wav"), folder.path().join("rendered.wav"));
    let _server = JackServer::start(SERVER, 512);
    let arguments = ["--audio", "jack", "--midi", "off", "--preset", "calm", "--control-log", log.to_str().unwrap()];
    let daemon = Daemon::start(folder.path(), &arguments);
    let mut recorder = record(&recorded, 7);
    let sent = python("tests/clients/osc_sensors.py", &[&daemon.osc.to_string(), "10000", "5"]).status();
    assert!(sent.unwrap().success());
    daemon.wait_until("every sensor's last value is set", |status| {
        FINAL_VALUES.iter().all(|(id, value)| status["parameters"][id] == *value)
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
    let ([recorded, _], [rendered, _]) = (channels(&recorded), channels(&rendered));
    // Skip the first second, in which the recorder connects.
    let recorded = &recorded[RATE..];
    let longest_run = recorded.chunk_by(|a, b| a == b).map(<[f32]>::len).max().unwrap();
    assert!(longest_run < 480, "a run of {longest_run} identical samples");
    let losses = ["late_commands", "xruns"].map(|loss| (loss, status["losses"][loss].as_u64().unwrap()));
    if losses.iter().any(|(_, count)| *count > 0) {
        return Err(format!("{losses:?}"));
    }
    // Find where the recording starts in the rendering.
    let start = rendered.windows(2000).position(|window| window == &recorded[..2000]);
    let start = start.expect("the recording should be part of the rendered log");
    let first_difference =
        recorded.iter().zip(&rendered[start..]).position(|(recorded, rendered)| recorded != rendered);
    assert_eq!(first_difference, None, "first frame at which the recording differs from the rendered log");
    Ok(())
}
