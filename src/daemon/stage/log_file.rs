//! The control log of a running performance.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use crate::control::log::{Entry, Header, LogWriter};

/// A control log on disk; when the disk fails it says so once and stops, the music goes on.
#[derive(Debug)]
pub(in crate::daemon) struct LogFile {
    path: PathBuf,
    writer: Option<LogWriter<BufWriter<File>>>,
}

impl LogFile {
    /// Begins a log.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub(in crate::daemon) fn create(path: &Path, header: &Header) -> io::Result<Self> {
        let writer = LogWriter::new(BufWriter::new(File::create(path)?), header)?;
        Ok(Self { path: path.to_owned(), writer: Some(writer) })
    }

    /// Adds a line.
    pub(in crate::daemon) fn write(&mut self, frame: u64, entry: &Entry) {
        if let Some(writer) = &mut self.writer
            && let Err(error) = writer.write(frame, entry)
        {
            tracing::error!(path = %self.path.display(), %error, "the control log ends here");
            self.writer = None;
        }
    }
}
