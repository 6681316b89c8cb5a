//! Takes of a running daemon, rendered again from their control logs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use crate::support::daemon::Daemon;

/// Returns the files in a folder whose names end in `suffix`, except those of the automatic take of the first minute.
fn takes(folder: &Path, suffix: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    files.filter(|path| !name(path).contains("first-minute") && name(path).ends_with(suffix)).collect()
}

/// Returns the only file that [`takes`] finds.
fn only_take(folder: &Path, suffix: &str) -> PathBuf {
    let found = takes(folder, suffix);
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].clone()
}

fn samples(path: &Path) -> Vec<i32> {
    hound::WavReader::open(path).unwrap().into_samples().map(Result::unwrap).collect()
}

#[test]
fn a_take_is_rendered_again_from_the_log_beside_it() {
    // While the generator is late, the sound depends on when its hops arrive, which the log cannot record.
    let starved: Vec<_> = (0..3).map_while(|_| play_and_render().err()).collect();
    assert!(starved.len() < 3, "the machine is too busy to play in time; starvations: {starved:?}");
}

/// Records a take with every kind of immediate change and renders it again; returns the number of starvations as an
/// error, if there were any.
fn play_and_render() -> Result<(), u64> {
    let folder = tempfile::tempdir().unwrap();
    // A preset that modulates both the sound and the network's music.
    let presets = folder.path().join("config/melos/presets");
    fs::create_dir_all(&presets).unwrap();
    let waves =
        [("tone", "shape = \"walk\"\nseconds = 1"), ("arousal", "shape = \"sine\"\nbars = 1"), ("width", "input = 1")];
    let waves = waves.map(|(to, how)| format!("[[modulate]]\nto = \"{to}\"\ndepth = 0.4\n{how}\n"));
    fs::write(
        presets.join("waves.toml"),
        format!("schema = 1\nname = \"Waves\"\nemotion = \"calm\"\n{}", waves.concat()),
    )
    .unwrap();
    let config = [("XDG_CONFIG_HOME", folder.path().join("config").display().to_string())];
    let daemon = Daemon::start_with(&config, folder.path(), &["--audio", "null", "--preset", "waves", "--seed", "11"]);
    daemon.oscsend(&["/melos/emotion", "s", "angry"]);
    daemon.oscsend(&["/melos/input/1", "f", "0.9"]);
    daemon.oscsend(&["/melos/record/preroll", "f", "30"]);
    daemon.wait_until("the pre-roll is set", |status| status["parameters"]["record/preroll"] == 30.0);
    daemon.oscsend(&["/melos/record", "i", "1"]);
    for (address, kind, value) in [
        ("/melos/level/pad", "f", "-9"),
        ("/melos/mute/bass", "i", "1"),
        ("/melos/economy", "i", "1"),
        ("/melos/chord", "s", "F"),
        ("/melos/hold", "i", "1"),
        ("/melos/reverb", "f", "0.7"),
        ("/melos/chord", "s", "G7"),
        ("/melos/mute/bass", "i", "0"),
        ("/melos/economy", "i", "0"),
        ("/melos/panic", "i", "1"),
        ("/melos/chord", "s", "auto"),
        ("/melos/level/pad", "f", "0"),
    ] {
        sleep(Duration::from_millis(317));
        daemon.oscsend(&[address, kind, value]);
    }
    sleep(Duration::from_secs(1));
    daemon.oscsend(&["/melos/record", "i", "0"]);
    sleep(Duration::from_secs(1));
    let status = daemon.status().unwrap();
    let (exit_status, printed) = daemon.terminate();
    assert!(exit_status.success(), "{printed}");

    let recordings = folder.path().join("recordings");
    let [rendered, rendered_notes] = ["rendered.wav", "rendered.mid"].map(|name| folder.path().join(name));
    let render = Command::new(env!("CARGO_BIN_EXE_melos"))
        .args(["render", "--control-log"])
        .arg(only_take(&recordings, ".log"))
        .arg("-o")
        .arg(&rendered)
        .arg("--midi")
        .arg(&rendered_notes)
        .status();
    assert!(render.unwrap().success());
    let log = fs::read_to_string(only_take(&recordings, ".log")).unwrap();
    for expected in [
        "modulate tone walk 0.4 seconds 1 0",
        "modulate arousal sine 0.4 bars 1 0",
        "modulate width input/1",
        " executed ",
    ] {
        assert!(log.contains(expected), "{expected}\n{log}");
    }
    let notes = [only_take(&recordings, ".mid"), rendered_notes].map(|path| fs::read(path).unwrap());
    let (take, rendered) = (samples(&only_take(&recordings, ".wav")), samples(&rendered));
    assert!(take.len() > 2 * 3 * 48_000, "the take has only {} samples", take.len());
    assert!(take.iter().any(|sample| sample.abs() > 1000), "the take is silent");
    assert_eq!(take.len(), rendered.len());
    match status["losses"]["starvations"].as_u64().unwrap() {
        0 => {}
        starved => return Err(starved),
    }
    assert!(notes[0].len() > 500 && notes[0] == notes[1], "the notes beside the take differ from those rendered again");
    let first_difference = take.iter().zip(&rendered).position(|(one, other)| one != other);
    assert_eq!(first_difference, None, "first of {} samples at which the rendering differs from the take", take.len());
    Ok(())
}

#[test]
fn the_command_line_starts_and_stops_recordings() {
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
    let started = record("start", &[&ports[..], &[("--preroll", 20)]].concat());
    let path = PathBuf::from(String::from_utf8(started.stdout).unwrap().trim_end());
    assert!(started.status.success() && path.is_file(), "{path:?}");
    // With pre-roll, the take may begin in the same second as the first one, whose name it must not reuse.
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(name.ends_with("_calm.wav") || name.ends_with("_calm-2.wav"), "{name}");
    let repeated = record("start", &ports);
    assert_eq!(
        PathBuf::from(String::from_utf8(repeated.stdout).unwrap().trim_end()),
        path,
        "the recording should continue unchanged"
    );
    let status = daemon.status().unwrap();
    sleep(Duration::from_secs(1));
    assert_eq!(
        (&status["parameters"]["record"], &status["parameters"]["record/preroll"]),
        (&true.into(), &0.0.into()),
        "the option applies to this recording alone"
    );
    assert!(record("stop", &ports).status.success());
    let (exit_status, printed) = daemon.terminate();
    assert!(exit_status.success(), "{printed}");
    let found = takes(&folder.path().join("recordings"), ".wav");
    let lengths: Vec<_> = found.iter().map(|path| hound::WavReader::open(path).unwrap().duration()).collect();
    assert!(lengths.len() == 2 && lengths.iter().all(|frames| *frames > 10_000), "{lengths:?}");

    let output = record("start", &[("--http", 1)]);
    assert!(String::from_utf8(output.stderr).unwrap().contains("no Melos daemon responds on 127.0.0.1:1"));
}

#[test]
fn a_failed_recording_is_switched_off_and_reported_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("melos.toml");
    fs::write(&config, "recordings = \"/proc/nothing\"\n").unwrap();
    let daemon = Daemon::start(folder.path(), &["--audio", "null", "--config", config.to_str().unwrap()]);
    let ports = ["--http".to_owned(), daemon.http.to_string()];
    let started = Command::new(env!("CARGO_BIN_EXE_melos")).args(["record", "start"]).args(ports).output().unwrap();
    let printed = String::from_utf8(started.stderr).unwrap();
    assert!(!started.status.success() && printed.contains("/proc/nothing"), "{printed}");
    let status = daemon.wait_until("recording is off", |status| status["parameters"]["record"] == false);
    assert!(status["troubles"]["recording"].as_str().unwrap().contains("/proc/nothing"), "{status}");
    assert_eq!(status["state"], "playing");
    // Repeating the message changes nothing.
    for _ in 0..20 {
        daemon.oscsend(&["/melos/record", "i", "1"]);
    }
    daemon.wait_until("recording is off again", |status| status["parameters"]["record"] == false);
    // Recording works with a different folder, without a restart.
    fs::write(&config, "recordings = \"takes\"\n").unwrap();
    daemon.wait_until("a take starts", |status| {
        daemon.oscsend(&["/melos/record", "i", "1"]);
        status["recording"]["on"] == true && status["troubles"]["recording"].is_null()
    });
    daemon.oscsend(&["/melos/record", "i", "0"]);
    daemon.wait_until("the take ends", |status| status["recording"]["on"] == false);
    assert_eq!(takes(&folder.path().join("takes"), ".wav").len(), 1, "one take, however often it was requested");
}

#[test]
fn takes_after_the_control_log_was_truncated_are_rendered_again() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(folder.path(), &["--audio", "null", "--preset", "calm"]);
    daemon.oscsend(&["/melos/emotion", "s", "angry"]);
    daemon.wait_until("the mood changes", |status| status["parameters"]["emotion"].to_string().contains("angry"));
    fs::File::create(folder.path().join("session.log")).unwrap();
    daemon.wait_until("the log continues", |_| {
        fs::read_to_string(folder.path().join("session.log")).is_ok_and(|log| log.contains("\nbegins "))
    });
    sleep(Duration::from_secs(2));
    daemon.oscsend(&["/melos/record", "i", "1"]);
    sleep(Duration::from_secs(2));
    daemon.oscsend(&["/melos/record", "i", "0"]);
    let recordings = folder.path().join("recordings");
    daemon.wait_until("the log of the take", |_| !takes(&recordings, ".log").is_empty());
    let (exit_status, printed) = daemon.terminate();
    assert!(exit_status.success() && printed.contains("another program has truncated"), "{printed}");
    let rendered = folder.path().join("rendered.wav");
    let mut render = Command::new(env!("CARGO_BIN_EXE_melos"));
    render.args(["render", "--control-log"]).arg(only_take(&recordings, ".log")).arg("-o").arg(&rendered);
    assert!(render.status().unwrap().success());
    assert_eq!(samples(&rendered).len(), samples(&only_take(&recordings, ".wav")).len());
}
