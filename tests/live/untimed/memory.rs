//! Memory is returned to the system after networks have been exchanged.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::daemon::{Daemon, TIMEOUT};

/// Returns the resident memory of a process in megabytes.
fn resident(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse::<u64>().unwrap() >> 10
}

/// Makes `link` lead to `model`, at once.
fn exchange(link: &Path, model: &str) {
    let new = link.with_extension("new");
    symlink(Path::new(env!("CARGO_MANIFEST_DIR")).join(model), &new).unwrap();
    fs::rename(new, link).unwrap();
}

#[test]
fn memory_is_returned_after_new_networks_have_been_loaded() {
    let (state, config) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let models = config.path().join("melos/models");
    fs::create_dir_all(&models).unwrap();
    let link = models.join("exchanged");
    exchange(&link, "models/melos-piano");
    let environment = [("XDG_CONFIG_HOME", config.path().to_string_lossy().into_owned())];
    let arguments = ["--audio", "null", "--midi", "off", "--model", "exchanged", "--preset", "calm"];
    let daemon = Daemon::start_with(&environment, state.path(), &arguments);
    let plays_for = |seconds: f64| {
        let now = daemon.status().unwrap()["seconds"].as_f64().unwrap();
        daemon.wait_until("the music continues", |status| status["seconds"].as_f64() > Some(now + seconds));
    };
    plays_for(5.0);
    let before = resident(daemon.id());
    for (count, model) in ["tests/fixtures/tiny-model", "models/melos-piano"].into_iter().cycle().take(4).enumerate() {
        exchange(&link, model);
        let started = Instant::now();
        while daemon.log().matches("new model loaded").count() <= count {
            assert!(started.elapsed() < TIMEOUT, "{model} was not loaded: {}", daemon.log());
            sleep(Duration::from_millis(100));
        }
        plays_for(5.0);
    }
    let after = resident(daemon.id());
    assert!(after < before + 60, "the process grew from {before} to {after} MB");
}
