//! Whatever is sent, the engine stays in sync with the conductor, and there is always space for immediate events.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::support::loopback_daemon::{LoopbackDaemon, bundle, message};

/// Seconds from the NTP epoch to the Unix epoch.
const NTP_TO_UNIX: u64 = 2_208_988_800;

#[test]
fn after_a_flood_of_recalls_the_engine_matches_the_conductor() {
    let mut daemon = LoopbackDaemon::start("127.0.0.41", Stdio::null());
    daemon.send("/melos/scene/store", "here");
    daemon.check_response();
    let recall = vec![message("/melos/scene", "here"); 500];
    for _ in 0..6 {
        daemon.send_datagram(&bundle(1, &recall));
    }
    daemon.wait_until("the music is audible again", |status| status["rms_db"].as_f64() > Some(-60.0));
    daemon.check_response();
    let started = daemon.status().unwrap()["seconds"].as_f64().unwrap();
    daemon.wait_until("two seconds pass", |status| status["seconds"].as_f64() > Some(started + 2.0));
    daemon.wait_until("the music is still audible", |status| status["rms_db"].as_f64() > Some(-60.0));
    daemon.terminate();
}

#[test]
fn a_sender_with_a_fast_clock_leaves_space_for_others() {
    let mut daemon = LoopbackDaemon::start("127.0.0.42", Stdio::null());
    let due = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(3000);
    let future = vec![message("/melos/emotion", "sad"); 100];
    for _ in 0..60 {
        daemon.send_datagram(&bundle((due.as_secs() + NTP_TO_UNIX) << 32, &future));
        std::thread::sleep(Duration::from_millis(5));
    }
    daemon.wait_until("the excess is refused", |status| status["losses"]["lost_scheduled"].as_u64() > Some(1000));
    daemon.check_response();
    daemon.terminate();
}

#[test]
fn repeated_record_messages_start_one_take() {
    let mut daemon = LoopbackDaemon::start("127.0.0.43", Stdio::null());
    let on = [&b"/melos/record\0\0\0,T\0\0"[..]].concat();
    for _ in 0..180 {
        daemon.send_datagram(&on);
        std::thread::sleep(Duration::from_millis(5));
    }
    daemon.check_response();
    let takes = || {
        let folder = fs::read_dir(daemon.state.path().join("recordings")).unwrap();
        folder
            .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "wav"))
            .count()
    };
    // Because there is no audio device, one of them is the automatic take of the first minute.
    assert!(takes() <= 2, "{} takes", takes());
    daemon.terminate();
}

#[test]
fn a_session_with_more_commands_than_fit_in_a_quantum_renders() {
    let folder = tempfile::tempdir().unwrap();
    let (log, wav) = (folder.path().join("log"), folder.path().join("out.wav"));
    let recalls = "48000 /melos/scene \"here\"\n".repeat(3000);
    let text = format!(
        "melos-control-log 1\nversion \"0\"\nmodel \"\"\nseed 7\n24000 /melos/scene/store \"here\"\n{recalls}\
         48000 /melos/level/master -6\n72000 reconciled 40 44\n96000 end\n"
    );
    fs::write(&log, text).unwrap();
    let rendered = Command::new(env!("CARGO_BIN_EXE_melos"))
        .args(["render", "--control-log", log.to_str().unwrap(), "-o", wav.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(rendered.status.success(), "{}", String::from_utf8_lossy(&rendered.stderr));
    let sound: Vec<i32> = hound::WavReader::open(&wav).unwrap().into_samples().map(Result::unwrap).collect();
    assert_eq!(sound.len(), 2 * 96_000);
    for half_second in sound[48_000..].chunks(48_000) {
        assert!(half_second.iter().any(|sample| sample.abs() > 10_000), "half a second of silence");
    }
}
