//! Running a show with a real daemon: setlists over OSC and from the command line, the timer, opening hours and the
//! log.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::Value as Json;

use crate::support::daemon::{Daemon, TIMEOUT};

/// Starts a daemon with the given files in its configuration folder.
fn start(folder: &Path, files: &[(&str, &str)]) -> Daemon {
    let config = folder.join("config");
    for (name, text) in files {
        let file = config.join("melos").join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    let home = [("XDG_CONFIG_HOME", config.display().to_string())];
    Daemon::start_with(&home, &folder.join("state"), &["--audio", "null"])
}

fn melos(daemon: &Daemon, arguments: &[&str]) -> String {
    let ports = ["--http".to_owned(), daemon.http.to_string()];
    let output = Command::new(env!("CARGO_BIN_EXE_melos")).args(arguments).args(ports).output().unwrap();
    // On a busy machine the generator may be late, in which case `melos status` exits with 2.
    let is_status = arguments.first() == Some(&"status") && output.status.code() == Some(2);
    assert!(output.status.success() || is_status, "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Waits until the saved state in a folder satisfies a condition.
fn wait_until_saved(state: &Path, what: &str, condition: impl Fn(&str) -> bool) {
    let started = Instant::now();
    while !fs::read_to_string(state.join("state.toml")).is_ok_and(|text| condition(&text)) {
        assert!(started.elapsed() < TIMEOUT, "timed out waiting until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

const FRIDAY: &str = "schema = 1\nname = \"Friday\"\n[[entry]]\npreset = \"calm\"\nnote = \"doors\"\n[[entry]]\nscene = \"verse\"\n[[entry]]\npreset = \"storm\"\n[[entry]]\nscene = \"nowhere\"\n";

#[test]
fn a_setlist_advances_and_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = start(folder.path(), &[("setlists/friday.toml", FRIDAY)]);
    let home = [("XDG_CONFIG_HOME", folder.path().join("config").display().to_string())];
    let at = |daemon: &Daemon, entry: &str, position: f64| {
        daemon.wait_until(&format!("{entry} is current"), |status| {
            status["show"]["entry"] == entry && status["parameters"]["setlist/go"] == position
        })
    };
    daemon.oscsend(&["/melos/scene/store", "s", "verse"]);
    daemon.oscsend(&["/melos/setlist/next"]);
    // That message has no effect, because there are two setlists and neither is selected.
    daemon.oscsend(&["/melos/setlist", "s", "friday"]);
    daemon.wait_until("the setlist is selected", |status| status["show"]["next_entry"] == "preset calm");
    daemon.oscsend(&["/melos/setlist/next"]);
    assert_eq!(at(&daemon, "preset calm", 1.0)["parameters"]["preset"], "calm");
    melos(&daemon, &["setlist", "next"]);
    assert_eq!(at(&daemon, "scene verse", 2.0)["parameters"]["scene"], "verse");
    daemon.oscsend(&["/melos/setlist/go", "i", "3"]);
    assert_eq!(at(&daemon, "preset storm", 3.0)["parameters"]["preset"], "storm");
    let shown = melos(&daemon, &["setlist"]);
    assert!(
        shown.contains("friday: Friday\n    1  preset calm                  doors\n")
            && shown.contains(">   3  preset storm"),
        "{shown}"
    );
    daemon.oscsend(&["/melos/setlist/go", "i", "9"]);
    std::thread::sleep(Duration::from_millis(500));
    at(&daemon, "preset storm", 3.0);
    assert!(melos(&daemon, &["status"]).contains("Setlist  preset storm, next scene nowhere"));

    std::thread::sleep(Duration::from_secs(2));
    let (exit_status, log) = daemon.terminate();
    assert!(exit_status.success(), "{log}");
    for expected in [
        "no setlist is selected; `melos setlist NAME` selects one of evening, friday",
        "there is no entry 9 in setlist \"friday\", which has entries 1 to 4",
    ] {
        assert!(log.contains(expected), "{expected}\n{log}");
    }
    let daemon = Daemon::start_with(&home, &folder.path().join("state"), &["--audio", "null"]);
    at(&daemon, "preset storm", 3.0);
    daemon.oscsend(&["/melos/setlist/previous"]);
    at(&daemon, "scene verse", 2.0);
    daemon.oscsend(&["/melos/setlist/go", "i", "4"]);
    at(&daemon, "scene nowhere", 4.0);
    daemon.oscsend(&["/melos/setlist/next"]);
    std::thread::sleep(Duration::from_millis(500));
    at(&daemon, "scene nowhere", 4.0);
    let (_, log) = daemon.terminate();
    assert!(log.contains("no scene \"nowhere\"") && log.contains("setlist \"friday\" ends here"), "{log}");
}

#[test]
fn names_may_differ_in_case_or_be_titles() {
    let folder = tempfile::tempdir().unwrap();
    let own = "schema = 1\nname = \"My storm\"\nreverb = 0.5\n";
    let daemon = start(folder.path(), &[("setlists/friday.toml", FRIDAY), ("presets/STORM.toml", own)]);
    daemon.oscsend(&["/melos/scene/store", "s", "verse"]);
    for (parameter, name, exact) in [
        ("preset", "TIDES", "tides"),
        ("preset", "my Storm", "STORM"),
        ("preset", "storm", "storm"),
        ("setlist", "Friday", "friday"),
        ("scene", "Verse", "verse"),
    ] {
        daemon.oscsend(&[&format!("/melos/{parameter}"), "s", name]);
        daemon.wait_until(&format!("{parameter} is {exact}"), |status| status["parameters"][parameter] == exact);
    }
    daemon.oscsend(&["/melos/preset", "s", "Storm"]);
    let status = daemon.wait_until("a name is refused", |status| status["losses"]["osc_refused"] == 1);
    assert_eq!(status["parameters"]["preset"], "storm");
    let (exit_status, log) = daemon.terminate();
    assert!(exit_status.success() && log.contains("\"Storm\" could be one of several presets: STORM, storm"), "{log}");
    let log = fs::read_to_string(folder.path().join("state/session.log")).unwrap();
    for exact in
        ["/melos/preset \"tides\"", "/melos/preset \"STORM\"", "/melos/setlist \"friday\"", "/melos/scene \"verse\""]
    {
        assert!(log.contains(exact), "{exact}\n{log}");
    }
    assert!(!log.contains("TIDES") && !log.contains("Verse"), "{log}");
}

#[test]
fn the_only_setlist_is_selected_and_its_current_entry_follows_edits() {
    let folder = tempfile::tempdir().unwrap();
    let setlist = |presets: &[&str]| {
        let entries: Vec<_> = presets.iter().map(|preset| format!("[[entry]]\npreset = \"{preset}\"\n")).collect();
        format!("schema = 1\nname = \"Evening\"\n{}", entries.concat())
    };
    // It takes precedence over the shipped setlist of this name, which is the only other one.
    let daemon = start(folder.path(), &[("setlists/evening.toml", &setlist(&["calm", "storm", "calm"]))]);
    melos(&daemon, &["setlist", "2"]);
    let file = folder.path().join("config/melos/setlists/evening.toml");
    for (presets, entry, position) in [
        (&["storm", "calm", "storm", "calm"][..], Some("preset storm"), 3.0),
        (&["storm", "calm", "calm"], None, 2.0),
        (&["storm"], None, 1.0),
    ] {
        fs::write(&file, setlist(presets)).unwrap();
        daemon.wait_until(&format!("the position has followed to {position}"), |status| {
            status["show"]["entry"].as_str() == entry && status["parameters"]["setlist/go"] == position
        });
        let shown = melos(&daemon, &["setlist"]);
        assert_eq!(shown.contains(">   3  preset storm"), entry.is_some(), "{shown}");
    }
    melos(&daemon, &["setlist", "previous"]);
    daemon.wait_until("the entry before is current", |status| status["show"]["entry"] == "preset storm");
}

#[test]
fn scene_files_are_loaded_and_reloaded_but_never_replace_scenes_stored_while_playing() {
    let folder = tempfile::tempdir().unwrap();
    let file = |reverb: f32| format!("schema = 1\nemotion = \"sad\"\nreverb = {reverb}\n");
    let path = |name: &str| folder.path().join("config/melos/scenes").join(name);
    let home = [("XDG_CONFIG_HOME", folder.path().join("config").display().to_string())];
    let state = folder.path().join("state");
    let daemon = start(folder.path(), &[("scenes/verse.toml", &file(0.25)), ("scenes/chorus.toml", &file(0.5))]);
    let recall = |daemon: &Daemon, name: &str, reverb: f64| {
        // A name that is repeated within half a second does not count as a new request.
        std::thread::sleep(Duration::from_millis(600));
        daemon.oscsend(&["/melos/reverb", "f", "0"]);
        daemon.oscsend(&["/melos/scene", "s", name]);
        daemon.wait_until(&format!("reverb is {reverb} in {name}"), |status| {
            status["parameters"]["reverb"] == reverb && status["parameters"]["scene"] == name
        });
    };
    let wait_for_log = |daemon: &Daemon, text: &str| {
        let started = Instant::now();
        while !melos(daemon, &["log"]).contains(text) {
            assert!(started.elapsed() < TIMEOUT, "{text:?} was not logged");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    recall(&daemon, "verse", 0.25);
    fs::write(path("verse.toml"), file(0.75)).unwrap();
    wait_for_log(&daemon, "reloaded");
    recall(&daemon, "verse", 0.75);
    // Stored while playing, and so no longer that of the file.
    daemon.oscsend(&["/melos/reverb", "f", "1"]);
    daemon.oscsend(&["/melos/scene/store", "s", "verse"]);
    recall(&daemon, "verse", 1.0);
    wait_until_saved(&state, "the scene is saved", |text| text.contains("[scenes.verse]"));
    fs::write(path("verse.toml"), file(0.5)).unwrap();
    wait_for_log(&daemon, "scene \"verse\" was stored while playing");
    recall(&daemon, "verse", 1.0);
    daemon.oscsend(&["/melos/scene/delete", "s", "chorus"]);
    daemon.wait_until("chorus is deleted", |_| !melos(&daemon, &["scenes"]).contains("chorus"));
    assert!(daemon.terminate().0.success());
    let saved = fs::read_to_string(state.join("state.toml")).unwrap();
    assert!(saved.contains("[scenes.verse]") && !saved.contains("[scenes.chorus]"), "{saved}");

    let daemon = Daemon::start_with(&home, &state, &["--audio", "null"]);
    recall(&daemon, "verse", 1.0);
    recall(&daemon, "chorus", 0.5);
    assert!(daemon.terminate().0.success());
}

#[test]
fn a_timer_fades_the_music_out_and_can_be_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = start(folder.path(), &[]);
    daemon.oscsend(&["/melos/timer", "f", "300"]);
    daemon.wait_until("the timer is running", |status| {
        status["show"]["timer_seconds_left"].as_f64().is_some_and(|left| (200.0..=300.0).contains(&left))
    });
    assert!(melos(&daemon, &["status"]).contains("Timer    fades out in "));
    melos(&daemon, &["set", "timer", "0"]);
    daemon.wait_until("the timer is cancelled", |status| status["show"]["timer_seconds_left"].is_null());
    daemon.oscsend(&["/melos/play/fade", "f", "0.4"]);
    daemon.oscsend(&["/melos/timer", "f", "1"]);
    let status = daemon.wait_until("the music fades out", |status| status["parameters"]["play"] == false);
    assert_eq!(status["parameters"]["timer"], 0.0);
    daemon.wait_until("the music is silent", |status| status["state"] == "silent");
    daemon.oscsend(&["/melos/play", "i", "1"]);
    daemon.wait_until("the music plays again", |status| status["state"] == "playing");
    let log = fs::read_to_string(folder.path().join("state/session.log")).unwrap();
    assert!(log.contains("/melos/play/fade 0.4") && log.contains("/melos/play false"), "{log}");
}

#[test]
fn a_timer_survives_a_crash_and_leaves_the_music_off() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let quiet = ["--audio", "null"];
    let wait_until_saved = |what: &str, condition: &dyn Fn(&str) -> bool| wait_until_saved(&state, what, condition);
    let daemon = start(folder.path(), &[]);
    daemon.oscsend(&["/melos/timer", "f", "300"]);
    wait_until_saved("the timer is saved", &|text| text.contains("ends = "));
    let daemon = daemon.restart_after_kill(&state, &quiet);
    // It continues as soon as the daemon reports that it plays.
    let status = daemon.status().unwrap();
    assert!(status["parameters"]["timer"].as_f64().is_some_and(|left| (200.0..300.0).contains(&left)), "{status}");
    daemon.wait_until("the timer continues", |status| {
        status["show"]["timer_seconds_left"].as_f64().is_some_and(|left| (200.0..300.0).contains(&left))
    });

    let before = fs::read_to_string(state.join("state.toml")).unwrap();
    let ends = |text: &str| text.lines().find(|line| line.contains("ends = ")).map(str::to_owned);
    daemon.oscsend(&["/melos/timer", "f", "4"]);
    wait_until_saved("the new timer is saved", &|text| ends(text).is_some() && ends(text) != ends(&before));
    let (osc, http) = (daemon.osc, daemon.http);
    drop(daemon);
    std::thread::sleep(Duration::from_secs(5));
    let daemon = Daemon::spawn_at((osc, http), &[], &state, &quiet);
    let silent = daemon.wait_until("the music is off", |status| status["state"] == "silent");
    assert_eq!((&silent["parameters"]["play"], &silent["show"]["timer_seconds_left"]), (&false.into(), &Json::Null));
    assert!(daemon.log().contains("the timer has ended, so the music stays off"), "{}", daemon.log());
    let daemon = daemon.restart_after_kill(&state, &quiet);
    daemon.wait_until("the music stays off", |status| status["state"] == "silent");

    daemon.oscsend(&["/melos/play", "i", "1"]);
    daemon.wait_until("the music plays", |status| status["state"] == "playing");
    wait_until_saved("the timer is forgotten", &|text| !text.contains("ends = "));
    daemon.oscsend(&["/melos/timer", "f", "1"]);
    daemon.wait_until("the music fades out", |status| status["parameters"]["play"] == false);
    assert!(daemon.interrupt().0.success());
    let daemon = Daemon::start(&state, &quiet);
    daemon.wait_until("a new performance plays", |status| status["state"] == "playing");
}

#[test]
fn music_that_is_off_stays_off_after_a_restart_but_not_after_ctrl_c() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let quiet = ["--audio", "null"];
    let daemon = Daemon::start(&state, &quiet);
    for scene in ["verse", "chorus"] {
        melos(&daemon, &["set", "scene/store", scene]);
    }
    for setting in
        [["scene", "verse"], ["scene/a", "verse"], ["scene/b", "chorus"], ["scene/crossfade", "0.5"], ["play", "off"]]
    {
        melos(&daemon, &[&["set"], &setting[..]].concat());
    }
    wait_until_saved(&state, "the pause is saved", |text| text.contains("paused = true"));
    let daemon = daemon.restart_after_kill(&state, &quiet);
    let resumed = daemon.wait_until("the music stays off after a crash", |status| status["state"] == "silent");
    assert_eq!(
        (&resumed["parameters"]["scene"], &resumed["parameters"]["scene/crossfade"]),
        (&"verse".into(), &0.5.into()),
        "the page and controllers should show the same scene as before"
    );
    assert!(daemon.log().contains("the music stays off, as when Melos stopped"), "{}", daemon.log());
    assert!(daemon.terminate().0.success());
    let daemon = Daemon::start(&state, &quiet);
    daemon.wait_until("the music stays off after the service is restarted", |status| status["state"] == "silent");
    assert!(daemon.interrupt().0.success());
    let daemon = Daemon::start(&state, &quiet);
    daemon.wait_until("a new performance plays", |status| status["state"] == "playing");
}

#[test]
fn actions_can_be_requested_at_startup() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(folder.path(), &["--audio", "null", "--set", "timer=300", "--set", "scene/store=first"]);
    daemon.wait_until("the timer is running", |status| status["show"]["timer_seconds_left"].is_number());
    daemon.wait_until("the scene is stored", |_| melos(&daemon, &["scenes"]).contains("first"));
}

#[test]
fn opening_hours_open_and_close() {
    let folder = tempfile::tempdir().unwrap();
    let at = |hours: i64| TimeZone::UTC.to_datetime(Timestamp::now() + hours.hours()).strftime("%H:%M").to_string();
    let hours = |open: i64, close: i64, preset: &str| {
        let (open, close) = (at(open), at(close));
        format!(
            "[schedule]\ntime_zone = \"UTC\"\nfade_in = 0.2\nfade_out = 0.3\n[[schedule.hours]]\nopen = \"{open}\"\nclose = \"{close}\"\npreset = \"{preset}\"\n"
        )
    };
    let daemon = start(folder.path(), &[("melos.toml", &hours(2, 4, "storm"))]);
    let closed = daemon.wait_until("Melos is closed", |status| status["state"] == "silent");
    assert_eq!(closed["parameters"]["play"], false);
    daemon.wait_until("the status says that Melos is closed", |status| {
        status["show"]["schedule"].as_str().is_some_and(|text| text.starts_with("closed until"))
    });
    let file = folder.path().join("config/melos/melos.toml");
    fs::write(&file, hours(-2, 2, "storm")).unwrap();
    let open = daemon.wait_until("Melos opens", |status| status["state"] == "playing");
    assert_eq!((&open["parameters"]["preset"], &open["parameters"]["play/fade"]), (&"storm".into(), &0.0.into()));
    fs::write(&file, hours(-2, 2, "strom").replace("-2", "x").replace("open = ", "open = 7 #")).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(daemon.status().unwrap()["state"], "playing", "a file with an error should change nothing");
    fs::write(&file, hours(2, 4, "storm")).unwrap();
    daemon.wait_until("Melos closes", |status| status["state"] == "silent");
    let (exit_status, log) = daemon.terminate();
    assert!(exit_status.success() && log.contains("melos.toml:6: schedule.hours.open = 7"), "{log}");
}

#[test]
fn the_log_can_be_read_after_the_daemon_has_exited() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = start(folder.path(), &[]);
    let before = Timestamp::now().to_string();
    daemon.oscsend(&["/melos/preset", "s", "storm"]);
    daemon.wait_until("the preset is loaded", |status| status["parameters"]["preset"] == "storm");
    std::thread::sleep(Duration::from_secs(2));
    let lines = melos(&daemon, &["log", "--since", "1 hour ago"]);
    assert!(lines.contains("info  preset loaded: Storm preset=storm") && lines.contains("MIDI"), "{lines}");
    assert!(melos(&daemon, &["log", "--since", "yesterday"]).contains("Storm preset=storm"));
    assert!(melos(&daemon, &["log", "--since", "2099-01-01T00:00:00Z"]).is_empty());
    let http = daemon.http.to_string();
    let (exit_status, _) = daemon.terminate();
    assert!(exit_status.success());
    // Read from disk, now that the daemon has exited.
    let state = folder.path().join("state");
    let output = Command::new(env!("CARGO_BIN_EXE_melos"))
        .args(["log", "--http", &http, "--since", &before, "--state"])
        .arg(&state)
        .output()
        .unwrap();
    let kept = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && kept.contains("Storm preset=storm") && kept.contains("fading out"), "{kept}");
    let invalid = Command::new(env!("CARGO_BIN_EXE_melos")).args(["log", "--since", "last week"]).output().unwrap();
    assert!(String::from_utf8(invalid.stderr).unwrap().contains("8 hours ago"));
}
