//! The state folder: used by one daemon only, preserved through damage and crashes, and not required for playing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::daemon;
use crate::support::daemon::Daemon;

const QUIET: [&str; 4] = ["--audio", "null", "--midi", "off"];

fn files(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let all = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(prefix)).collect()
}

#[test]
fn a_second_daemon_reports_which_process_uses_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let first = Daemon::start(folder.path(), &QUIET);
    let second = Daemon::spawn(folder.path(), &QUIET);
    let (exit_status, log) = second.wait();
    assert!(!exit_status.success(), "{log}");
    for part in ["in use by another Melos", &format!("OSC on 127.0.0.1:{}", first.osc), "--state", "--osc"] {
        assert!(log.contains(part), "{part} is missing from {log}");
    }
    assert!(first.status().is_some(), "the first should keep playing");
    drop(first);
    // A killed daemon leaves no lock.
    drop(Daemon::start(folder.path(), &QUIET));
}

#[test]
fn an_unwritable_folder_does_not_prevent_playing() {
    let daemon = Daemon::start(Path::new("/proc/nothing"), &QUIET);
    let status = daemon.wait_until("the troubles are reported", |status| {
        ["state", "control-log", "recording"].iter().all(|part| status["troubles"][part].is_string())
    });
    assert_eq!(status["state"], "playing", "{status}");
    let (exit_status, log) = daemon.terminate();
    assert!(exit_status.success(), "{log}");
}

#[test]
fn a_file_in_place_of_the_folder_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let daemon = Daemon::start(file.path(), &QUIET);
    let expected = format!("{} is a file, not a folder", file.path().display());
    daemon.wait_until("the troubles are reported", |status| {
        let names_it = |part| status["troubles"][part].as_str().is_some_and(|trouble| trouble.contains(&expected));
        ["state", "lock", "control-log", "recording", "log"].into_iter().all(names_it)
    });
    let (exit_status, log) = daemon.terminate();
    assert!(exit_status.success() && !log.contains("os error"), "{log}");
}

#[test]
fn a_file_size_limit_ends_the_take_but_not_the_music() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(folder.path(), &QUIET);
    let id = daemon.id().to_string();
    assert!(Command::new("prlimit").args(["--pid", &id, "--fsize=300000:"]).status().unwrap().success());
    daemon.oscsend(&["/melos/record", "i", "1"]);
    let status = daemon.wait_until("the take fails", |status| {
        status["troubles"]["recording"].is_string() && status["parameters"]["record"] == false
    });
    // These signals would end the process by default, like the one that the file size limit causes.
    for signal in ["-USR1", "-USR2", "-XCPU", "-ALRM", "-VTALRM", "-PROF", "-IO", "-STKFLT"] {
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }
    let now = status["seconds"].as_f64();
    daemon.wait_until("the music continues", |status| status["seconds"].as_f64() > now.map(|now| now + 0.5));
    let (exit_status, log) = daemon.terminate();
    assert!(exit_status.success(), "{log}");
}

#[test]
fn pipes_and_damaged_files_neither_prevent_startup_nor_lose_state() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["session.log", "lock", "melos.pipe"] {
        assert!(Command::new("mkfifo").arg(at(name)).status().unwrap().success());
    }
    fs::create_dir(at("pieces")).unwrap();
    assert!(Command::new("mkfifo").arg(at("pieces/piece-1.json")).status().unwrap().success());
    let scenes = "[scenes.dawn]\nreverb = 0.25\nwidth = 0.5\n";
    fs::write(at("state.toml"), format!("\"reverb/size\" = 0.125\nreverb = 0,6\n{scenes}")).unwrap();
    let daemon = Daemon::start(folder.path(), &QUIET);
    let status = daemon.status().unwrap();
    assert_eq!(status["parameters"]["reverb/size"], 0.125, "readable values should be kept");
    let trouble = status["troubles"]["saved-state"].as_str().unwrap();
    let aside = files(folder.path(), "state.toml.damaged-");
    assert!(aside.len() == 1 && trouble.contains(aside[0].to_str().unwrap()), "{trouble}");
    assert!(fs::read_to_string(&aside[0]).unwrap().contains("reverb = 0,6"));
    daemon.oscsend(&["/melos/scene", "s", "dawn"]);
    daemon.wait_until("the scene is recalled", |status| status["parameters"]["reverb"] == 0.25);
    let (exit_status, log) = daemon.terminate();
    assert!(exit_status.success(), "{log}");
    assert!(fs::read_to_string(at("state.toml")).unwrap().contains("[scenes.dawn]"));
}

#[test]
fn damaged_subscriptions_are_reported_until_the_file_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("subscribers.json");
    fs::write(&path, "{").unwrap();
    let daemon = Daemon::start(folder.path(), &QUIET);
    daemon.wait_until("the trouble is over", |status| status["troubles"]["subscriptions"].is_null());
    assert!(fs::read_to_string(&path).unwrap().contains("\"subscribers\":[]"));
    let (_, log) = daemon.terminate();
    assert!(log.contains("subscribers.json: EOF") && log.contains("must subscribe again"), "{log}");
}

#[test]
fn a_truncated_state_is_reported_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.toml");
    let daemon = Daemon::start(folder.path(), &QUIET);
    for scene in ["dawn", "noon"] {
        daemon.oscsend(&["/melos/scene/store", "s", scene]);
    }
    daemon.wait_until("the scenes are saved", |_| {
        fs::read_to_string(&path).is_ok_and(|text| text.contains("[scenes.noon]"))
    });
    assert!(daemon.terminate().0.success());
    let intact = fs::read_to_string(&path).unwrap();
    // Cut off between two lines, which leaves valid TOML, and emptied.
    for (cut, reason) in [(intact.split("[scenes.noon]").next().unwrap(), "its end is missing"), ("", "it is empty")] {
        fs::write(&path, cut).unwrap();
        let daemon = Daemon::start(folder.path(), &QUIET);
        let trouble = daemon.status().unwrap()["troubles"]["saved-state"].as_str().unwrap().to_owned();
        let kept = files(folder.path(), "state.toml.damaged-");
        let kept = kept.iter().find(|kept| trouble.contains(kept.to_str().unwrap())).expect(&trouble);
        assert_eq!(fs::read_to_string(kept).unwrap(), cut, "{trouble}");
        let (_, log) = daemon.terminate();
        assert!(log.contains(&format!("is damaged ({reason})")), "{log}");
        assert_eq!(fs::read_to_string(&path).unwrap().contains("[scenes.dawn]"), !cut.is_empty());
    }
}

#[test]
fn scenes_in_a_file_that_appears_later_are_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.toml");
    let daemon = Daemon::start(folder.path(), &QUIET);
    daemon.wait_until("the state is saved", |_| path.exists());
    fs::write(&path, "[scenes.dawn]\nreverb = 0.25\nwidth = 0.5\n").unwrap();
    let status = daemon.wait_until("the file is noticed", |status| status["troubles"]["saved-state"].is_string());
    let kept = files(folder.path(), "state.toml.replaced-");
    assert!(status["troubles"]["saved-state"].as_str().unwrap().contains(kept[0].to_str().unwrap()), "{status}");
    daemon.wait_until("the scene is recalled", |status| {
        daemon.oscsend(&["/melos/scene", "s", "dawn"]);
        status["parameters"]["reverb"] == 0.25
    });
    assert!(daemon.terminate().0.success());
    assert!(fs::read_to_string(&path).unwrap().contains("[scenes.dawn]"));
    assert_eq!(files(folder.path(), "state.toml.").len(), 1, "an untouched file is not set aside");
}

#[test]
fn a_deleted_lock_is_replaced_while_nothing_changes() {
    let folder = tempfile::tempdir().unwrap();
    let first = Daemon::start(folder.path(), &QUIET);
    fs::remove_file(folder.path().join("lock")).unwrap();
    first.wait_until("the folder is locked again", |_| folder.path().join("lock").exists());
    let (exit_status, log) = Daemon::spawn(folder.path(), &QUIET).wait();
    assert!(!exit_status.success() && log.contains("in use by another Melos"), "{log}");
}

#[test]
fn the_log_is_printed_even_if_it_can_be_neither_saved_nor_read() {
    for (make, trouble) in [("mkdir", ""), ("ln -s events.log", "cannot read the saved log: ")] {
        let folder = tempfile::tempdir().unwrap();
        let mut words = make.split(' ');
        let mut command = Command::new(words.next().unwrap());
        assert!(command.args(words).arg(folder.path().join("events.log")).status().unwrap().success());
        let daemon = Daemon::start(folder.path(), &QUIET);
        daemon.wait_until("the trouble is reported", |status| status["troubles"]["log"].is_string());
        let mut command = Command::new(env!("CARGO_BIN_EXE_melos"));
        let output = command.args(["log", "--since", "1h", "--http", &daemon.http.to_string()]).output().unwrap();
        let [lines, note] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        assert!(lines.contains("listening for OSC") && lines.contains("cannot save the log in"), "{make}: {lines}");
        assert!(note.contains(trouble) && note.is_empty() == trouble.is_empty(), "{make}: {note}");
    }
}

#[test]
fn a_crash_is_reported_and_keeps_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(folder.path(), &QUIET);
    daemon.oscsend(&["/melos/reverb", "f", "0.375"]);
    daemon.wait_until("the value is set", |status| status["parameters"]["reverb"] == 0.375);
    daemon.wait_until("the state is saved", |_| folder.path().join("state.toml").exists());
    // Dropping the daemon kills it.
    drop(daemon);
    let crash = "the previous session ended without shutting down";
    let (_, log) = Daemon::start(folder.path(), &QUIET).terminate();
    assert!(log.contains(&format!("{crash} (crash, kill or power failure); its state was last saved at ")), "{log}");
    let kept = files(folder.path(), "session-20");
    assert!(kept.len() == 1 && fs::read_to_string(&kept[0]).unwrap().contains("/melos/reverb 0.375"), "{kept:?}");
    assert!(folder.path().join("session.log").is_file());
    let (_, log) = Daemon::start(folder.path(), &QUIET).terminate();
    assert!(!log.contains(crash), "{log}");
}

#[test]
fn a_deleted_folder_is_created_again() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let daemon = Daemon::start(&state, &QUIET);
    daemon.wait_until("the state is saved", |_| state.join("state.toml").exists());
    fs::remove_dir_all(&state).unwrap();
    daemon.wait_until("the state is saved again", |_| state.join("state.toml").exists());
    daemon.wait_until("the control log is written again", |_| state.join("session.log").exists());
    daemon.wait_until("the trouble is over", |status| status["troubles"]["control-log"].is_null());
    let (_, log) = daemon.terminate();
    assert!(log.contains("another program has moved, deleted or changed"), "{log}");
    assert!(fs::read_to_string(state.join("session.log")).unwrap().starts_with("melos-control-log 1\n"));
}

#[test]
fn earlier_logs_of_a_bare_file_name_are_limited() {
    let folder = tempfile::tempdir().unwrap();
    let data = std::env::current_dir().unwrap();
    fs::write(folder.path().join("melos.toml"), "[control_log]\nkeep = 1\n").unwrap();
    for _ in 0..3 {
        let mut command = Command::new(env!("CARGO_BIN_EXE_melos"));
        command.current_dir(folder.path()).arg("run").args(QUIET).arg("--data").arg(&data);
        command.args(["--state", "state", "--osc", "0", "--http", "0", "--config", "melos.toml"]);
        let daemon = Daemon::start_command(command.args(["--control-log", "evening.log"]), (0, 0));
        let (exit_status, log) = daemon.terminate();
        assert!(exit_status.success(), "{log}");
    }
    let kept = files(folder.path(), "evening");
    let logs = kept.iter().filter(|path| path.extension().is_some_and(|extension| extension == "log"));
    assert_eq!(logs.count(), 2, "the last log and one earlier one: {kept:?}");
}

#[test]
fn user_files_override_shipped_ones() {
    let home = tempfile::tempdir().unwrap();
    let own = home.path().join(".config/melos/presets");
    fs::create_dir_all(&own).unwrap();
    fs::write(own.join("calm.toml"), "schema = 1\nname = \"My calm\"\ntempo = 51\n").unwrap();
    fs::write(home.path().join(".config/melos/melos.toml"), "preset = \"calm\"\n").unwrap();
    let environment = [("HOME", home.path().display().to_string()), ("XDG_CONFIG_HOME", String::new())];
    let daemon = Daemon::start_with(&environment, &home.path().join("state"), &QUIET);
    let status = daemon.status().unwrap();
    assert_eq!((&status["parameters"]["preset"], &status["parameters"]["tempo"]), (&"calm".into(), &51.0.into()));
    let paths = Command::new(env!("CARGO_BIN_EXE_melos")).arg("paths").envs(environment).output().unwrap();
    let printed = String::from_utf8(paths.stdout).unwrap();
    for part in [
        &format!("calm                     {}", own.join("calm.toml").display()),
        "hides ./presets/calm.toml",
        "melos-piano",
    ] {
        assert!(printed.contains(part), "{part} is missing from {printed}");
    }
}

#[test]
fn clients_reach_a_daemon_at_any_address() {
    let folder = tempfile::tempdir().unwrap();
    let port = |_| std::net::TcpListener::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port();
    let [osc, http] = [0, 1].map(port);
    let (osc, http) = (format!("127.0.0.2:{osc}"), format!("127.0.0.3:{http}"));
    let at = ["--http", &http];
    let melos =
        |arguments: &[&str]| Command::new(env!("CARGO_BIN_EXE_melos")).args(arguments).args(at).output().unwrap();
    let mut daemon = Command::new(env!("CARGO_BIN_EXE_melos"));
    let mut daemon =
        daemon.args(["run", "--osc", &osc]).args(QUIET).args(at).arg("--state").arg(folder.path()).spawn().unwrap();
    let started = std::time::Instant::now();
    let status = loop {
        // `melos status` fails until the daemon is ready.
        let output = melos(&["status", "--json"]);
        let text = String::from_utf8(output.stdout).unwrap();
        if text.contains("\"playing\"") || text.contains("\"no-device\"") {
            break text;
        }
        assert!(started.elapsed() < daemon::TIMEOUT, "{text}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    };
    let started = melos(&["record", "start"]);
    let stopped = melos(&["record", "stop"]);
    let _ = daemon.kill();
    let _ = daemon.wait();
    assert!(status.contains("tempo"), "{status}");
    assert!(started.status.success() && stopped.status.success(), "{started:?} {stopped:?}");
}
