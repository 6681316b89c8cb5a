//! Runs Melos under JACK's dummy driver and records it with another program while its disk, log reader, clients or
//! sound server misbehave, or file descriptors or memory run out. There must be no silence or click, except while the
//! server itself hangs, and Melos must recover afterwards.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::support::client::python;
use crate::support::disk::Disk;
use crate::support::full_pipe::full_pipe;
use crate::support::loopback_daemon::{bundle, message};
use crate::support::recorded_daemon::{RecordedDaemon, signal};

/// Seconds from the NTP epoch to the Unix epoch.
const NTP_TO_UNIX: u64 = 2_208_988_800;

fn sleep_seconds(seconds: f32) {
    sleep(Duration::from_secs_f32(seconds));
}

fn start_recorded_daemon() -> (tempfile::TempDir, RecordedDaemon) {
    let state = tempfile::tempdir().unwrap();
    let live = RecordedDaemon::start(state.path());
    (state, live)
}

#[test]
fn survives_a_full_disk() {
    let disk = Disk::new(32);
    let live = RecordedDaemon::start(&disk.path());
    live.start_take();
    sleep_seconds(1.0);
    disk.fill();
    live.wait_for_trouble(&["recording"]);
    let status = live.daemon.wait_until("recording has stopped", |status| status["parameters"]["record"] == false);
    let kept = hound::WavReader::open(status["recording"]["file"].as_str().unwrap()).unwrap().duration();
    assert!(kept > 24_000, "only {kept} frames of the take were kept");
    // Discarding the part that could not be written has freed some space.
    disk.fill();
    for n in 0..200 {
        live.daemon.send_datagram(&message("/melos/scene/store", &format!("number {n}")));
    }
    live.wait_for_trouble(&["state", "control-log"]);
    live.daemon.wait_until("another take fails", |now| {
        live.daemon.oscsend(&["/melos/record", "i", "1"]);
        now["recording"]["attempts"] != status["recording"]["attempts"]
    });
    let takes = fs::read_dir(disk.path().join("recordings")).unwrap();
    assert!(takes.map(|take| take.unwrap().metadata().unwrap().len()).all(|bytes| bytes > 0), "a take is empty");
    disk.free();
    live.start_take();
    live.wait_until_healthy();
    for file in ["state.toml", "session.log"] {
        assert!(fs::read_to_string(disk.path().join(file)).unwrap().contains("number 199"), "{file}");
    }
    live.finish();
}

#[test]
fn survives_a_read_only_disk() {
    let disk = Disk::new(32);
    disk.set_writable(false);
    let live = RecordedDaemon::start(&disk.path());
    live.wait_for_trouble(&["state", "control-log", "lock"]);
    live.check_response();
    disk.set_writable(true);
    live.start_take();
    live.wait_until_healthy();
    assert!(disk.path().join("session.log").is_file() && disk.path().join("state.toml").is_file());
    live.finish();
}

#[test]
fn survives_a_disk_failure_during_a_write() {
    let disk = Disk::new(32);
    let elsewhere = tempfile::tempdir().unwrap();
    let live = RecordedDaemon::start(&disk.path());
    live.start_take();
    sleep_seconds(1.0);
    disk.break_down();
    live.wait_for_trouble(&["recording", "control-log"]);
    live.daemon.wait_until("recording has stopped", |status| status["parameters"]["record"] == false);
    // Recording works on a different disk, without a restart.
    let folder = elsewhere.path().display();
    fs::write(live.config(), format!("[recordings]\nkeep_free_gb = 0\nfolder = \"{folder}\"\n")).unwrap();
    live.daemon.wait_until("a take starts on the other disk", |status| {
        live.daemon.oscsend(&["/melos/record", "i", "1"]);
        status["recording"]["on"] == true && status["troubles"]["recording"].is_null()
    });
    live.finish();
}

#[test]
fn survives_a_slow_disk() {
    let disk = Disk::new(32);
    let live = RecordedDaemon::start(&disk.path());
    live.start_take();
    disk.slow_down(3);
    live.wait_until_healthy();
    let status = live.daemon.status().unwrap();
    assert_eq!((&status["recording"]["missing_seconds"], &status["losses"]["failed_takes"]), (&0.0.into(), &0.into()));
    live.finish();
}

#[test]
fn survives_a_hung_disk() {
    let disk = Disk::new(32);
    let live = RecordedDaemon::start(&disk.path());
    live.start_take();
    disk.freeze();
    live.daemon.oscsend(&["/melos/emotion", "s", "angry"]);
    sleep_seconds(2.0);
    live.check_response();
    sleep_seconds(5.0);
    disk.thaw();
    let status = live.daemon.wait_until("the gap is reported", |status| status["recording"]["missing_seconds"] != 0.0);
    live.daemon.oscsend(&["/melos/record", "i", "0"]);
    let status = live.daemon.wait_until("the take ends", |now| {
        now["recording"]["on"] == false && now["recording"]["file"] == status["recording"]["file"]
    });
    let mut take = hound::WavReader::open(status["recording"]["file"].as_str().unwrap()).unwrap();
    let silent = take.samples::<i32>().filter(|sample| *sample.as_ref().unwrap() == 0).count() / 2;
    let missing = (status["recording"]["missing_seconds"].as_f64().unwrap() * 48_000.0).round() as usize;
    assert!((missing..missing + 500).contains(&silent), "{missing} frames reported missing, {silent} silent");
    live.wait_until_healthy();
    live.finish();
}

#[test]
fn survives_running_out_of_file_descriptors() {
    let (_state, live) = start_recorded_daemon();
    let process = live.daemon.id();
    let limit = |files: &str| {
        let set = Command::new("prlimit").args(["--pid", &process.to_string(), &format!("--nofile={files}:")]).status();
        assert!(set.unwrap().success());
    };
    let before = fs::read_dir(format!("/proc/{process}/fd")).unwrap().count();
    limit(&before.to_string());
    let used = cpu_seconds(process);
    // These connections wait, because the daemon cannot accept them.
    let waiting: Vec<_> = (0..20).map(|_| TcpStream::connect(("127.0.0.1", live.daemon.http)).unwrap()).collect();
    live.daemon.oscsend(&["/melos/record", "i", "1"]);
    live.daemon.oscsend(&["/melos/preset", "s", "storm"]);
    sleep_seconds(2.0);
    let used = cpu_seconds(process) - used;
    assert!(used < 1.7, "{used} s of CPU time in 2 s: busy-waiting");
    limit("1024");
    drop(waiting);
    live.daemon.wait_until("the preset is loaded", |status| status["parameters"]["preset"] == "storm");
    live.start_take();
    live.wait_until_healthy();
    let after = fs::read_dir(format!("/proc/{process}/fd")).unwrap().count();
    assert!(after < before + 12, "{before} descriptors before, {after} after");
    let log = live.daemon.log();
    assert!(!log.contains("model"), "networks should be reloaded only if they change: {log}");
    live.finish();
}

/// Returns the CPU time of a process in seconds.
fn cpu_seconds(process: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

#[test]
fn survives_greedy_clients_when_memory_is_limited() {
    let (_state, live) = start_recorded_daemon();
    let process = live.daemon.id();
    let field = |name: &str| -> u64 {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
    };
    let resident = field("VmRSS:");
    let limit = (field("VmSize:") << 10) + (256 << 20);
    let set = Command::new("prlimit").args(["--pid", &process.to_string(), &format!("--as={limit}")]).status();
    assert!(set.unwrap().success());
    let mut sockets = Vec::new();
    for _ in 0..48 {
        let mut socket = TcpStream::connect(("127.0.0.1", live.daemon.http)).unwrap();
        socket.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
        let host = format!("127.0.0.1:{}", live.daemon.http);
        let upgrade = format!(
            "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        );
        socket.write_all(upgrade.as_bytes()).unwrap();
        let _ = socket.read(&mut [0; 512]);
        // Send the header of a WebSocket frame of 16 MB, then as much of its contents as the server accepts.
        let _ = socket.write_all(&[0x82, 0xFF, 0, 0, 0, 0, 1, 0, 0, 0, 1, 2, 3, 4]);
        for _ in 0..16 {
            if socket.write_all(&vec![7; 1 << 20]).is_err() {
                break;
            }
        }
        sockets.push(socket);
    }
    for _ in 0..2000 {
        live.daemon.send_datagram(&message("/melos/scene/store", &format!("{} of many", sockets.len())));
    }
    sleep_seconds(1.0);
    let growth = field("VmRSS:").saturating_sub(resident) >> 10;
    assert!(growth < 64, "memory grew by {growth} MB");
    drop(sockets);
    live.wait_until_healthy();
    live.finish();
}

#[test]
fn survives_a_log_reader_that_hangs_and_exits() {
    let (reader, writer) = full_pipe();
    let state = tempfile::tempdir().unwrap();
    let live = RecordedDaemon::start_logging_to(writer.into(), state.path());
    send_invalid_messages(&live);
    sleep_seconds(1.5);
    live.check_response();
    drop(reader);
    send_invalid_messages(&live);
    sleep_seconds(1.0);
    live.finish();
}

/// Sends messages that Melos rejects and logs.
fn send_invalid_messages(live: &RecordedDaemon) {
    for n in 0..2000 {
        live.daemon.send_datagram(&message("/melos/chord", &format!("H{n}")));
    }
}

#[test]
fn survives_fast_clocks_floods_and_noise() {
    let (_state, live) = start_recorded_daemon();
    send_with_a_fast_clock(&live);
    send_a_flood_and_noise(&live);
    live.finish();
}

/// Schedules far more messages within the next hour than the queue holds, then checks that Melos responds.
fn send_with_a_fast_clock(live: &RecordedDaemon) {
    let first_due = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(3000);
    let future = vec![message("/melos/emotion", "sad"); 100];
    for n in 0..60 {
        live.daemon.send_datagram(&bundle((first_due.as_secs() + NTP_TO_UNIX + n) << 32, &future));
        sleep_seconds(0.005);
    }
    let refused = |status: &serde_json::Value| status["losses"]["lost_scheduled"].as_u64() > Some(1000);
    live.daemon.wait_until("the excess is refused", refused);
    live.daemon.oscsend(&["/melos/panic"]);
    live.check_response();
}

fn send_a_flood_and_noise(live: &RecordedDaemon) {
    let port = live.daemon.osc.to_string();
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
        live.daemon.send_datagram(&[b"/melos/chord\0\0\0\0,s\0\0", &noise[..]].concat());
        live.daemon.send_datagram(&[b"#bundle\0", &noise[..]].concat());
        sleep_seconds(0.001);
    }
    live.daemon.wait_until("the last values arrive", |status| status["parameters"]["valence"] == 0.25);
}

#[test]
fn survives_a_hung_listener_and_a_hung_server() {
    let (_state, mut live) = start_recorded_daemon();
    let other = live.start_second_recorder();
    sleep_seconds(0.5);
    signal(other, "STOP");
    sleep_seconds(2.0);
    signal(other, "CONT");
    live.check_response();
    sleep_seconds(1.0);
    live.check_sound();
    // A brief stall, a longer one that is still short enough for JACK to keep the client, and one that is not.
    for stall in [0.3, 1.2, 3.5] {
        live.server.signal("STOP");
        sleep_seconds(stall);
        live.server.signal("CONT");
        let playing = |status: &serde_json::Value| {
            status["state"] == "playing" && status["output"].as_str().is_some_and(|name| name.contains("melos-audio,"))
        };
        live.daemon.wait_until("Melos plays through its own client", playing);
        live.restart_recording();
        live.check_response();
        sleep_seconds(1.0);
        live.check_sound();
    }
    live.wait_until_healthy();
    live.restart_recording();
    sleep_seconds(0.5);
    live.finish();
}
