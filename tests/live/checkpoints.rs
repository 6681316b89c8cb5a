//! Checkpoints of a running daemon: a rendering from one matches the recording and the rendering from the start.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use crate::support::daemon::Daemon;

/// Returns the files in a folder whose names end in `suffix`, except those of the automatic take of the first minute.
fn files(folder: &Path, suffix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    let is_wanted = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.ends_with(suffix) && !name.contains("first-minute")
    };
    let mut files: Vec<_> = entries.filter(is_wanted).collect();
    files.sort();
    files
}

fn samples(path: &Path) -> Vec<i32> {
    hound::WavReader::open(path).unwrap().into_samples().map(Result::unwrap).collect()
}

/// Renders a log; returns the samples and the messages printed.
fn render(log: &Path, arguments: &[&str]) -> (Vec<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let wav = folder.path().join("again.wav");
    let rendered = Command::new(env!("CARGO_BIN_EXE_melos"))
        .args(["render", "--control-log"])
        .arg(log)
        .args(arguments)
        .arg("-o")
        .arg(&wav)
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&rendered.stderr).into_owned();
    assert!(rendered.status.success(), "{printed}");
    (samples(&wav), printed)
}

/// Creates a folder with a configuration, whose `[control_log]` table contains `control_log`, and a preset that
/// modulates both the sound and the network's music.
fn config_folder(control_log: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let presets = folder.path().join("config/melos/presets");
    fs::create_dir_all(&presets).unwrap();
    fs::write(folder.path().join("config/melos/melos.toml"), format!("[control_log]\n{control_log}\n")).unwrap();
    let waves = [("tone", "shape = \"walk\"\nseconds = 1"), ("arousal", "shape = \"sine\"\nbars = 1")];
    let waves = waves.map(|(to, how)| format!("[[modulate]]\nto = \"{to}\"\ndepth = 0.4\n{how}\n"));
    let preset = format!("schema = 1\nname = \"Waves\"\nemotion = \"calm\"\n{}", waves.concat());
    fs::write(presets.join("waves.toml"), preset).unwrap();
    folder
}

/// Sends `count` messages, one every 317 ms.
fn steer(daemon: &Daemon, count: usize) {
    let changes = [
        ("/melos/level/pad", "f", "-9"),
        ("/melos/emotion", "s", "angry"),
        ("/melos/chord", "s", "F"),
        ("/melos/hold", "i", "1"),
        ("/melos/reverb", "f", "0.7"),
        ("/melos/hold", "i", "0"),
        ("/melos/chord", "s", "G7"),
        ("/melos/emotion", "s", "happy"),
        ("/melos/panic", "i", "1"),
        ("/melos/chord", "s", "auto"),
        ("/melos/level/pad", "f", "0"),
    ];
    for (address, kind, value) in changes.into_iter().cycle().take(count) {
        sleep(Duration::from_millis(317));
        daemon.oscsend(&[address, kind, value]);
    }
}

#[test]
fn a_rendering_from_a_checkpoint_matches_the_recording_and_the_rendering_from_the_start() {
    // While the generator is late, the sound depends on when its hops arrive, which the log cannot record.
    let starved: Vec<_> = (0..3).map_while(|_| play_and_render().err()).collect();
    assert!(starved.len() < 3, "the machine is too busy to play in time; starvations: {starved:?}");
}

/// Compares renderings with a take; returns the number of starvations as an error, if there were any.
fn play_and_render() -> Result<(), u64> {
    let folder = config_folder("checkpoint_seconds = 2");
    let config = [("XDG_CONFIG_HOME", folder.path().join("config").display().to_string())];
    let daemon = Daemon::start_with(&config, folder.path(), &["--audio", "null", "--preset", "waves", "--seed", "11"]);
    steer(&daemon, 22);
    daemon.oscsend(&["/melos/record", "i", "1"]);
    steer(&daemon, 15);
    daemon.oscsend(&["/melos/record", "i", "0"]);
    sleep(Duration::from_secs(2));
    let status = daemon.status().unwrap();
    let (exit_status, printed) = daemon.terminate();
    assert!(exit_status.success(), "{printed}");
    match status["losses"]["starvations"].as_u64().unwrap() {
        0 => {}
        starved => return Err(starved),
    }

    let [take_log] = &files(&folder.path().join("recordings"), ".log")[..] else { panic!("no log beside the take") };
    let take = samples(&take_log.with_extension("wav"));
    assert!(take.len() > 2 * 4 * 48_000, "the take has only {} samples", take.len());
    assert!(take.iter().any(|sample| sample.abs() > 1000), "the take is silent");
    let checkpoint = take_log.with_extension("checkpoint");
    let (rendered, printed) = render(take_log, &[]);
    assert!(printed.contains(checkpoint.to_str().unwrap()), "{printed}");
    let first_difference = take.iter().zip(&rendered).position(|(one, other)| one != other);
    assert_eq!(first_difference, None, "first of {} samples at which the rendering differs from the take", take.len());
    assert_eq!(take.len(), rendered.len());

    // If the checkpoint is damaged, truncated, empty or missing, rendering starts earlier and gives the same samples.
    let whole = fs::read(&checkpoint).unwrap();
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    for (content, hint) in [(&damaged[..], "cannot read it"), (&whole[..whole.len() / 2], "cannot read it"), (b"", "")]
    {
        fs::write(&checkpoint, content).unwrap();
        let (rendered, printed) = render(take_log, &[]);
        assert!(printed.contains("cannot use the checkpoint") && printed.contains(hint), "{printed}");
        assert!(rendered == take, "the rendering should not change: {printed}");
    }
    fs::remove_file(&checkpoint).unwrap();
    assert!(render(take_log, &[]).0 == take);

    // Any part of the session can be rendered.
    let session = folder.path().join("session.log");
    let checkpoints = files(&folder.path().join("session.checkpoints"), ".checkpoint");
    assert!(checkpoints.len() >= 4, "{checkpoints:?}");
    let without_checkpoints = folder.path().join("copy.log");
    fs::copy(&session, &without_checkpoints).unwrap();
    for from in ["3.5", "6", "9.01"] {
        let part = ["--from", from, "--seconds", "2"];
        let (from_checkpoint, printed) = render(&session, &part);
        assert!(printed.contains(".checkpoint"), "{printed}");
        assert!(from_checkpoint == render(&without_checkpoints, &part).0, "from {from} s");
    }
    // If a checkpoint is damaged, the one before it is used.
    let (from_checkpoint, printed) = render(&session, &["--from", "9.01", "--seconds", "2"]);
    let used = checkpoints.iter().rposition(|path| printed.contains(path.to_str().unwrap())).unwrap();
    fs::write(&checkpoints[used], &damaged).unwrap();
    let (rendered, printed) = render(&session, &["--from", "9.01", "--seconds", "2"]);
    assert!(printed.contains(checkpoints[used - 1].to_str().unwrap()), "{printed}");
    assert!(from_checkpoint == rendered);
    Ok(())
}

#[test]
fn checkpoints_can_be_turned_off() {
    let folder = config_folder("checkpoint_seconds = 1\ncheckpoints_mb = 0");
    let config = [("XDG_CONFIG_HOME", folder.path().join("config").display().to_string())];
    let daemon = Daemon::start_with(&config, folder.path(), &["--audio", "null", "--preset", "calm"]);
    daemon.wait_until("a few seconds have passed", |status| status["seconds"].as_f64() > Some(3.0));
    assert!(daemon.terminate().0.success());
    assert!(!folder.path().join("session.checkpoints").exists());
    assert!(!fs::read_to_string(folder.path().join("session.log")).unwrap().contains("checkpoint"));
}
