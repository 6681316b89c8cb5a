use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use super::*;
use crate::files::Usage;
use crate::session::log::ControlLog;

fn config() -> ControlLogConfig {
    ControlLogConfig { keep: 2, ..ControlLogConfig::default() }
}

fn open(path: &Path, config: &ControlLogConfig, troubles: &Troubles) -> LogFile {
    let header = Header { version: "1".to_owned(), ..Header::default() };
    LogFile::open(path, header, config, troubles.clone()).unwrap()
}

fn read(path: &Path) -> ControlLog {
    ControlLog::read(BufReader::new(File::open(path).unwrap())).unwrap()
}

fn recorded(path: PathBuf, frames: std::ops::Range<u64>) -> Recorded {
    Recorded { path, frames, gaps: Vec::new() }
}

fn wait_until(what: &str, reached: impl Fn() -> bool) {
    let begun = Instant::now();
    while !reached() {
        assert!(begun.elapsed() < Duration::from_secs(20), "timed out waiting for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_recording_gets_the_log_so_far_and_its_gaps() {
    let folder = tempfile::tempdir().unwrap();
    let session = folder.path().join("session.log");
    let mut log = open(&session, &config(), &Troubles::default());
    log.write(4, Entry::Splice { planned: 512, performed: None });
    let take = Recorded { gaps: vec![3..5], ..recorded(folder.path().join("take.flac"), 2..9) };
    log.keep(take);
    log.write(20, Entry::End);
    drop(log);
    let (session, take) = (read(&session), read(&folder.path().join("take.log")));
    assert_eq!((session.frames(), session.entries.len(), session.header.gaps.len()), (0..20, 2, 0));
    assert_eq!((take.frames(), take.header.gaps.as_slice()), (2..9, &[3..5][..]));
    assert_eq!(take.entries, session.entries[..1]);
}

#[test]
fn logs_of_earlier_sessions_are_kept_up_to_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let session = folder.path().join("session.log");
    std::fs::write(folder.path().join("session-mine.log"), "mine").unwrap();
    for number in 1..=5 {
        let mut log = open(&session, &config(), &Troubles::default());
        log.write(number, Entry::End);
        drop(log);
    }
    let logs = Usage::of(folder.path(), |name| name.starts_with("session-20"));
    let ends: Vec<u64> = logs.iter().map(|log| read(&log.path).frames().end).collect();
    assert_eq!(ends, [3, 4]);
    assert_eq!(read(&session).frames().end, 5);
    assert!(folder.path().join("session-mine.log").exists(), "other files stay");
}

#[test]
fn the_log_can_be_turned_off() {
    let folder = tempfile::tempdir().unwrap();
    let session = folder.path().join("session.log");
    let mut log = open(&session, &ControlLogConfig { write: false, ..config() }, &Troubles::default());
    log.write(1, Entry::End);
    drop(log);
    assert!(!session.exists());
}

#[test]
fn lines_wait_for_a_hung_disk_and_none_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    std::fs::write(&state, "a file where the folder should be").unwrap();
    let troubles = Troubles::default();
    let mut log = open(&state.join("session.log"), &config(), &troubles);
    log.write(1, Entry::Splice { planned: 512, performed: None });
    wait_until("the trouble", || troubles.now().0.contains_key(&Part::ControlLog));
    log.write(2, Entry::End);
    std::fs::remove_file(&state).unwrap();
    wait_until("the log", || troubles.now().0.is_empty());
    drop(log);
    assert_eq!(read(&state.join("session.log")).entries.len(), 2);
}

#[test]
fn shutdown_does_not_wait_for_a_hung_disk() {
    for path in ["/proc/nothing/session.log", "/dev/null"] {
        let begun = Instant::now();
        let troubles = Troubles::default();
        let mut log = open(Path::new(path), &config(), &troubles);
        log.write(1, Entry::End);
        drop(log);
        assert!(begun.elapsed() < Duration::from_secs(10), "{path}");
        assert!(troubles.now().0[&Part::ControlLog].contains(path));
    }
    assert!(!Path::new("/dev/null").is_file(), "a device is not replaced by a file");
}

#[test]
fn a_log_ends_when_deleted_or_full_and_the_loss_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let session = folder.path().join("session.log");
    let troubles = Troubles::default();
    let mut log = open(&session, &config(), &troubles);
    wait_until("the log", || session.exists());
    std::fs::remove_file(&session).unwrap();
    log.write(1, Entry::End);
    wait_until("the loss", || troubles.now().0.contains_key(&Part::ControlLog));
    assert!(troubles.now().0[&Part::ControlLog].contains("was deleted"));
    drop(log);

    let troubles = Troubles::default();
    let mut log = open(&session, &ControlLogConfig { max_mb: 1, ..config() }, &troubles);
    for frame in 0..100_000 {
        log.write(frame, Entry::Splice { planned: 512, performed: None });
        if frame % 10_000 == 0 {
            thread::sleep(Duration::from_millis(50));
        }
    }
    wait_until("its end", || troubles.now().0.contains_key(&Part::ControlLog));
    assert!(session.metadata().unwrap().len() < 4 * MEGABYTE);
}

#[test]
fn short_takes_do_not_copy_a_long_log() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = open(&folder.path().join("session.log"), &config(), &Troubles::default());
    for frame in 0..400_000 {
        log.write(frame, Entry::Splice { planned: 512, performed: None });
        if frame % 20_000 == 0 {
            thread::sleep(Duration::from_millis(50));
        }
    }
    log.keep(recorded(folder.path().join("short.wav"), 0..1000));
    log.keep(recorded(folder.path().join("long.wav"), 0..10_000_000));
    drop(log);
    assert!(!folder.path().join("short.log").exists() && folder.path().join("long.log").exists());
}
