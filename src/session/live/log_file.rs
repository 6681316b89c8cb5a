//! The control log of a running performance, written by a thread of its own: a disk that hangs holds nothing up.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::event::{Part, Troubles};
use crate::files::config::ControlLogConfig;
use crate::files::{Usage, beside, stamp_of, sync_folder};
use crate::output::record::Recorded;
use crate::session::log::{Entry, Header, LogText, copy_for_take};

/// Lines that may wait for the disk.
const WAITING: usize = 65_536;
/// Lines written together.
const TOGETHER: usize = 4096;
/// Bytes of a megabyte.
const MEGABYTE: u64 = 1 << 20;
/// How often what was written is brought to the disk.
const SYNC: Duration = Duration::from_secs(10);
/// How often a disk that took nothing is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// Longest that the end waits for a disk that hangs.
const LAST: Duration = Duration::from_secs(5);
/// Largest log that is copied beside a recording, however short that is; a larger one only beside a recording of its own
/// size, so that short takes do not fill the disk with logs.
const COPIED: u64 = 4 * MEGABYTE;
/// Bytes of a frame of a recording that is not compressed.
const BYTES_PER_FRAME: u64 = 6;

/// A control log on disk. When the disk takes nothing it is tried again while the lines wait; when too many wait the log
/// ends there, which is said, and the music goes on.
#[derive(Debug)]
pub(super) struct LogFile {
    /// `None` once the log is not complete any more, or when none is wanted.
    requests: Option<SyncSender<Request>>,
    thread: Option<thread::JoinHandle<()>>,
    /// Whether nothing more comes: at the end, or because lines were lost.
    ended: Arc<AtomicBool>,
    troubles: Troubles,
}

#[derive(Debug)]
enum Request {
    Write(u64, Entry),
    Keep(Recorded),
}

impl LogFile {
    /// Begins a log; the one of the session before is kept under its date.
    ///
    /// # Errors
    /// When the thread cannot be made.
    pub(super) fn open(path: &Path, header: Header, config: &ControlLogConfig, troubles: Troubles) -> io::Result<Self> {
        let ended = Arc::new(AtomicBool::new(false));
        if !config.write {
            return Ok(Self { requests: None, thread: None, ended, troubles });
        }
        let (sender, requests) = sync_channel(WAITING);
        let log = Log {
            path: path.to_owned(),
            keep: config.keep,
            longest: config.max_mb * MEGABYTE,
            file: None,
            written: 0,
            synced: Instant::now(),
            ended: Arc::clone(&ended),
            troubles: troubles.clone(),
        };
        let thread =
            thread::Builder::new().name("melos-log".to_owned()).spawn(move || log.serve(&header, &requests))?;
        Ok(Self { requests: Some(sender), thread: Some(thread), ended, troubles })
    }

    /// Adds a line.
    pub(super) fn write(&mut self, frame: u64, entry: Entry) {
        self.request(Request::Write(frame, entry));
    }

    /// Puts a copy of the log so far beside a recording.
    pub(super) fn keep(&mut self, recorded: Recorded) {
        self.request(Request::Keep(recorded));
    }

    fn request(&mut self, request: Request) {
        let Some(requests) = &self.requests else { return };
        if let Err(error) = requests.try_send(request) {
            if matches!(error, TrySendError::Full(_)) {
                self.ended.store(true, Relaxed);
                self.troubles.set(Part::ControlLog, "the disk does not keep up; the control log of this session ends");
            }
            self.requests = None;
        }
    }
}

impl Drop for LogFile {
    fn drop(&mut self) {
        self.requests = None;
        self.ended.store(true, Relaxed);
        let Some(thread) = self.thread.take() else { return };
        thread.thread().unpark();
        let begun = Instant::now();
        while !thread.is_finished() {
            if begun.elapsed() > LAST {
                return tracing::error!("the disk does not answer; the end of the control log may be missing");
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// What the thread owns.
struct Log {
    path: PathBuf,
    /// Logs of earlier sessions that are kept.
    keep: usize,
    /// Bytes after which it ends.
    longest: u64,
    file: Option<File>,
    /// Bytes of whole lines that the system has taken.
    written: u64,
    synced: Instant,
    ended: Arc<AtomicBool>,
    troubles: Troubles,
}

impl Log {
    fn serve(mut self, header: &Header, requests: &Receiver<Request>) {
        let mut lines = LogText::new(header);
        if !self.write_patiently(lines.take().as_bytes()) {
            return;
        }
        loop {
            // What has gathered meanwhile is written together.
            let first = match requests.recv_timeout(SYNC) {
                Ok(request) => Some(request),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            for request in first.into_iter().chain(requests.try_iter().take(TOGETHER)) {
                match request {
                    Request::Write(frame, entry) => lines.add(frame, &entry),
                    // The log so far, and no more.
                    Request::Keep(recorded) => {
                        if !self.write_patiently(lines.take().as_bytes()) {
                            return;
                        }
                        self.keep_beside(&recorded);
                    }
                }
            }
            if !self.write_patiently(lines.take().as_bytes()) {
                return;
            }
            if self.written > self.longest {
                let reason = format!(
                    "{} has reached control_log.max_mb and ends; recordings go on without",
                    self.path.display()
                );
                return self.troubles.set(Part::ControlLog, reason);
            }
        }
        if let Some(file) = &self.file {
            let _ = file.sync_data();
        }
    }

    /// Writes lines, however long the disk takes; `false` when the log is lost.
    fn write_patiently(&mut self, lines: &[u8]) -> bool {
        let mut refused = 0;
        loop {
            match self.append(lines) {
                Ok(()) => {
                    if !self.ended.load(Relaxed) {
                        self.troubles.clear(Part::ControlLog);
                    }
                    return true;
                }
                Err(Failure::Lost) => {
                    let reason = format!("{} was deleted; the control log of this session ends", self.path.display());
                    self.troubles.set(Part::ControlLog, reason);
                    return false;
                }
                Err(Failure::Disk(error)) => {
                    let reason = format!("{}: {error}; trying again", self.path.display());
                    self.troubles.set(Part::ControlLog, reason);
                    refused += 1;
                }
            }
            // At the end there is one more chance.
            if refused > 1 && self.ended.load(Relaxed) {
                return false;
            }
            thread::park_timeout(RETRY);
        }
    }

    /// Writes lines whole, or not at all.
    fn append(&mut self, lines: &[u8]) -> Result<(), Failure> {
        if self.file.is_none() {
            self.file = Some(self.create()?);
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        if file.metadata()?.nlink() == 0 {
            return Err(Failure::Lost);
        }
        if let Err(error) = file.seek(SeekFrom::Start(self.written)).and_then(|_| file.write_all(lines)) {
            let _ = file.set_len(self.written);
            return Err(error.into());
        }
        self.written += lines.len() as u64;
        if self.synced.elapsed() >= SYNC {
            self.synced = Instant::now();
            // What the system has is safe from a crash of ours; a disk that fails is told by the next lines.
            let _ = file.sync_data();
        }
        Ok(())
    }

    /// Makes the file; the one of the session before gets its date into its name.
    fn create(&self) -> io::Result<File> {
        let path = &self.path;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        match fs::metadata(path) {
            Ok(before) if !before.is_file() => return Err(io::Error::other("expected a regular file")),
            Ok(before) if before.len() == 0 => fs::remove_file(path)?,
            Ok(before) => {
                let ended = before.modified().unwrap_or_else(|_| SystemTime::now());
                fs::rename(path, beside(&dated(path, &stamp_of(ended, "%Y-%m-%dT%H-%M-%S"))))?;
                self.forget_the_oldest();
            }
            Err(_) => {}
        }
        let file = File::create_new(path)?;
        sync_folder(path)?;
        Ok(file)
    }

    /// Deletes logs of earlier sessions beyond those that are kept.
    fn forget_the_oldest(&self) {
        let pattern = dated(&self.path, "0000-00-00T00-00-00");
        let pattern = pattern.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let fits = |name: &str| {
            name.len() >= pattern.len()
                && name.ends_with(".log")
                && name
                    .bytes()
                    .zip(pattern.bytes())
                    .all(|(byte, wanted)| byte == wanted || wanted == b'0' && byte.is_ascii_digit())
        };
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let logs = Usage::of(folder, fits);
        for log in logs.iter().take(logs.len().saturating_sub(self.keep)) {
            if let Err(error) = fs::remove_file(&log.path) {
                tracing::warn!(path = %log.path.display(), %error, "an old control log cannot be deleted");
            }
        }
    }

    fn keep_beside(&self, recorded: &Recorded) {
        let sound = BYTES_PER_FRAME * (recorded.frames.end - recorded.frames.start);
        if self.written > COPIED && self.written > sound {
            let megabytes = self.written / MEGABYTE;
            let log = self.path.display();
            return tracing::warn!(%log, megabytes, "the control log is larger than this short take, and not copied beside it");
        }
        let copy = beside(&recorded.path.with_extension("log"));
        let keep = || {
            let log = File::open(&self.path)?.take(self.written);
            let mut to = BufWriter::new(File::create_new(&copy)?);
            copy_for_take(BufReader::new(log), &mut to, &recorded.frames, &recorded.gaps)?;
            to.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
            sync_folder(&copy)
        };
        match keep() {
            Ok(()) => tracing::info!(path = %copy.display(), "control log of the recording"),
            Err(error) => {
                tracing::error!(path = %copy.display(), %error, "the control log of the recording cannot be kept")
            }
        }
    }
}

/// Why lines were not written.
enum Failure {
    /// The disk did not take them.
    Disk(io::Error),
    /// What was written before is gone, so the rest is of no use.
    Lost,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

/// `session.log` becomes `session-2026-11-28T16-55-01.log`.
fn dated(path: &Path, date: &str) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{stem}-{date}.log"))
}

#[cfg(test)]
mod tests {
    use super::*;
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
            assert!(begun.elapsed() < Duration::from_secs(20), "waited in vain: {what}");
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
    fn the_logs_of_sessions_before_are_kept_and_bounded_in_number() {
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
        assert!(folder.path().join("session-mine.log").exists(), "what is not ours stays");
    }

    #[test]
    fn one_may_go_without() {
        let folder = tempfile::tempdir().unwrap();
        let session = folder.path().join("session.log");
        let mut log = open(&session, &ControlLogConfig { write: false, ..config() }, &Troubles::default());
        log.write(1, Entry::End);
        drop(log);
        assert!(!session.exists());
    }

    #[test]
    fn lines_wait_for_a_disk_that_takes_nothing_and_none_is_missing() {
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
    fn the_end_does_not_wait_for_a_disk_that_takes_nothing() {
        for path in ["/proc/nothing/session.log", "/dev/null"] {
            let begun = Instant::now();
            let troubles = Troubles::default();
            let mut log = open(Path::new(path), &config(), &troubles);
            log.write(1, Entry::End);
            drop(log);
            assert!(begun.elapsed() < Duration::from_secs(10), "{path}");
            assert!(troubles.now().0[&Part::ControlLog].contains(path));
        }
        assert!(!Path::new("/dev/null").is_file(), "a device stays what it is");
    }

    #[test]
    fn a_log_that_is_deleted_or_full_ends_and_that_is_said() {
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
}
