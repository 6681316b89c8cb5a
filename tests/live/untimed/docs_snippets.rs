//! Runs the documentation's snippets for other programs that the tests have.

use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;

use crate::support::client::{Client, TIMEOUT, python, sclang};
use crate::support::daemon::Daemon;
use crate::support::documents::{Line, blocks, inline_code};

/// Returns the code in the README's running text that starts like this, with the daemon's OSC port in place of the default.
fn snippet(start: &str, daemon: &Daemon) -> String {
    let mut snippets = inline_code().into_iter().filter(|code| code.text.starts_with(start));
    let Line { location, text } = snippets.next().unwrap_or_else(|| panic!("there is no {start}"));
    assert!(text.contains("9000"), "{location}: {text} does not contain the default port");
    text.replace("9000", &daemon.osc.to_string())
}

fn quiet_daemon(folder: &Path) -> Daemon {
    Daemon::start(folder, &["--audio", "null", "--midi", "off", "--preset", "calm"])
}

#[test]
fn supercollider_snippets_set_the_mood_and_confirm_the_client() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = quiet_daemon(folder.path());
    // Stands in for a Melos on another machine, which asks for a confirmation.
    let remote = UdpSocket::bind("127.0.0.1:0").unwrap();
    remote.set_read_timeout(Some(TIMEOUT)).unwrap();
    let port = remote.local_addr().unwrap().port();
    let blocks = blocks().into_iter().filter(|block| block.kind == "supercollider");
    let blocks: Vec<_> = blocks.map(|block| block.text).collect();
    assert_eq!(blocks.len(), 1, "send what a new snippet needs");
    let script = folder.path().join("snippets.scd");
    let text = format!(
        "~melos = NetAddr(\"127.0.0.1\", {port});\n{}\n{};\n~melos.sendMsg(\"/melos/subscribe\");\n",
        blocks[0].trim_end(),
        snippet("NetAddr(", &daemon)
    );
    fs::write(&script, text).unwrap();
    let _sclang = Client::spawn(&mut sclang(&script, folder.path()));
    daemon.wait_until("sclang has set the mood", |status| status["parameters"]["emotion"] == "angry");
    let mut buffer = [0; 256];
    let (length, client) = remote.recv_from(&mut buffer).unwrap();
    assert!(buffer[..length].starts_with(b"/melos/subscribe\0"));
    let challenge = b"/melos/confirm\0\0,i\0\0\x01\x02\x03\x04";
    remote.send_to(challenge, client).unwrap();
    let (length, _) = remote.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], challenge, "sclang should send the token back");
}

#[test]
fn the_python_snippet_sets_the_chord() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = quiet_daemon(folder.path());
    let script = format!("from pythonosc.udp_client import SimpleUDPClient\n{}", snippet("SimpleUDPClient(", &daemon));
    assert!(python("-c", &[&script]).status().unwrap().success());
    daemon.wait_until("Python has set the chord", |status| status["parameters"]["chord"] == "Am7");
}

#[test]
fn the_pure_data_snippet_sets_a_parameter() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = quiet_daemon(folder.path());
    let object = |start: &str| {
        let code = inline_code().into_iter().find(|code| code.text.starts_with(start));
        code.unwrap_or_else(|| panic!("there is no {start}")).text.replace(['[', ']'], "")
    };
    // Connects when the patch is loaded, then sends a number ten times a second.
    let patch = format!(
        "#N canvas 0 0 450 300 12;\n#X obj 0 0 loadbang;\n#X msg 0 0 connect 127.0.0.1 {};\n#X obj 0 0 {};\n\
         #X msg 0 0 1.5;\n#X obj 0 0 {};\n#X obj 0 0 metro 100;\n\
         #X connect 0 0 1 0;\n#X connect 1 0 2 0;\n#X connect 0 0 5 0;\n#X connect 5 0 3 0;\n#X connect 3 0 4 0;\n#X connect 4 0 2 0;\n",
        daemon.osc,
        object("[netsend"),
        object("[oscformat"),
    );
    let file = folder.path().join("snippet.pd");
    fs::write(&file, patch).unwrap();
    let _pd = Client::spawn(Command::new("pd").args(["-nogui", "-noaudio", "-nomidi", "-open"]).arg(file));
    daemon.wait_until("Pd has set the temperature", |status| {
        status["parameters"]["temperature"].as_f64().is_some_and(|value| (value - 1.5).abs() < 1e-3)
    });
}
