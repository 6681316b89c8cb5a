//! The control log of a running performance, written by a thread of its own: a disk that hangs holds nothing up.

use std::fs::File;
use std::io::{self, BufReader, BufWriter};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

use crate::event::health::{Loss, Losses};
use crate::session::log::{Entry, Header, LogWriter, copy_for_take};

/// Lines that may wait for the disk.
const WAITING: usize = 65_536;

/// Bytes after which a log ends, so that months of sensors do not fill the disk; hours of every fader moving.
const LONGEST: u64 = 256 << 20;

/// A control log on disk; when the disk fails it says so once and stops, the music goes on.
#[derive(Debug)]
pub(in crate::session::live) struct LogFile {
    /// `None` once the log is not complete any more.
    requests: Option<SyncSender<Request>>,
    losses: Arc<Losses>,
    thread: Option<thread::JoinHandle<()>>,
}

#[derive(Debug)]
enum Request {
    Write(u64, Entry),
    Keep(PathBuf, Range<u64>),
}

impl LogFile {
    /// Begins a log.
    ///
    /// # Errors
    /// When the file or the thread cannot be made.
    pub(in crate::session::live) fn create(path: &Path, header: &Header, losses: Arc<Losses>) -> io::Result<Self> {
        let writer = LogWriter::new(BufWriter::new(File::create(path)?), header)?;
        let (sender, requests) = sync_channel(WAITING);
        let path = path.to_owned();
        let write = move || serve(&path, writer, &requests);
        let thread = thread::Builder::new().name("melos-log".to_owned()).spawn(write)?;
        Ok(Self { requests: Some(sender), losses, thread: Some(thread) })
    }

    /// Adds a line.
    pub(in crate::session::live) fn write(&mut self, frame: u64, entry: Entry) {
        self.request(Request::Write(frame, entry));
    }

    /// Puts a copy of the log so far beside a recording of some frames.
    pub(super) fn keep(&mut self, recording: &Path, frames: Range<u64>) {
        self.request(Request::Keep(recording.with_extension("log"), frames));
    }

    fn request(&mut self, request: Request) {
        match self.requests.as_ref().map(|requests| requests.try_send(request)) {
            None => self.losses.add(Loss::ControlLog, 1),
            Some(Ok(())) => {}
            Some(Err(error)) => {
                if matches!(error, TrySendError::Full(_)) {
                    tracing::error!("the disk does not keep up; the control log ends here");
                }
                self.losses.add(Loss::ControlLog, 1);
                self.requests = None;
            }
        }
    }
}

impl Drop for LogFile {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // A panic in there has been printed; there is nothing left to end.
            let _ = thread.join();
        }
    }
}

fn serve(path: &Path, mut writer: LogWriter<BufWriter<File>>, requests: &Receiver<Request>) {
    for request in requests {
        // What has gathered meanwhile is handed to the system at once.
        for request in std::iter::once(request).chain(requests.try_iter()) {
            match request {
                Request::Write(frame, entry) => {
                    if let Err(error) = writer.write(frame, &entry) {
                        return tracing::error!(path = %path.display(), %error, "the control log ends here");
                    }
                }
                Request::Keep(copy, frames) => match writer.flush().and_then(|()| keep(path, &copy, &frames)) {
                    Ok(()) => tracing::info!(path = %copy.display(), "control log of the recording"),
                    Err(error) => tracing::error!(path = %copy.display(), %error, "the control log cannot be kept"),
                },
            }
        }
        if let Err(error) = writer.flush() {
            return tracing::error!(path = %path.display(), %error, "the control log ends here");
        }
        if path.metadata().is_ok_and(|file| file.len() > LONGEST) {
            tracing::warn!(path = %path.display(), "the control log is full and ends here; recordings go on without one");
            return;
        }
    }
}

fn keep(log: &Path, copy: &Path, frames: &Range<u64>) -> io::Result<()> {
    copy_for_take(BufReader::new(File::open(log)?), BufWriter::new(File::create(copy)?), frames)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::log::ControlLog;

    #[test]
    fn a_recording_gets_the_log_so_far() {
        let folder = tempfile::tempdir().unwrap();
        let header = Header { version: "1".to_owned(), ..Header::default() };
        let mut log = LogFile::create(&folder.path().join("session.log"), &header, Arc::default()).unwrap();
        log.write(4, Entry::Splice { planned: 512, performed: None });
        log.keep(&folder.path().join("take.flac"), 2..9);
        log.write(20, Entry::End);
        drop(log);
        let read = |name| ControlLog::read(BufReader::new(File::open(folder.path().join(name)).unwrap())).unwrap();
        let (session, take) = (read("session.log"), read("take.log"));
        assert_eq!((session.frames(), session.entries.len()), (0..20, 2));
        assert_eq!((take.frames(), take.entries), (2..9, session.entries[..1].to_vec()));
    }
}
