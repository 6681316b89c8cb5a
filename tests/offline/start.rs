//! Daemon startup and configuration: rejected configurations, changes while playing, and signals as soon as the daemon
//! reports that it is ready.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// `EX_CONFIG` from sysexits.h; systemd does not restart the service after this exit status.
const EX_CONFIG: i32 = 78;

/// Time limit for any wait, long enough for a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);

fn melos(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_melos"));
    command
        .args(["run", "--audio", "null", "--midi", "off", "--osc", "127.0.0.1:0", "--http", "0", "--state"])
        .arg(folder);
    command.stdin(Stdio::null());
    command
}

#[test]
fn a_configuration_error_is_reported_once_and_ends_the_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("melos.toml");
    fs::write(&file, "[audio]\nblock_frames = \"many\"\n").unwrap();
    let output = melos(folder.path()).arg("--config").arg(&file).output().unwrap();
    let printed = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(EX_CONFIG), "{printed}");
    assert_eq!(
        printed.matches("melos.toml:2: audio.block_frames = \"many\": expected an integer").count(),
        1,
        "{printed}"
    );

    let output = melos(folder.path()).args(["--preset", "no-such-preset"]).output().unwrap();
    let printed = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(EX_CONFIG), "{printed}");
    assert!(printed.contains("no-such-preset") && printed.contains("calm"), "{printed}");
}

#[test]
fn the_saved_log_says_why_a_start_failed() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_melos"));
    command.args(["run", "--audio", "alsa", "--device", "no such device", "--midi", "off", "--osc", "127.0.0.1:0"]);
    let output = command.args(["--http", "0", "--state"]).arg(folder.path()).stdin(Stdio::null()).output().unwrap();
    assert!(!output.status.success());
    let saved = fs::read_to_string(folder.path().join("events.log")).unwrap();
    let last = saved.lines().last().unwrap();
    assert!(last.contains("\"error\"") && last.contains("no audio output available: ALSA"), "{saved}");
}

#[test]
fn the_configuration_can_change_while_playing() {
    let folder = tempfile::tempdir().unwrap();
    let (file, log) = (folder.path().join("melos.toml"), folder.path().join("log"));
    fs::write(&file, "").unwrap();
    let mut child = melos(folder.path());
    child.arg("--config").arg(&file).stderr(fs::File::create(&log).unwrap());
    let mut child = child.spawn().unwrap();
    let mut wait_for = |expected: &str| {
        let started = Instant::now();
        let printed = || fs::read_to_string(&log).unwrap();
        while !printed().contains(expected) {
            if child.try_wait().unwrap().is_some() || started.elapsed() > TIMEOUT {
                let _ = child.kill();
                panic!("{expected} was not logged: {}", printed());
            }
            sleep(Duration::from_millis(20));
        }
    };
    wait_for("recording the first minute");
    fs::write(&file, "[midi.out]\nchannels = [0, 2, 3]\n").unwrap();
    wait_for(
        "melos.toml:2: midi.out.channels = [0, 2, 3]: expected three MIDI channels from 1 to 16, such as [1, 2, 3]; \
         keeping the last good state",
    );
    fs::write(&file, "preset = \"storm\"\n[audio]\nblock_frames = 256\n").unwrap();
    wait_for("restart Melos to apply these changes keys=\"preset\"");
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    assert!(child.wait().unwrap().success());
}

#[test]
fn signals_work_as_soon_as_the_daemon_is_ready() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let child = melos(folder.path()).env("NOTIFY_SOCKET", &path).stderr(Stdio::piped()).spawn().unwrap();
    let mut message = [0; 256];
    while !message.starts_with(b"READY=1") {
        socket.recv(&mut message).unwrap();
    }
    let id = child.id().to_string();
    for signal in ["-HUP", "-TERM"] {
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }
    let output = child.wait_with_output().unwrap();
    let printed = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && printed.contains("fading out"), "{:?}: {printed}", output.status);
}
