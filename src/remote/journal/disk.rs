//! The journal on disk: log lines in a current and a previous file, within a size limit.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::Line;
use crate::event::health::{Loss, Losses};
use crate::event::{Part, Troubles};
use crate::files::is_at;
use crate::threads;
use crate::units::MEGABYTE;

/// Names of the file being written and of the previous one.
const FILES: [&str; 2] = ["events.log", "events.log.1"];
/// Capacity of the queue of lines to be written.
const QUEUE_CAPACITY: usize = 1024;
/// Maximum time for which [`flush`] waits.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(500);
/// Interval between attempts to save lines after a failure.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);
/// Maximum length in bytes of a line in a file, far more than a saved line has.
const MAX_LINE_BYTES: u64 = 65_536;
/// Maximum number of lines that [`read`] returns, and that `GET /log?since=` sends; older ones are omitted.
pub const MAX_LINES: usize = 20_000;

/// The journal of this process, once it is being saved.
static DISK: OnceLock<Disk> = OnceLock::new();

#[derive(Debug)]
struct Disk {
    folder: PathBuf,
    entries: SyncSender<Entry>,
    losses: Arc<Losses>,
}

/// An entry in the queue to the writer.
#[derive(Debug)]
enum Entry {
    Line(Line),
    /// Wakes the thread that called [`flush`] by being dropped once everything queued before it has been written.
    Flush(#[expect(dead_code, reason = "only dropped")] SyncSender<()>),
}

/// Starts saving log lines in a folder, up to about `megabytes` MB, until the process ends; 0 disables saving.
///
/// # Errors
/// When the thread cannot be started.
pub(crate) fn start_saving(folder: &Path, megabytes: u64, troubles: Troubles, losses: Arc<Losses>) -> io::Result<()> {
    if megabytes == 0 {
        return Ok(());
    }
    let (entries, queue) = sync_channel(QUEUE_CAPACITY);
    let mut writer = Writer::new(folder, megabytes * MEGABYTE / 2, troubles, Arc::clone(&losses));
    if DISK.set(Disk { folder: folder.to_owned(), entries, losses }).is_ok() {
        threads::spawn_restarting("melos-events", move || writer.serve(&queue))?;
    }
    Ok(())
}

/// Queues a line to be saved. Never blocks; drops and counts the line if the queue is full.
pub(super) fn push(line: &Line) {
    if let Some(disk) = DISK.get()
        && disk.entries.try_send(Entry::Line(line.clone())).is_err()
    {
        disk.losses.add(Loss::LogLines, 1);
    }
}

/// Waits until the queued lines have been written, but only for a limited time, because the disk may hang.
pub(super) fn flush() {
    let (written, waiting) = sync_channel(0);
    if let Some(disk) = DISK.get()
        && disk.entries.try_send(Entry::Flush(written)).is_ok()
    {
        let _ = waiting.recv_timeout(FLUSH_TIMEOUT);
    }
}

/// Returns the lines saved since a Unix time in seconds, oldest first; `None` if saving is disabled.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn lines_since(time: u64) -> Option<io::Result<Vec<Line>>> {
    DISK.get().map(|disk| read(&disk.folder, time))
}

/// Reads the lines saved in a folder since a Unix time in seconds, oldest first, without those that are damaged. The daemon need
/// not be running.
///
/// # Errors
/// When a file cannot be read, in which case the message names it; a missing file, or something else in its place, is not an
/// error.
pub fn read(folder: &Path, since: u64) -> io::Result<Vec<Line>> {
    let mut lines = VecDeque::new();
    for name in FILES.iter().rev() {
        let path = folder.join(name);
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let file = match crate::files::open(&path) {
            Ok(file) => file,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput) => continue,
            Err(error) => return Err(named(error)),
        };
        let (mut file, mut bytes) = (BufReader::new(file), Vec::new());
        while file.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut bytes).map_err(named)? > 0 {
            let line = serde_json::from_str::<Line>(&String::from_utf8_lossy(&bytes));
            bytes.clear();
            // Ignore a line that a full disk or a power cut truncated.
            let Ok(line) = line else { continue };
            if line.at >= since {
                if lines.len() == MAX_LINES {
                    lines.pop_front();
                }
                lines.push_back(line);
            }
        }
    }
    Ok(lines.into())
}

struct Writer {
    folder: PathBuf,
    /// Maximum size of a file in bytes.
    max_file_bytes: u64,
    file: Option<File>,
    /// When to save lines again after a failure; until then, they are lost.
    retry_at: Option<Instant>,
    troubles: Troubles,
    /// Counts the lines lost.
    losses: Arc<Losses>,
}

impl Writer {
    fn new(folder: &Path, max_file_bytes: u64, troubles: Troubles, losses: Arc<Losses>) -> Self {
        Self { folder: folder.to_owned(), max_file_bytes, file: None, retry_at: None, troubles, losses }
    }

    fn serve(&mut self, entries: &Receiver<Entry>) {
        for entry in entries {
            if let Entry::Line(line) = entry {
                self.save(&line, Instant::now());
            }
        }
    }

    /// Saves a line at the time `now`, unless saving has just failed.
    fn save(&mut self, line: &Line, now: Instant) {
        if self.retry_at.is_some_and(|retry_at| now < retry_at) {
            return self.losses.add(Loss::LogLines, 1);
        }
        match self.write(line) {
            Ok(()) => {
                self.retry_at = None;
                self.troubles.clear(Part::Log);
            }
            Err(error) => {
                (self.file, self.retry_at) = (None, Some(now + RETRY_INTERVAL));
                self.losses.add(Loss::LogLines, 1);
                self.troubles.set(Part::Log, format!("cannot save the log in {}: {error}", self.folder.display()));
            }
        }
    }

    fn write(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        let path = self.folder.join(FILES[0]);
        let mut file = match self.file.take() {
            // A file that was deleted or moved is created again.
            Some(file) if is_at(&file, &path)? => file,
            _ => open(&path)?,
        };
        if file.metadata()?.len() + text.len() as u64 > self.max_file_bytes {
            fs::rename(&path, self.folder.join(FILES[1]))?;
            file = open(&path)?;
        }
        // A single write, so that a full disk leaves at most one partial line.
        file.write_all(&text)?;
        self.file = Some(file);
        Ok(())
    }
}

/// Opens a file for appending. Ends the last line if a full disk or a power cut truncated it.
fn open(path: &Path) -> io::Result<File> {
    if let Some(obstacle) = path.parent().and_then(crate::files::obstacle) {
        return Err(io::Error::new(ErrorKind::NotADirectory, obstacle));
    }
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other(format!("{} is not a regular file", path.display())));
    }
    let length = metadata.len();
    let mut last = [b'\n'];
    if length > 0 {
        file.read_exact_at(&mut last, length - 1)?;
    }
    if last != [b'\n'] {
        file.write_all(b"\n")?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(at: u64) -> Line {
        Line { at, level: "info".to_owned(), text: format!("line {at}") }
    }

    fn writer(folder: &Path) -> Writer {
        Writer::new(folder, 5000, Troubles::default(), Arc::default())
    }

    #[test]
    fn damage_to_a_line_affects_no_other_line() {
        let folder = tempfile::tempdir().unwrap();
        let json = |at: u64| serde_json::to_vec(&line(at)).unwrap();
        let spoiled = json(3).into_iter().map(|byte| if byte == b'3' { b'\xff' } else { byte }).collect();
        let in_text = b"{\"at\":4,\"level\":\"info\",\"text\":\"M\xe4rz\"}".to_vec();
        let endless = vec![0; 3 * MAX_LINE_BYTES as usize];
        let lines = [json(1), vec![0xff], json(2), spoiled, in_text, endless, json(5)];
        fs::write(folder.path().join(FILES[1]), lines.join(&b'\n')).unwrap();
        writer(folder.path()).write(&line(6)).unwrap();
        let read = read(folder.path(), 0).unwrap();
        assert_eq!(read.iter().map(|line| line.at).collect::<Vec<_>>(), [1, 2, 4, 5, 6]);
        assert_eq!(read[2].text, "M\u{fffd}rz");
    }

    #[test]
    fn nothing_is_saved_beyond_the_limit_while_rotation_fails() {
        let folder = tempfile::tempdir().unwrap();
        let blocked = folder.path().join(FILES[1]);
        fs::create_dir(&blocked).unwrap();
        fs::write(blocked.join("mine"), "").unwrap();
        let (losses, mut writer, start) = (Arc::<Losses>::default(), writer(folder.path()), Instant::now());
        writer.losses = Arc::clone(&losses);
        (0..1000).for_each(|at| writer.save(&line(at), start));
        let saved = read(folder.path(), 0).unwrap().len() as u64;
        assert!(saved > 50 && fs::metadata(folder.path().join(FILES[0])).unwrap().len() <= 5000, "{saved}");
        assert_eq!(losses.count(Loss::LogLines), 1000 - saved);
        assert!(writer.troubles.now().0[&Part::Log].contains("cannot save the log"));
        fs::remove_dir_all(&blocked).unwrap();
        writer.save(&line(1000), start + RETRY_INTERVAL / 2);
        assert_eq!(losses.count(Loss::LogLines), 1001 - saved, "too early for another attempt");
        writer.save(&line(1001), start + RETRY_INTERVAL);
        assert!(writer.troubles.now().0.is_empty());
        assert_eq!(read(folder.path(), 0).unwrap().len() as u64, saved + 1);
    }

    #[test]
    fn a_truncated_line_does_not_damage_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let start = || writer(folder.path());
        start().write(&line(1)).unwrap();
        let path = folder.path().join(FILES[0]);
        fs::write(&path, [fs::read(&path).unwrap(), b"{\"at\":2,".to_vec()].concat()).unwrap();
        start().write(&line(3)).unwrap();
        let times = || read(folder.path(), 0).unwrap().iter().map(|line| line.at).collect::<Vec<_>>();
        assert_eq!(times(), [1, 3]);
        let mut writer = start();
        writer.write(&line(4)).unwrap();
        fs::remove_file(&path).unwrap();
        writer.write(&line(5)).unwrap();
        assert_eq!(times(), [5], "a deleted file is created again");
        fs::rename(&path, folder.path().join("moved")).unwrap();
        writer.write(&line(6)).unwrap();
        assert_eq!(times(), [6], "a moved file is created again");
        fs::remove_file(&path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert!(writer.write(&line(7)).unwrap_err().to_string().contains("not a regular file"));
    }

    #[test]
    fn rotated_files_stay_within_the_size_limit_and_are_read_as_one() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = writer(folder.path());
        (0..1000).for_each(|at| writer.write(&line(at)).unwrap());
        let size = |name: &str| fs::metadata(folder.path().join(name)).map_or(0, |metadata| metadata.len());
        assert!(
            size(FILES[0]) <= 5000 && (4900..=5000).contains(&size(FILES[1])),
            "{} {}",
            size(FILES[0]),
            size(FILES[1])
        );
        let all = read(folder.path(), 0).unwrap();
        assert!(all.len() > 100 && all.last() == Some(&line(999)), "{}", all.len());
        assert!(all.windows(2).all(|pair| pair[1].at == pair[0].at + 1), "no line should be missing");
        assert_eq!(read(folder.path(), 990).unwrap().len(), 10);
        // A new writer continues the file, and a partial line is ignored.
        OpenOptions::new()
            .append(true)
            .open(folder.path().join(FILES[0]))
            .unwrap()
            .write_all(b"{\"at\":1000,\"le\n")
            .unwrap();
        let mut restarted = Writer { file: None, ..writer };
        restarted.write(&line(1001)).unwrap();
        assert_eq!(read(folder.path(), 999).unwrap(), [line(999), line(1001)]);
        assert_eq!(read(&folder.path().join("nothing"), 0).unwrap(), []);
    }
}
