//! A recording of a running daemon, and what its control log renders to.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/daemon.rs"]
mod daemon;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use daemon::Daemon;

/// The only file with an ending in a folder, except the automatic recording of the first minute.
fn only(folder: &Path, ending: &str) -> PathBuf {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    let found: Vec<_> = files.filter(|path| name(path).starts_with("take-") && name(path).ends_with(ending)).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].clone()
}

fn samples(path: &Path) -> Vec<i32> {
    hound::WavReader::open(path).unwrap().into_samples().map(Result::unwrap).collect()
}

#[test]
fn a_take_is_rendered_again_from_the_log_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(folder.path(), &["--audio", "null", "--preset", "calm", "--seed", "11"]);
    daemon.oscsend(&["/melos/emotion", "s", "angry"]);
    daemon.oscsend(&["/melos/record/preroll", "f", "30"]);
    daemon.wait_until("pre-roll set", |status| status["parameters"]["record/preroll"] == 30.0);
    daemon.oscsend(&["/melos/record", "i", "1"]);
    sleep(Duration::from_secs(2));
    daemon.oscsend(&["/melos/reverb", "f", "0.7"]);
    sleep(Duration::from_secs(1));
    daemon.oscsend(&["/melos/record", "i", "0"]);
    sleep(Duration::from_secs(1));
    let status = daemon.status().unwrap();
    let (ended, said) = daemon.terminate();
    assert!(ended.success(), "{said}");

    let recordings = folder.path().join("recordings");
    let again = folder.path().join("again.wav");
    let render = Command::new(env!("CARGO_BIN_EXE_melos"))
        .args(["render", "--control-log"])
        .arg(only(&recordings, ".log"))
        .arg("-o")
        .arg(&again)
        .status();
    assert!(render.unwrap().success());
    let (take, again) = (samples(&only(&recordings, ".wav")), samples(&again));
    assert!(take.len() > 2 * 3 * 48_000 && take.iter().any(|sample| sample.abs() > 1000), "music was recorded");
    assert_eq!(take.len(), again.len());
    // What came too late on a machine that was too busy is the one thing that the log cannot say.
    if status["losses"]["late_commands"] == 0 {
        let different = take.iter().zip(&again).position(|(one, other)| one != other);
        assert_eq!(different, None, "of {} samples", take.len());
    }
}

#[test]
fn the_command_line_begins_and_ends_recordings() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(folder.path(), &["--audio", "null", "--preset", "calm", "--set", "record=1"]);
    let record = |what: &str, ports: &[(&str, u16)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_melos"));
        command.args(["record", what]);
        for (name, port) in ports {
            command.args([name, port.to_string().as_str()]);
        }
        command.output().unwrap()
    };
    let ports = [("--http", daemon.http)];
    sleep(Duration::from_secs(1));
    assert!(record("stop", &ports).status.success());
    assert!(record("start", &[&ports[..], &[("--preroll", 20)]].concat()).status.success());
    let status = daemon.status().unwrap();
    assert_eq!(
        (&status["parameters"]["record"], &status["parameters"]["record/preroll"]),
        (&true.into(), &20.0.into())
    );
    assert!(record("stop", &ports).status.success());
    let (ended, said) = daemon.terminate();
    assert!(ended.success(), "{said}");
    let takes = fs::read_dir(folder.path().join("recordings")).unwrap().map(|entry| entry.unwrap().path());
    let lengths: Vec<_> = takes
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("take-"))
        .filter(|path| path.extension().is_some_and(|extension| extension == "wav"))
        .map(|path| hound::WavReader::open(path).unwrap().duration())
        .collect();
    assert!(lengths.len() == 2 && lengths.iter().all(|frames| *frames > 24_000), "{lengths:?}");

    let refused = record("start", &[("--http", 1)]);
    assert!(String::from_utf8(refused.stderr).unwrap().contains("no Melos answers on 127.0.0.1:1"));
}
