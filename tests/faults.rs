//! The music continues whatever fails: the real program under JACK's dummy driver, recorded by another program, while its
//! disk, log reader, descriptors, memory, senders or sound server fail. There must be no silence and no click, and Melos must
//! recover afterwards.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic; helpers print measurements")]

#[path = "support/client.rs"]
mod client;
#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/disk.rs"]
mod disk;
#[path = "support/full_pipe.rs"]
mod full_pipe;
#[path = "support/heard.rs"]
mod heard;
#[path = "support/jack_server.rs"]
mod jack_server;
#[path = "support/on_stage.rs"]
mod on_stage;
#[path = "support/playing.rs"]
mod playing;
#[path = "support/recording.rs"]
mod recording;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use client::python;
use disk::Disk;
use full_pipe::full_pipe;
use on_stage::{OnStage, signal};
use playing::{bundle, message};

/// Seconds from the NTP epoch to the Unix epoch.
const NTP: u64 = 2_208_988_800;

fn seconds(seconds: f32) {
    sleep(Duration::from_secs_f32(seconds));
}

fn on_stage() -> (tempfile::TempDir, OnStage) {
    let state = tempfile::tempdir().unwrap();
    let stage = OnStage::start(state.path());
    (state, stage)
}

#[test]
fn a_full_disk() {
    let disk = Disk::new(32);
    let stage = OnStage::start(&disk.path());
    stage.begin_take();
    seconds(1.0);
    disk.fill();
    stage.wait_for_trouble(&["recording"]);
    let status = stage.daemon.wait_until("recording has stopped", |status| status["parameters"]["record"] == false);
    let kept = hound::WavReader::open(status["recording"]["file"].as_str().unwrap()).unwrap().duration();
    assert!(kept > 24_000, "only {kept} frames of the take were kept");
    // Discarding the part that could not be written has freed some space.
    disk.fill();
    for n in 0..200 {
        stage.daemon.send_datagram(&message("/melos/scene/store", &format!("number {n}")));
    }
    stage.wait_for_trouble(&["state", "control-log"]);
    disk.free();
    stage.begin_take();
    stage.wait_until_healthy();
    for file in ["state.toml", "session.log"] {
        assert!(fs::read_to_string(disk.path().join(file)).unwrap().contains("number 199"), "{file}");
    }
    stage.finish();
}

#[test]
fn a_read_only_disk() {
    let disk = Disk::new(32);
    disk.set_writable(false);
    let stage = OnStage::start(&disk.path());
    stage.wait_for_trouble(&["state", "control-log", "lock"]);
    stage.check_response();
    disk.set_writable(true);
    stage.begin_take();
    stage.wait_until_healthy();
    assert!(disk.path().join("session.log").is_file() && disk.path().join("state.toml").is_file());
    stage.finish();
}

#[test]
fn a_disk_that_breaks_during_a_write() {
    let disk = Disk::new(32);
    let elsewhere = tempfile::tempdir().unwrap();
    let stage = OnStage::start(&disk.path());
    stage.begin_take();
    seconds(1.0);
    disk.break_down();
    stage.wait_for_trouble(&["recording", "control-log"]);
    stage.daemon.wait_until("recording has stopped", |status| status["parameters"]["record"] == false);
    // A different disk, without a restart.
    let folder = elsewhere.path().display();
    fs::write(stage.config(), format!("[recordings]\nkeep_free_gb = 0\nfolder = \"{folder}\"\n")).unwrap();
    stage.daemon.wait_until("a take starts on the other disk", |status| {
        stage.daemon.oscsend(&["/melos/record", "i", "1"]);
        status["recording"]["on"] == true && status["troubles"]["recording"].is_null()
    });
    stage.finish();
}

#[test]
fn a_slow_disk() {
    let disk = Disk::new(32);
    let stage = OnStage::start(&disk.path());
    stage.begin_take();
    disk.be_slow(3);
    stage.wait_until_healthy();
    let status = stage.daemon.status().unwrap();
    assert_eq!((&status["recording"]["missing_seconds"], &status["losses"]["failed_takes"]), (&0.0.into(), &0.into()));
    stage.finish();
}

#[test]
fn a_hung_disk() {
    let disk = Disk::new(32);
    let stage = OnStage::start(&disk.path());
    stage.begin_take();
    disk.freeze();
    stage.daemon.oscsend(&["/melos/emotion", "s", "angry"]);
    seconds(2.0);
    stage.check_response();
    seconds(5.0);
    disk.thaw();
    let status = stage.daemon.wait_until("the gap is reported", |status| status["recording"]["missing_seconds"] != 0.0);
    stage.daemon.oscsend(&["/melos/record", "i", "0"]);
    let status = stage.daemon.wait_until("the take ends", |now| {
        now["recording"]["on"] == false && now["recording"]["file"] == status["recording"]["file"]
    });
    let mut take = hound::WavReader::open(status["recording"]["file"].as_str().unwrap()).unwrap();
    let silent = take.samples::<i32>().filter(|sample| *sample.as_ref().unwrap() == 0).count() / 2;
    let missing = (status["recording"]["missing_seconds"].as_f64().unwrap() * 48_000.0).round() as usize;
    assert!((missing..missing + 500).contains(&silent), "{missing} frames reported missing, {silent} silent");
    stage.wait_until_healthy();
    stage.finish();
}

#[test]
fn no_file_descriptors_left() {
    let (_state, stage) = on_stage();
    let process = stage.daemon.id();
    let limit = |files: &str| {
        let set = Command::new("prlimit").args(["--pid", &process.to_string(), &format!("--nofile={files}:")]).status();
        assert!(set.unwrap().success());
    };
    let before = fs::read_dir(format!("/proc/{process}/fd")).unwrap().count();
    limit(&before.to_string());
    let used = processor_seconds(process);
    // These connections wait, because the daemon cannot accept them.
    let waiting: Vec<_> = (0..20).map(|_| TcpStream::connect(("127.0.0.1", stage.daemon.http)).unwrap()).collect();
    stage.daemon.oscsend(&["/melos/record", "i", "1"]);
    stage.daemon.oscsend(&["/melos/preset", "s", "storm"]);
    seconds(2.0);
    let used = processor_seconds(process) - used;
    assert!(used < 1.7, "{used} s of CPU time in 2 s: busy-waiting");
    limit("1024");
    drop(waiting);
    stage.daemon.wait_until("the preset is loaded", |status| status["parameters"]["preset"] == "storm");
    stage.begin_take();
    stage.wait_until_healthy();
    let after = fs::read_dir(format!("/proc/{process}/fd")).unwrap().count();
    assert!(after < before + 12, "{before} descriptors before, {after} after");
    let log = stage.daemon.log();
    assert!(!log.contains("model"), "networks should be reloaded only if they change: {log}");
    stage.finish();
}

/// Returns the CPU time of a process in seconds.
fn processor_seconds(process: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

#[test]
fn little_memory_and_many_greedy_clients() {
    let (_state, stage) = on_stage();
    let process = stage.daemon.id();
    let field = |name: &str| -> u64 {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
    };
    let resident = field("VmRSS:");
    let room = (field("VmSize:") << 10) + (256 << 20);
    let set = Command::new("prlimit").args(["--pid", &process.to_string(), &format!("--as={room}")]).status();
    assert!(set.unwrap().success());
    let mut sockets = Vec::new();
    for _ in 0..48 {
        let mut socket = TcpStream::connect(("127.0.0.1", stage.daemon.http)).unwrap();
        socket.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
        let host = format!("127.0.0.1:{}", stage.daemon.http);
        let upgrade = format!(
            "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        );
        socket.write_all(upgrade.as_bytes()).unwrap();
        let _ = socket.read(&mut [0; 512]);
        // The head of a 16 MB frame, then as much of it as the server accepts.
        let _ = socket.write_all(&[0x82, 0xFF, 0, 0, 0, 0, 1, 0, 0, 0, 1, 2, 3, 4]);
        for _ in 0..16 {
            if socket.write_all(&vec![7; 1 << 20]).is_err() {
                break;
            }
        }
        sockets.push(socket);
    }
    for _ in 0..2000 {
        stage.daemon.send_datagram(&message("/melos/scene/store", &format!("{} of many", sockets.len())));
    }
    seconds(1.0);
    let grown = field("VmRSS:").saturating_sub(resident) >> 10;
    assert!(grown < 64, "memory grew by {grown} MB");
    drop(sockets);
    stage.wait_until_healthy();
    stage.finish();
}

#[test]
fn a_log_reader_that_hangs_and_then_dies() {
    let (reader, writer) = full_pipe();
    let state = tempfile::tempdir().unwrap();
    let stage = OnStage::start_logging_to(writer.into(), state.path());
    mistakes(&stage);
    seconds(1.5);
    stage.check_response();
    drop(reader);
    mistakes(&stage);
    seconds(1.0);
    stage.finish();
}

/// Makes Melos log a lot.
fn mistakes(stage: &OnStage) {
    for n in 0..2000 {
        stage.daemon.send_datagram(&message("/melos/chord", &format!("H{n}")));
    }
}

#[test]
fn fast_clocks_floods_and_noise() {
    let (_state, stage) = on_stage();
    a_fast_clock(&stage);
    a_flood_and_noise(&stage);
    stage.finish();
}

/// Schedules far more messages for the next hour than fit, then steers.
fn a_fast_clock(stage: &OnStage) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(3000);
    let late = vec![message("/melos/emotion", "sad"); 100];
    for n in 0..60 {
        stage.daemon.send_datagram(&bundle((now.as_secs() + NTP + n) << 32, &late));
        seconds(0.005);
    }
    let refused = |status: &serde_json::Value| status["losses"]["lost_scheduled"].as_u64() > Some(1000);
    stage.daemon.wait_until("the excess is refused", refused);
    stage.daemon.oscsend(&["/melos/panic"]);
    stage.check_response();
}

fn a_flood_and_noise(stage: &OnStage) {
    let port = stage.daemon.osc.to_string();
    let mut sensors =
        python("tests/clients/osc_sensors.py", &[&port, "10000", "2"]).stdout(Stdio::null()).spawn().unwrap();
    let mut random = 1u32;
    while sensors.try_wait().unwrap().is_none() {
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 24) as u8
        })
        .take(60)
        .collect();
        stage.daemon.send_datagram(&[b"/melos/chord\0\0\0\0,s\0\0", &noise[..]].concat());
        stage.daemon.send_datagram(&[b"#bundle\0", &noise[..]].concat());
        seconds(0.001);
    }
    stage.daemon.wait_until("the last values arrive", |status| status["parameters"]["valence"] == 0.25);
}

#[test]
fn a_hung_listener_and_a_hung_device() {
    let (_state, mut stage) = on_stage();
    let other = stage.another_recorder();
    seconds(0.5);
    signal(other, "STOP");
    seconds(2.0);
    signal(other, "CONT");
    stage.check_response();
    seconds(1.0);
    stage.check_sound();
    // A hiccup, a pause short enough for JACK to keep the client, and a longer one.
    for stall in [0.3, 1.2, 3.5] {
        stage.server.signal("STOP");
        seconds(stall);
        stage.server.signal("CONT");
        let playing = |status: &serde_json::Value| {
            status["state"] == "playing" && status["output"].as_str().is_some_and(|name| name.contains("melos-audio,"))
        };
        stage.daemon.wait_until("Melos plays through its own client", playing);
        stage.restart_recording();
        stage.check_response();
        seconds(1.0);
        stage.check_sound();
    }
    stage.wait_until_healthy();
    stage.restart_recording();
    seconds(0.5);
    stage.finish();
}
