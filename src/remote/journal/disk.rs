//! The journal on disk: log lines in a current and a previous file, within a size limit.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::Line;
use crate::event::health::{Loss, Losses};
use crate::event::{Part, Troubles};
use crate::threads;

/// Names of the file being written and of the previous one.
const FILES: [&str; 2] = ["events.log", "events.log.1"];
/// Capacity of the queue of lines to be written.
const QUEUE_CAPACITY: usize = 1024;
/// Maximum time for which [`flush`] waits.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(500);
const MEGABYTE: u64 = 1_000_000;
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
    let writer = Writer { folder: folder.to_owned(), max_file_bytes: megabytes * MEGABYTE / 2, file: None, troubles };
    if DISK.set(Disk { folder: folder.to_owned(), entries, losses }).is_ok() {
        let mut writer = writer;
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
pub(crate) fn lines_since(time: u64) -> Option<io::Result<Vec<Line>>> {
    DISK.get().map(|disk| read(&disk.folder, time))
}

/// Reads the lines saved in a folder since a Unix time in seconds, oldest first. The daemon need not be running.
///
/// # Errors
/// When a file cannot be read; a missing file is not an error.
pub fn read(folder: &Path, since: u64) -> io::Result<Vec<Line>> {
    let mut lines = std::collections::VecDeque::new();
    for name in FILES.iter().rev() {
        let file = match crate::files::open(&folder.join(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for line in BufReader::new(file).lines() {
            // Ignore a line that a full disk or a power cut truncated.
            let Ok(line) = serde_json::from_str::<Line>(&line?) else { continue };
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
    /// Size in bytes at which the current file is rotated.
    max_file_bytes: u64,
    /// The open file and its length in bytes.
    file: Option<(File, u64)>,
    troubles: Troubles,
}

impl Writer {
    fn serve(&mut self, entries: &Receiver<Entry>) {
        for entry in entries {
            let Entry::Line(line) = entry else { continue };
            match self.write(&line) {
                Ok(()) => self.troubles.clear(Part::Log),
                Err(error) => {
                    self.file = None;
                    self.troubles.set(Part::Log, format!("cannot save the log in {}: {error}", self.folder.display()));
                }
            }
        }
    }

    fn write(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        let (mut file, length) = match self.file.take() {
            // A file that was deleted is created again.
            Some(open) if open.0.metadata()?.nlink() > 0 => open,
            _ => open(&self.folder.join(FILES[0]))?,
        };
        // A single write, so that a full disk leaves at most one partial line.
        file.write_all(&text)?;
        let length = length + text.len() as u64;
        if length >= self.max_file_bytes {
            fs::rename(self.folder.join(FILES[0]), self.folder.join(FILES[1]))?;
        } else {
            self.file = Some((file, length));
        }
        Ok(())
    }
}

/// Opens a file for appending and returns it with its length in bytes. Ends the last line if a full disk or a power cut
/// truncated it.
fn open(path: &Path) -> io::Result<(File, u64)> {
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
        return Ok((file, length + 1));
    }
    Ok((file, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(at: u64) -> Line {
        Line { at, level: "info".to_owned(), text: format!("line {at}") }
    }

    #[test]
    fn a_truncated_line_does_not_damage_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let start = || Writer {
            folder: folder.path().to_owned(),
            max_file_bytes: 5000,
            file: None,
            troubles: Troubles::default(),
        };
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
        fs::remove_file(&path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert!(writer.write(&line(6)).unwrap_err().to_string().contains("not a regular file"));
    }

    #[test]
    fn rotated_files_stay_within_the_size_limit_and_are_read_as_one() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Writer {
            folder: folder.path().to_owned(),
            max_file_bytes: 5000,
            file: None,
            troubles: Troubles::default(),
        };
        (0..1000).for_each(|at| writer.write(&line(at)).unwrap());
        let size = |name: &str| fs::metadata(folder.path().join(name)).map_or(0, |metadata| metadata.len());
        assert!(
            size(FILES[0]) <= 5000 && (5000..5100).contains(&size(FILES[1])),
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
