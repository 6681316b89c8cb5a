//! The page and the audio stream over real sockets, and state across a restart, with the shipped networks.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use melos::output::record::MAX_LISTENERS;

use crate::support::daemon::{Daemon, TIMEOUT};

/// Sends a request and returns the status code, the headers in lower case and a reader of the body.
fn get(daemon: &Daemon, path: &str) -> (u16, String, BufReader<TcpStream>) {
    let mut stream = TcpStream::connect(("127.0.0.1", daemon.http)).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    // Use HTTP 1.0, so that the body is not chunked.
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let (mut reader, mut head) = (BufReader::new(stream), String::new());
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).unwrap() > 0, "the response ended before the end of its headers: {head}");
    }
    (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_lowercase(), reader)
}

/// Reads the given number of frames from the endless WAV stream.
fn listen(body: &mut impl Read, frames: usize) -> Vec<[i16; 2]> {
    let mut bytes = vec![0; 4 * frames];
    body.read_exact(&mut bytes).unwrap();
    bytes.chunks_exact(4).map(|b| [i16::from_le_bytes([b[0], b[1]]), i16::from_le_bytes([b[2], b[3]])]).collect()
}

#[test]
fn the_page_and_the_audio_stream_are_served() {
    let state = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(state.path(), &["--audio", "null", "--midi", "off", "--preset", "energetic"]);
    let (code, head, mut body) = get(&daemon, "/page");
    let mut page = String::new();
    body.read_to_string(&mut page).unwrap();
    assert!(code == 200 && head.contains("content-type: text/html") && page.contains("/page/main.js"), "{code} {head}");
    let (code, head, _) = get(&daemon, "/page/main.js");
    assert!(code == 200 && head.contains("content-type: text/javascript") && head.contains("etag: "), "{code} {head}");

    let (code, head, mut body) = get(&daemon, "/listen.wav");
    assert!(code == 200 && head.contains("content-type: audio/wav"), "{head}");
    let mut header = [0; 44];
    body.read_exact(&mut header).unwrap();
    assert!(header.starts_with(b"RIFF") && header.ends_with(b"data\xff\xff\xff\xff"));
    let sound = listen(&mut body, 48_000);
    assert!(sound.iter().any(|[left, _]| left.unsigned_abs() > 100), "the stream is silent");

    // Listeners that read nothing occupy the remaining slots. Another listener is refused, and the music continues.
    let mut idle: Vec<_> = (1..MAX_LISTENERS).map(|_| get(&daemon, "/listen.wav")).collect();
    assert!(idle.iter().all(|(code, ..)| *code == 200));
    assert_eq!(get(&daemon, "/listen.wav").0, 503);
    idle.clear();
    assert!(listen(&mut body, 48_000).iter().any(|[left, _]| *left != 0), "the first listener should still get audio");
    drop(body);
    daemon.wait_until("Melos plays", |status| status["state"] == "playing");
    let (status, log) = daemon.terminate();
    assert!(status.success() && log.contains("/page"), "without a device, the log should name the page: {log}");
}

#[test]
fn preset_parameters_and_scenes_survive_a_restart() {
    let state = tempfile::tempdir().unwrap();
    let arguments = ["--audio", "null", "--midi", "off"];
    let daemon = Daemon::start(state.path(), &[&arguments[..], &["--preset", "storm"]].concat());
    daemon.oscsend(&["/melos/reverb", "f", "0.875"]);
    daemon.oscsend(&["/melos/scene/store", "s", "cave"]);
    daemon.oscsend(&["/melos/reverb", "f", "0.125"]);
    daemon.wait_until("the reverb is set", |status| status["parameters"]["reverb"] == 0.125);
    assert!(daemon.terminate().0.success());

    let daemon = Daemon::start(state.path(), &arguments);
    let status = daemon.wait_until("the reverb is restored", |status| status["parameters"]["reverb"] == 0.125);
    assert_eq!(status["parameters"]["preset"], "storm");
    daemon.oscsend(&["/melos/scene", "s", "cave"]);
    daemon.wait_until("the scene is recalled", |status| status["parameters"]["reverb"] == 0.875);
}

/// A looping journey with a short first step.
const TOUR: &str = "schema = 1\nname = \"Tour\"\nglide = 3\nloop = true\n[[journey]]\nemotion = \"sad\"\nseconds = 1\n[[journey]]\nemotion = \"calm\"\nseconds = 3600\nglide = 30\n";

#[test]
fn a_journey_continues_after_a_restart_until_the_performer_takes_over() {
    let folder = tempfile::tempdir().unwrap();
    let (config, state) = (folder.path().join("config"), folder.path().join("state"));
    let presets = config.join("melos/presets");
    std::fs::create_dir_all(&presets).unwrap();
    std::fs::write(presets.join("tour.toml"), TOUR).unwrap();
    let home = [("XDG_CONFIG_HOME", config.display().to_string())];
    let start =
        |more: &[&str]| Daemon::start_with(&home, &state, &[&["--audio", "null", "--midi", "off"], more].concat());
    let journey = |daemon: &Daemon| {
        let (_, _, mut body) = get(daemon, "/presets");
        let mut text = String::new();
        body.read_to_string(&mut text).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["journey"].take()
    };
    let daemon = start(&["--preset", "tour"]);
    daemon.wait_until("the second step has started", |status| status["parameters"]["glide"] == 30.0);
    assert!(daemon.terminate().0.success());

    let daemon = start(&[]);
    daemon.wait_until("Melos plays again", |status| status["parameters"]["emotion"] == "calm");
    assert_eq!((journey(&daemon)["step"].take(), journey(&daemon)["steps"].take()), (2.into(), 2.into()));
    // The performer's change does not use the journey's long glide.
    daemon.oscsend(&["/melos/emotion", "s", "happy"]);
    let taken_over = daemon.wait_until("the mood is set", |status| status["parameters"]["emotion"] == "happy");
    assert_eq!(taken_over["parameters"]["glide"], 3.0);
    assert!(journey(&daemon).is_null());
    assert!(daemon.terminate().0.success());
    let daemon = start(&[]);
    daemon.wait_until("Melos plays again", |status| status["parameters"]["emotion"] == "happy");
    assert!(journey(&daemon).is_null());
}
