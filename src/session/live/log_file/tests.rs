use std::fs::{self, File};
use std::io::{BufReader, Write};
use std::path::PathBuf;

use super::*;
use crate::conductor::{Conductor, EngineSync, Score};
use crate::event::health::Loss;
use crate::event::log::ControlLog;
use crate::files::Usage;
use crate::session::checkpoint::{checkpoint_files, checkpoint_folder, checkpoint_path};
use crate::units::MEGABYTE;

fn config() -> ControlLogConfig {
    ControlLogConfig { keep: 2, ..ControlLogConfig::default() }
}

fn open(path: &Path, config: &ControlLogConfig, troubles: &Troubles) -> LogFile {
    let header = Header { version: "1".to_owned(), ..Header::default() };
    LogFile::open(path, header, config, 0, troubles.clone(), Arc::default(), || ()).unwrap()
}

fn read(path: &Path) -> ControlLog {
    ControlLog::read(BufReader::new(File::open(path).unwrap())).unwrap()
}

/// Reads a log without its last line, which must be its end.
fn read_lines(path: &Path) -> ControlLog {
    let mut log = read(path);
    assert!(matches!(log.entries.pop(), Some((_, Entry::End))), "{} has no end", path.display());
    log
}

fn recorded(path: PathBuf, frames: std::ops::Range<u64>) -> Recorded {
    Recorded { path: path.into(), frames, gaps: Vec::new() }
}

fn wait_until(what: &str, mut reached: impl FnMut() -> bool) {
    let started = Instant::now();
    while !reached() {
        assert!(started.elapsed() < Duration::from_secs(20), "timed out waiting for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_take_log_contains_the_lines_so_far_and_the_gaps() {
    let folder = tempfile::tempdir().unwrap();
    let session = folder.path().join("session.log");
    let mut log = open(&session, &config(), &Troubles::default());
    log.write(4, Entry::Splice { planned: 512, outcome: None });
    let take = Recorded { gaps: vec![3..5], ..recorded(folder.path().join("take.flac"), 2..9) };
    log.copy_beside(take);
    log.write(20, Entry::End);
    drop(log);
    let (session, take) = (read(&session), read(&folder.path().join("take.log")));
    assert_eq!((session.frames(), session.entries.len(), session.header.gaps.len()), (0..20, 2, 0));
    assert_eq!((take.frames(), take.header.gaps.as_slice()), (2..9, &[3..5][..]));
    assert_eq!(take.entries, [session.entries[0].clone(), (9, Entry::End)]);
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
    assert!(folder.path().join("session-mine.log").exists(), "other files should be kept");
}

#[test]
fn logging_can_be_turned_off() {
    let folder = tempfile::tempdir().unwrap();
    let session = folder.path().join("session.log");
    let mut log = open(&session, &ControlLogConfig { write: false, ..config() }, &Troubles::default());
    log.write(1, Entry::End);
    drop(log);
    assert!(!session.exists());
}

#[test]
fn no_lines_are_lost_while_writing_fails() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    std::fs::write(&state, "a file where the folder should be").unwrap();
    let troubles = Troubles::default();
    let mut log = open(&state.join("session.log"), &config(), &troubles);
    log.write(1, Entry::Splice { planned: 512, outcome: None });
    wait_until("the trouble", || troubles.now().0.contains_key(&Part::ControlLog));
    log.write(2, Entry::End);
    std::fs::remove_file(&state).unwrap();
    wait_until("the log", || troubles.now().0.is_empty());
    drop(log);
    assert_eq!(read(&state.join("session.log")).entries.len(), 2);
}

#[test]
fn shutdown_does_not_wait_for_an_unwritable_file() {
    for path in ["/proc/nothing/session.log", "/dev/null"] {
        let started = Instant::now();
        let troubles = Troubles::default();
        let mut log = open(Path::new(path), &config(), &troubles);
        log.write(1, Entry::End);
        drop(log);
        assert!(started.elapsed() < Duration::from_secs(10), "{path}");
        assert!(troubles.now().0[&Part::ControlLog].contains(path));
    }
    assert!(!Path::new("/dev/null").is_file(), "a device should not be replaced by a file");
}

#[test]
fn a_log_ends_when_full_and_the_loss_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let session = folder.path().join("session.log");
    let troubles = Troubles::default();
    let mut log = open(&session, &ControlLogConfig { max_mb: 1, ..config() }, &troubles);
    for frame in 0..100_000 {
        log.write(frame, Entry::Splice { planned: 512, outcome: None });
        if frame % 10_000 == 0 {
            thread::sleep(Duration::from_millis(50));
        }
    }
    wait_until("the end of the log", || troubles.now().0.contains_key(&Part::ControlLog));
    assert!(session.metadata().unwrap().len() < 4 * MEGABYTE);
    log.copy_beside(recorded(folder.path().join("take.wav"), 0..1000));
    wait_until("the missing log", || missing_logs(&log) == 1);
    assert!(!folder.path().join("take.log").exists());
}

/// Returns the number of takes that have no log.
fn missing_logs(log: &LogFile) -> u64 {
    log.shared.losses.count(Loss::TakeLogs)
}

fn control_log_trouble(troubles: &Troubles) -> String {
    troubles.now().0.get(&Part::ControlLog).cloned().unwrap_or_default()
}

const LATE: Entry = Entry::Splice { planned: 512, outcome: None };

/// Lets another program interfere with a log whose contents can still be read, and checks that nothing is lost.
fn check_restoration(interfere: fn(&Path)) {
    let folder = tempfile::tempdir().unwrap();
    let (session, troubles) = (folder.path().join("state/session.log"), Troubles::default());
    let mut log = open(&session, &config(), &troubles);
    log.write(1, LATE);
    let contents = || fs::read_to_string(&session).unwrap_or_default();
    wait_until("the line", || contents().contains("1 splice"));
    let before = contents();
    interfere(&session);
    wait_until("the report", || control_log_trouble(&troubles).contains("has moved, deleted or changed"));
    assert_eq!(contents(), before);
    log.write(2, LATE);
    wait_until("the end of the trouble", || troubles.now().0.is_empty());
    log.copy_beside(recorded(folder.path().join("take.wav"), 0..9));
    drop(log);
    assert_eq!(read(&session).entries, [(1, LATE), (2, LATE)]);
    assert_eq!(read_lines(&folder.path().join("take.log")).entries, [(1, LATE), (2, LATE)]);
}

#[test]
fn a_log_that_another_program_moves_deletes_or_extends_is_written_again_in_full() {
    let interferences: [fn(&Path); 6] = [
        |log| fs::remove_file(log).unwrap(),
        |log| fs::remove_dir_all(log.parent().unwrap()).unwrap(),
        |log| fs::rename(log, log.with_extension("1")).unwrap(),
        |log| {
            fs::rename(log, log.with_extension("1")).unwrap();
            File::create(log).unwrap();
        },
        |log| {
            fs::rename(log, log.with_extension("1")).unwrap();
            fs::write(log, "Calm is the sea").unwrap();
        },
        |log| File::options().append(true).open(log).unwrap().write_all(b"1 ").unwrap(),
    ];
    let checks = interferences.map(|interfere| thread::spawn(move || check_restoration(interfere)));
    checks.into_iter().for_each(|check| check.join().unwrap());
}

#[test]
fn a_truncated_log_continues_at_a_checkpoint() {
    for length in [0, 15, 60] {
        let folder = tempfile::tempdir().unwrap();
        let (session, troubles) = (folder.path().join("session.log"), Troubles::default());
        let mut log = open(&session, &config(), &troubles);
        log.write(1, LATE);
        wait_until("the line", || fs::read_to_string(&session).is_ok_and(|text| text.contains("1 splice")));
        assert!(!log.needs_checkpoint());
        File::options().write(true).open(&session).unwrap().set_len(length).unwrap();
        wait_until("the loss", || log.needs_checkpoint());
        assert!(!log.needs_checkpoint(), "one checkpoint is enough");
        assert!(control_log_trouble(&troubles).contains("continues at the next checkpoint"));
        let take = |name: &str, start| recorded(folder.path().join(name), start..start + 500);
        log.copy_beside(take("lost.wav", 0));
        log.write(2, LATE);
        take_checkpoint(&mut log, 6400);
        wait_until("the end of the trouble", || troubles.now().0.is_empty());
        log.copy_beside(take("before.wav", 6399));
        log.copy_beside(take("after.wav", 6400));
        wait_until("the missing logs", || missing_logs(&log) == 2);
        drop(log);

        let lines = [(6401, Entry::Splice { planned: 6400, outcome: None })];
        let (session_log, after) = (read(&session), read_lines(&folder.path().join("after.log")));
        assert_eq!((session_log.header.start_frame, session_log.entries.as_slice()), (Some(6400), &lines[..]));
        assert_eq!((after.header.start_frame, after.entries.as_slice()), (Some(6400), &lines[..]));
        assert!(folder.path().join("after.checkpoint").exists());
        let logs = |prefix: &'static str| {
            Usage::of(folder.path(), |name| name.starts_with(prefix) && name.ends_with(".log")).len()
        };
        assert_eq!((logs("lost"), logs("before")), (0, 0));
        assert_eq!(logs("session-20"), usize::from(length > 0), "what is left should be set aside");
    }
}

#[test]
fn a_truncated_log_ends_without_checkpoints() {
    let folder = tempfile::tempdir().unwrap();
    let (session, troubles) = (folder.path().join("session.log"), Troubles::default());
    let mut log = open(&session, &ControlLogConfig { checkpoints_mb: 0, ..config() }, &troubles);
    wait_until("the header", || session.metadata().is_ok_and(|metadata| metadata.len() > 0));
    File::create(&session).unwrap();
    log.copy_beside(recorded(folder.path().join("take.wav"), 0..9));
    wait_until("the missing log", || missing_logs(&log) == 1);
    assert!(control_log_trouble(&troubles).contains("has ended"));
    log.copy_beside(recorded(folder.path().join("take.wav"), 0..9));
    wait_until("the next missing log", || missing_logs(&log) == 2);
}

#[test]
fn a_failed_copy_is_counted_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut log =
        open(&folder.path().join("session.log"), &ControlLogConfig { max_mb: 1, ..config() }, &Troubles::default());
    log.copy_beside(recorded(folder.path().join("missing/take.wav"), 0..9));
    wait_until("the failure", || missing_logs(&log) == 1);
    // A take needs an earlier file, which another program truncates.
    fill(&mut log, 10);
    take_checkpoint(&mut log, 6400);
    let earlier = || Usage::of(folder.path(), |name| name.starts_with("session-20") && name.ends_with(".log"));
    wait_until("the next log file", || !earlier().is_empty());
    File::options().write(true).open(&earlier()[0].path).unwrap().set_len(1000).unwrap();
    log.copy_beside(recorded(folder.path().join("take.wav"), 5..500_000));
    wait_until("the next failure", || missing_logs(&log) == 2);
    drop(log);
    assert!(!folder.path().join("take.log").exists());
}

#[test]
fn a_user_s_file_is_not_replaced_by_a_log() {
    let folder = tempfile::tempdir().unwrap();
    let (lyrics, troubles) = (folder.path().join("lyrics.txt"), Troubles::default());
    fs::write(&lyrics, "Calm is the sea").unwrap();
    let mut log = open(&lyrics, &config(), &troubles);
    log.write(1, LATE);
    wait_until("the trouble", || {
        control_log_trouble(&troubles).contains("lyrics.txt: it exists and is not a control log")
    });
    assert_eq!(fs::read_to_string(&lyrics).unwrap(), "Calm is the sea");
    fs::rename(&lyrics, folder.path().join("moved.txt")).unwrap();
    wait_until("the end of the trouble", || troubles.now().0.is_empty());
    drop(log);
    assert_eq!(read(&lyrics).entries, [(1, LATE)], "no line should be missing");
}

#[test]
fn long_logs_are_not_copied_beside_short_takes() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = open(&folder.path().join("session.log"), &config(), &Troubles::default());
    for frame in 0..400_000 {
        log.write(frame, Entry::Splice { planned: 512, outcome: None });
        if frame % 20_000 == 0 {
            thread::sleep(Duration::from_millis(50));
        }
    }
    log.copy_beside(recorded(folder.path().join("short.wav"), 0..1000));
    log.copy_beside(recorded(folder.path().join("long.wav"), 0..10_000_000));
    drop(log);
    assert!(!folder.path().join("short.log").exists() && folder.path().join("long.log").exists());
}

/// Returns a checkpoint whose generator and engine states are placeholders.
pub(super) fn checkpoint(frame: u64) -> Checkpoint {
    let mut conductor = Conductor::new(1, &[]);
    conductor.advance(frame, &mut Score::default());
    let mut checkpoint = Checkpoint::default().restart(&conductor, &EngineSync::default());
    checkpoint.add_generator(vec![1; 1000], 0);
    checkpoint.add_engine([&[2; 600], &[3; 400]]);
    checkpoint
}

/// Writes more than a megabyte of lines.
fn fill(log: &mut LogFile, frame: u64) {
    for number in 0..30_000 {
        log.write(frame, Entry::Resume { splices: number, missing: 1_000_000_000, at: 1_000_000_000 });
    }
}

/// Takes a checkpoint as the daemon does: another line is written before the checkpoint is complete.
fn take_checkpoint(log: &mut LogFile, frame: u64) {
    log.write(frame, Entry::Checkpoint);
    log.write(frame + 1, Entry::Splice { planned: frame, outcome: None });
    log.store(checkpoint(frame));
}

#[test]
fn buffers_of_stored_checkpoints_are_reused() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = open(&folder.path().join("session.log"), &config(), &Troubles::default());
    assert_eq!(log.unused_checkpoint(), Checkpoint::default());
    log.store(checkpoint(64));
    let mut unused = Checkpoint::default();
    wait_until("the checkpoint", || {
        unused = log.unused_checkpoint();
        unused.frame == 64
    });
    let mut conductor = Conductor::new(1, &[]);
    conductor.advance(128, &mut Score::default());
    let mut started = unused.restart(&conductor, &EngineSync::default());
    assert!(started.frame == 128 && !started.is_complete());
    let buffer = started.take_buffer();
    assert!(buffer.is_empty() && buffer.capacity() >= 1000);
}

#[test]
fn storing_a_checkpoint_is_retried_until_it_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let (session, troubles) = (folder.path().join("session.log"), Troubles::default());
    let mut log = open(&session, &config(), &troubles);
    std::fs::write(checkpoint_folder(&session), "in the way").unwrap();
    take_checkpoint(&mut log, 6400);
    wait_until("the trouble", || troubles.now().0.contains_key(&Part::Checkpoints));
    log.keep_free(1 << 60);
    std::fs::remove_file(checkpoint_folder(&session)).unwrap();
    let reason = |troubles: &Troubles| troubles.now().0.get(&Part::Checkpoints).cloned().unwrap_or_default();
    wait_until("the next attempt", || reason(&troubles).contains("recordings.keep_free_gb"));
    log.keep_free(0);
    wait_until("the checkpoint", || troubles.now().0.is_empty());
    assert_eq!(checkpoint_files(&checkpoint_folder(&session))[0].frame, 6400);
}

#[test]
fn a_log_that_becomes_too_large_continues_in_a_new_file_from_a_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let session = folder.path().join("session.log");
    let mut log = open(&session, &ControlLogConfig { max_mb: 1, ..config() }, &Troubles::default());
    let take_from = |name: &str, start| recorded(folder.path().join(name), start..start + 500_000);
    for frame in [6400, 12_800, 19_200, 25_600] {
        take_checkpoint(&mut log, frame - 64);
        fill(&mut log, frame - 32);
        take_checkpoint(&mut log, frame);
        log.write(frame + 2, Entry::Splice { planned: frame, outcome: None });
        let header_line = format!("begins {frame}\n");
        wait_until("the next log file", || {
            std::fs::read_to_string(&session).is_ok_and(|text| text.contains(&header_line))
        });
    }
    log.copy_beside(take_from("now.wav", 25_601));
    log.copy_beside(take_from("before.wav", 25_590));
    log.copy_beside(take_from("long-ago.wav", 19_190));
    log.copy_beside(take_from("too-long-ago.wav", 12_790));
    drop(log);

    let now = read(&session);
    assert_eq!((now.header.start_frame, now.frames(), now.entries.len()), (Some(25_600), 25_600..25_602, 2));
    let frames =
        |log: &Path| checkpoint_files(&checkpoint_folder(log)).iter().map(|file| file.frame).collect::<Vec<_>>();
    assert_eq!(frames(&session), [25_600]);
    let earlier = Usage::of(folder.path(), |name| name.starts_with("session-") && name.ends_with(".log"));
    assert_eq!(earlier.len(), 2, "{earlier:?}");
    for (log, start) in earlier.iter().zip([12_800, 19_200]) {
        let part = read_lines(&log.path);
        assert_eq!((part.header.start_frame, part.frames()), (Some(start), start..start + 6401), "{log:?}");
        assert_eq!(part.entries.len(), 2 + 2 + 30_000 + 2);
        assert_eq!(frames(&log.path), [start, start + 6400 - 64]);
    }
    // The log of a take that started before the current file consists of parts of two files.
    let take = |name: &str| read_lines(&folder.path().join(name));
    assert_eq!(take("now.log").entries, now.entries);
    let both = take("before.log");
    let last = read_lines(&earlier[1].path);
    assert_eq!(both.header.start_frame, Some(19_200));
    assert_eq!(both.entries[..last.entries.len() - 1], last.entries[..last.entries.len() - 1]);
    assert_eq!(both.entries[last.entries.len() - 1..], now.entries);
    let read_file = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert_eq!(read_file("before.checkpoint"), checkpoint_bytes(&earlier[1].path, 25_536));
    assert_eq!(read_file("now.checkpoint"), checkpoint_bytes(&session, 25_600));
    // The log of a take that started two files ago consists of parts of all three files.
    let all = take("long-ago.log");
    let first = read_lines(&earlier[0].path);
    assert_eq!(all.header.start_frame, Some(12_800));
    let (rest, cut) = (both.entries.as_slice(), first.entries.len() - 1);
    assert_eq!((&all.entries[..cut], &all.entries[cut..]), (&first.entries[..cut], rest));
    assert_eq!(read_file("long-ago.checkpoint"), checkpoint_bytes(&earlier[0].path, 19_136));
    assert!(
        !folder.path().join("too-long-ago.log").exists(),
        "a log whose beginning has been deleted should not be copied"
    );
}

fn checkpoint_bytes(log: &Path, frame: u64) -> Vec<u8> {
    std::fs::read(checkpoint_path(&checkpoint_folder(log), frame)).unwrap()
}
