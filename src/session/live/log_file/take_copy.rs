//! Copies the log beside a recording, with the last checkpoint at or before the recording's start, from which the take
//! can be rendered.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::event::health::{Loss, Losses};
use crate::event::log::copy_for_take;
use crate::files::{replace, sync_folder, unused_path};
use crate::output::record::Recorded;
use crate::session::checkpoint::{checkpoint_files, checkpoint_folder, take_checkpoint_path};
use crate::units::MEGABYTE;

/// Size in bytes above which a log is copied only beside a recording that is at least as large, so that short takes do
/// not fill the disk with logs.
const ALWAYS_COPIED: u64 = 4 * MEGABYTE;
/// Bytes per frame of an uncompressed recording.
const BYTES_PER_FRAME: u64 = 6;

/// Reports that a take has no control log beside it.
pub(super) fn report_missing(take: &Path, reason: impl Display, losses: &Losses) {
    tracing::error!(take = %take.display(), "no control log was written beside the recording: {reason}");
    losses.add(Loss::TakeLogs, 1);
}

/// Copies a log, given as byte ranges of files, beside a recording. Leaves nothing behind on failure.
///
/// # Errors
/// When the log cannot be read in full, or the copy cannot be written.
pub(super) fn copy_beside(recorded: &Recorded, parts: &[(PathBuf, Range<u64>)]) -> io::Result<()> {
    let log_bytes: u64 = parts.iter().map(|(_, bytes)| bytes.end - bytes.start).sum();
    let Some((log, _)) = parts.first() else { return Ok(()) };
    let recording_bytes = BYTES_PER_FRAME * (recorded.frames.end - recorded.frames.start);
    if log_bytes > ALWAYS_COPIED && log_bytes > recording_bytes {
        let megabytes = log_bytes / MEGABYTE;
        let log = log.display();
        tracing::warn!(%log, megabytes, "the control log is larger than this short take and was not copied beside it");
        return Ok(());
    }
    let from = open(parts)?;
    let copy = unused_path(&recorded.path.with_extension("log"));
    let mut to = BufWriter::new(File::create_new(&copy)?);
    let written = copy_for_take(BufReader::new(from), &mut to, &recorded.frames, &recorded.gaps)
        .and_then(|()| to.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all());
    written.inspect_err(|_| drop(fs::remove_file(&copy)))?;
    sync_folder(&copy)?;
    tracing::info!(path = %copy.display(), "copied the control log beside the recording");
    copy_checkpoint(&copy, log, recorded.frames.start);
    Ok(())
}

/// Opens byte ranges of files as one.
fn open(parts: &[(PathBuf, Range<u64>)]) -> io::Result<Box<dyn Read>> {
    let mut all: Box<dyn Read> = Box::new(io::empty());
    for (path, bytes) in parts {
        let mut file = crate::files::open(path)?;
        if file.metadata()?.len() < bytes.end {
            return Err(io::Error::other(format!("another program has truncated {}", path.display())));
        }
        file.seek(SeekFrom::Start(bytes.start))?;
        all = Box::new(all.chain(file.take(bytes.end - bytes.start)));
    }
    Ok(all)
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
