//! The HTTP API tells its clients what is refused, and why.

use std::io::Write;
use std::process::{Command, Stdio};

use rosc::{OscMessage, OscPacket, OscType, encoder};

use crate::support::daemon::Daemon;

/// Sends a request with curl; returns the status code and the body.
fn curl(daemon: &Daemon, path: &str, kind: &str, body: &[u8]) -> (u16, String) {
    let header = format!("Content-Type: {kind}");
    let mut curl = Command::new("curl")
        .args(["-s", "-w", "\n%{http_code}", "-H", &header, "--data-binary", "@-"])
        .arg(format!("http://127.0.0.1:{}{path}", daemon.http))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    curl.stdin.take().unwrap().write_all(body).unwrap();
    let output = String::from_utf8(curl.wait_with_output().unwrap().stdout).unwrap();
    let (body, code) = output.rsplit_once('\n').unwrap();
    (code.parse().unwrap(), body.to_owned())
}

/// Posts an OSC message with one argument.
fn post(daemon: &Daemon, address: &str, argument: OscType) -> (u16, String) {
    let message = OscMessage { addr: address.to_owned(), args: vec![argument] };
    curl(daemon, "/osc", "application/octet-stream", &encoder::encode(&OscPacket::Message(message)).unwrap())
}

#[test]
fn what_is_refused_while_it_is_handled_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(folder.path(), &["--audio", "null", "--midi", "off", "--preset", "calm"]);
    let text = |text: &str| OscType::String(text.to_owned());
    for (address, argument) in [
        ("/melos/preset", text("STORM")),
        ("/melos/scene/store", text("verse")),
        ("/melos/next/bar/scene", text("verse")),
        ("/melos/valence", OscType::Float(5.0)),
        ("/melos/preset/next", OscType::Int(1)),
    ] {
        assert_eq!(post(&daemon, address, argument), (204, String::new()), "{address}");
    }
    for (address, argument, hint) in [
        ("/melos/preset", text("strom"), "there is no preset \\\"strom\\\"; choose one of angry, "),
        ("/melos/next/bar/preset", text("strom"), "there is no preset \\\"strom\\\""),
        ("/melos/scene", text("chorus"), "there is no scene \\\"chorus\\\"; the only choice is verse"),
        ("/melos/scene/delete", text("chorus"), "there is no scene"),
        ("/melos/scene/store", text(""), "a scene name must not be empty"),
        ("/melos/setlist", text("friday"), "there is no setlist \\\"friday\\\""),
        ("/melos/scene/crossfade", OscType::Float(0.5), "first choose both: /melos/scene/a"),
        ("/melos/valence", text("high"), "got \\\"high\\\", expected a number from -1 to 1"),
        ("/melos/subscribe", OscType::Int(9001), "subscriptions are for clients over UDP"),
    ] {
        let (code, body) = post(&daemon, address, argument);
        assert!(code == 400 && body.contains(hint), "{address}: {code} {body}");
    }
    assert_eq!(post(&daemon, "/melos/tempo/source", text("clock")).0, 204);
    daemon.wait_until("the clock is the source", |status| status["parameters"]["tempo/source"] == "clock");
    let (code, body) = post(&daemon, "/melos/tempo", OscType::Int(99));
    assert!(code == 400 && body.contains("MIDI clock controls the tempo"), "{code} {body}");
}

#[test]
fn a_body_must_be_an_object() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(folder.path(), &["--audio", "null", "--midi", "off"]);
    assert_eq!(post(&daemon, "/melos/scene/store", OscType::String("verse".to_owned())).0, 204);
    daemon.wait_until("the scene is listed", |_| curl(&daemon, "/scenes/verse", "application/json", b"{}").0 != 404);
    for (path, body) in [
        ("/render", r#"[{"calm": 1}, null, null, 10]"#),
        ("/render/1", "[true]"),
        ("/scenes/verse", "[null, true]"),
        ("/takes/x.wav", r#"["y", null]"#),
    ] {
        let (code, answer) = curl(&daemon, path, "application/json", body.as_bytes());
        assert!(code == 422 && answer.contains("expected an object"), "{path}: {code} {answer}");
    }
    for (path, kind, length, code, hint) in [
        ("/render", "application/json", 20_000, 413, "length limit"),
        ("/render", "application/json", 100_000, 413, "The body is larger than 64 kB."),
        ("/osc", "application/octet-stream", 20_000, 413, "length limit"),
        ("/melos/reverb", "application/json", 1, 405, "Method Not Allowed"),
        ("/render/abc", "application/json", 1, 404, "there is no piece \\\"abc\\\""),
    ] {
        let (found, body) = curl(&daemon, path, kind, &vec![b' '; length]);
        assert!(found == code && body.contains(hint), "{path}: {found} {body}");
    }
}
