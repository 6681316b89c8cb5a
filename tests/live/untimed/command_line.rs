//! The command line controls a running daemon and reports its status.

use std::net::{TcpListener, UdpSocket};
use std::process::{Command, Output};
use std::time::Duration;

use crate::support::daemon::Daemon;
use crate::support::home::Home;

fn melos(http: u16, arguments: &[&str]) -> Output {
    let http = http.to_string();
    Command::new(env!("CARGO_BIN_EXE_melos")).args(arguments).args(["--http", &http]).output().unwrap()
}

#[test]
fn used_ports_delay_the_page_and_osc_but_not_the_music() {
    let home = Home::new();
    let http = TcpListener::bind(("127.0.0.1", home.http())).unwrap();
    let osc = UdpSocket::bind(("127.0.0.1", home.osc())).unwrap();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(6));
        drop((http, osc));
    });
    let daemon = home.start("melos run");
    let log = daemon.log();
    for part in [
        "cannot listen for HTTP on 127.0.0.1:",
        "cannot listen for OSC on 127.0.0.1:",
        "the page will be at",
        "OSC will be received on",
        "reach this daemon once the page is served",
    ] {
        assert!(log.contains(part), "{part} is missing from {log}");
    }
    assert!(!log.contains("try `melos"), "commands would reach whoever uses the port: {log}");
    daemon.wait_until("the page is served", |status| status["troubles"].as_object().unwrap().is_empty());
    let (_, log) = daemon.terminate();
    let line = |text: &str| log.find(text).unwrap_or_else(|| panic!("{text} is missing from {log}"));
    assert!(line("playing to the null output") < line("http: resolved"), "the music should start before: {log}");
}

#[test]
fn values_can_be_set_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(folder.path(), &["--audio", "null", "--midi", "off", "--preset", "calm"]);
    let run = |arguments: &[&str]| {
        let output = melos(daemon.http, arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    for (set, get, value) in [
        (&["set", "emotion", "sad"][..], "emotion", "sad\n"),
        (&["set", "tempo", "90"], "tempo", "90\n"),
        (&["set", "level/pad", "-12.5"], "level/pad", "-12.5\n"),
        (&["set", "level/pad", "-6dB"], "level/pad", "-6\n"),
        (&["set", "level/pad", "-12", "dB"], "level/pad", "-12\n"),
        (&["set", "register", "-0.5"], "register", "-0.5\n"),
        (&["set", "hold", "on"], "hold", "true\n"),
        (&["set", "key", "A minor"], "mode", "minor\n"),
        (&["set", "emotion", "calm=0.7,sad=0.3"], "emotion/sad", "0.3\n"),
        (&["preset", "Slow Dawn"], "preset", "slow-dawn\n"),
        (&["preset", "storm"], "preset", "storm\n"),
    ] {
        assert_eq!(run(set), "", "setting should print nothing");
        assert_eq!(run(&["get", get]), value);
    }
    assert_eq!(run(&["set", "panic"]), "", "a trigger needs no value");
    for (arguments, error) in [
        (&["preset", "strom", "--next-bar"][..], "there is no preset \"strom\"; "),
        (&["set", "setlist", "nowhere", "--next-bar"], "there is no setlist \"nowhere\"; "),
        (&["set", "scene/a", "nowhere"], "there is no scene \"nowhere\""),
    ] {
        let refused = melos(daemon.http, arguments);
        let message = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && message.contains(error), "{arguments:?}: {message}");
    }
    let none = melos(daemon.http, &["scenes"]);
    assert!(none.stdout.is_empty() && none.stderr.starts_with(b"no scenes yet; store one with"), "{none:?}");
    for n in 0..8 {
        let name = format!("scene {n}");
        run(&["set", "scene/store", &name]);
        assert!(run(&["scenes"]).ends_with(&format!("{name}\n")), "a stored scene should be listed at once");
    }
    assert_eq!(run(&["scenes", "rename", "scene 3", "bridge"]), "");
    assert_eq!(run(&["scenes", "delete", "scene 4"]), "");
    let listed = run(&["scenes"]);
    assert!(listed.starts_with("bridge\nscene 0\n") && !listed.contains("scene 3"), "{listed}");
    assert!(!listed.contains("scene 4"), "{listed}");
    // Over OSC, a scene can be renamed right after it has been stored.
    daemon.oscsend(&["/melos/scene/store", "s", "outro"]);
    daemon.oscsend(&["/melos/scene/rename", "ss", "outro", "coda"]);
    daemon.wait_until("the scene is renamed", |_| run(&["scenes"]).contains("coda\n"));
    assert!(!run(&["scenes"]).contains("outro"));
    assert_eq!(run(&["set", "scene", "Bridge"]) + &run(&["get", "scene"]), "bridge\n");
    assert_eq!(run(&["set", "scene/store", "BRIDGE"]), "");
    assert_eq!(run(&["set", "scene", "BRIDGE"]) + &run(&["get", "scene"]), "BRIDGE\n", "this is now the exact name");
    let (all, reverb) = (run(&["get"]), run(&["get", "reverb"]));
    assert!(all.contains("emotion/happy") && all.contains("level/pad") && !all.contains("panic"), "{all}");

    for (arguments, hint) in [
        (&["set", "reverb", "7"][..], "expected a number from 0 to 1"),
        (&["set", "tempi", "90"], "tempo"),
        (&["scenes", "rename", "bridges", "x"], "there is no scene \"bridges\"; choose one of BRIDGE, bridge, coda, "),
        (&["set", "scene", "Bridge"], "\"Bridge\" could be one of several scenes: BRIDGE, bridge"),
        (&["scenes", "rename", "bridge", "coda"], "there is already a scene \"coda\""),
        (&["scenes", "rename", "bridge", ""], "expected a name"),
        (&["scenes", "delete", "bridges"], "there is no scene"),
        (&["preset", ""], "preset: expected the name of a preset"),
        (&["preset", "drizzle"], "there is no preset \"drizzle\"; choose one of angry, "),
    ] {
        let output = melos(daemon.http, arguments);
        let printed = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && printed.contains(hint), "{arguments:?}: {printed}");
    }
    assert_eq!(run(&["get", "reverb"]), reverb, "rejected values should change nothing");

    let status = run(&["status"]);
    assert!(status.starts_with("Melos is playing.\n") && status.contains("preset storm"), "{status}");
    let named = Command::new(env!("CARGO_BIN_EXE_melos"))
        .args(["get", "preset"])
        .env("MELOS_HTTP", daemon.http.to_string())
        .output()
        .unwrap();
    assert_eq!(named.stdout, b"storm\n", "MELOS_HTTP should select the daemon");
    assert_eq!(melos(1, &["status"]).status.code(), Some(1), "status should fail without a daemon");
}

#[test]
fn the_options_of_a_recording_apply_to_it_alone() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(folder.path(), &["--audio", "null", "--midi", "off", "--set", "record/preroll=0.25"]);
    let run = |arguments: &[&str]| {
        let output = melos(daemon.http, arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (file, _) = run(&["record", "start", "--preroll", "2", "--format", "flac"]);
    assert!(file.ends_with(".flac\n"), "{file}");
    daemon.wait_until("the parameters are as before", |status| {
        status["parameters"]["record/preroll"] == 0.25 && status["parameters"]["record/format"] == "wav"
    });
    let (same, note) = run(&["record", "start", "--preroll", "3"]);
    assert!(same == file && note.contains("the options have no effect"), "{same} {note}");
    run(&["record", "stop"]);
    assert_eq!(run(&["get", "record/preroll"]).0, "0.25\n");
    let (file, _) = run(&["record", "start"]);
    assert!(file.ends_with(".wav\n"), "{file}");
}

#[test]
fn one_open_address_suffices_and_refusals_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("melos.toml");
    std::fs::write(&config, "[http]\naddress = \"0.0.0.0\"\npassword = \"correct horse\"\n").unwrap();
    let arguments = ["--audio", "null", "--midi", "off", "--preset", "calm", "--config", config.to_str().unwrap()];
    let daemon = Daemon::start(folder.path(), &arguments);
    // HTTP is open at every address of this machine, OSC only at 127.0.0.1.
    let at = format!("127.0.0.2:{}", daemon.http);
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_melos"));
        // An empty variable counts as unset.
        command.args(arguments).args(["--http", &at]).envs([("MELOS_HTTP", ""), ("MELOS_LOG", "")]);
        let output = command.output().unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(run(&["set", "reverb", "0.7"]), (true, String::new()));
    assert_eq!(run(&["preset", "storm"]), (true, String::new()));
    assert_eq!(run(&["set", "tempo/source", "clock"]), (true, String::new()));
    for (arguments, reason) in [
        (
            &["set", "tempo", "120"][..],
            "a MIDI clock controls the tempo; to set it yourself, run `melos set tempo/source pinned`",
        ),
        (&["setlist", "9"], "there is no entry 9 in setlist \"evening\", which has entries 1 to "),
        (&["set", "setlist/go", "99"], "there is no entry 99 in setlist \"evening\", which has entries 1 to "),
        (&["set", "setlist/go", "99", "--next-bar"], "there is no entry 99 in setlist \"evening\""),
    ] {
        let (is_success, printed) = run(arguments);
        assert!(!is_success && printed.contains(reason), "{arguments:?}: {printed}");
    }
    assert_eq!(run(&["setlist", "evening"]), (true, String::new()));
    let (is_success, printed) = run(&["setlist", "200"]);
    assert!(!is_success && printed.contains("there is no entry 200 in setlist \"evening\", which has"), "{printed}");
    let (is_success, printed) = run(&["setlist", "previous"]);
    assert!(!is_success && printed.contains("setlist \"evening\" begins here"), "{printed}");
    let status = daemon.status().unwrap();
    assert_eq!(status["losses"]["osc_refused"], 0, "a refusal sent to the client should not count as a loss: {status}");
    assert!(!daemon.log().contains("0.0.0.0:") || daemon.log().contains("page=http://127.0.0.1:"), "{}", daemon.log());
}
