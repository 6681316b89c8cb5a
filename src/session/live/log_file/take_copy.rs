//! Copies the log beside a recording, with the last checkpoint at or before the recording's start, from which the take
//! can be rendered.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::MEGABYTE;
use crate::files::{replace, sync_folder, unused_path};
use crate::output::record::Recorded;
use crate::session::checkpoint::{checkpoint_files, checkpoint_folder, take_checkpoint_path};
use crate::session::log::copy_for_take;

/// Size in bytes above which a log is copied only beside a recording that is at least as large, so that short takes do
/// not fill the disk with logs.
const ALWAYS_COPIED: u64 = 4 * MEGABYTE;
/// Bytes per frame of an uncompressed recording.
const BYTES_PER_FRAME: u64 = 6;

/// Copies a log, given as byte ranges of files, beside a recording.
pub(super) fn copy_beside(recorded: &Recorded, parts: &[(PathBuf, Range<u64>)]) {
    let log_bytes: u64 = parts.iter().map(|(_, bytes)| bytes.end - bytes.start).sum();
    let Some((log, _)) = parts.first() else { return };
    let recording_bytes = BYTES_PER_FRAME * (recorded.frames.end - recorded.frames.start);
    if log_bytes > ALWAYS_COPIED && log_bytes > recording_bytes {
        let megabytes = log_bytes / MEGABYTE;
        let log = log.display();
        return tracing::warn!(%log, megabytes, "the control log is larger than this short take and was not copied beside it");
    }
    let copy = unused_path(&recorded.path.with_extension("log"));
    let write_copy = || {
        let mut log: Box<dyn Read> = Box::new(io::empty());
        for (path, bytes) in parts {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(bytes.start))?;
            log = Box::new(log.chain(file.take(bytes.end - bytes.start)));
        }
        let mut to = BufWriter::new(File::create_new(&copy)?);
        copy_for_take(BufReader::new(log), &mut to, &recorded.frames, &recorded.gaps)?;
        to.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        sync_folder(&copy)
    };
    match write_copy() {
        Ok(()) => {
            tracing::info!(path = %copy.display(), "copied the control log beside the recording");
            copy_checkpoint(&copy, log, recorded.frames.start);
        }
        Err(error) => {
            tracing::error!(path = %copy.display(), %error, "cannot copy the control log beside the recording")
        }
    }
}

/// Copies the newest checkpoint at or before frame `start` beside a take's log.
fn copy_checkpoint(copy: &Path, log: &Path, start: u64) {
    let Some(newest) = checkpoint_files(&checkpoint_folder(log)).into_iter().rfind(|file| file.frame <= start) else {
        return;
    };
    let result = fs::read(&newest.path).and_then(|bytes| replace(&take_checkpoint_path(copy), &bytes));
    if let Err(error) = result {
        tracing::warn!(path = %newest.path.display(), %error, "cannot copy the checkpoint beside the recording");
    }
}
