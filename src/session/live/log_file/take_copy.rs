//! Copies the log beside a recording, with the checkpoint from which the recording can be rendered again quickly.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::MEGABYTE;
use crate::files::{beside, replace, sync_folder};
use crate::output::record::Recorded;
use crate::session::checkpoint::{take_checkpoint_path, checkpoint_folder, stored};
use crate::session::log::copy_for_take;

/// Largest log copied beside any recording; a larger one is copied only beside a recording of at least its size, so
/// that short takes do not fill the disk with logs.
const COPIED: u64 = 4 * MEGABYTE;
/// Bytes per frame of an uncompressed recording.
const BYTES_PER_FRAME: u64 = 6;

/// Copies a log, in pieces of files, beside a recording.
pub(super) fn copy_beside(recorded: &Recorded, pieces: &[(PathBuf, Range<u64>)]) {
    let written: u64 = pieces.iter().map(|(_, bytes)| bytes.end - bytes.start).sum();
    let Some((log, _)) = pieces.first() else { return };
    let sound = BYTES_PER_FRAME * (recorded.frames.end - recorded.frames.start);
    if written > COPIED && written > sound {
        let megabytes = written / MEGABYTE;
        let log = log.display();
        return tracing::warn!(%log, megabytes, "the control log is much larger than this short take and was not copied beside it");
    }
    let copy = beside(&recorded.path.with_extension("log"));
    let keep = || {
        let mut log: Box<dyn Read> = Box::new(io::empty());
        for (path, bytes) in pieces {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(bytes.start))?;
            log = Box::new(log.chain(file.take(bytes.end - bytes.start)));
        }
        let mut to = BufWriter::new(File::create_new(&copy)?);
        copy_for_take(BufReader::new(log), &mut to, &recorded.frames, &recorded.gaps)?;
        to.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        sync_folder(&copy)
    };
    match keep() {
        Ok(()) => {
            tracing::info!(path = %copy.display(), "control log of the recording");
            keep_checkpoint(&copy, log, recorded.frames.start);
        }
        Err(error) => {
            tracing::error!(path = %copy.display(), %error, "cannot copy the control log beside the recording")
        }
    }
}

/// Copies the newest checkpoint at or before a frame beside a take's log.
fn keep_checkpoint(copy: &Path, log: &Path, start: u64) {
    let Some(newest) = stored(&checkpoint_folder(log)).into_iter().rfind(|stored| stored.frame <= start) else { return };
    let keep = || fs::read(&newest.path).and_then(|bytes| replace(&take_checkpoint_path(copy), &bytes));
    if let Err(error) = keep() {
        tracing::warn!(path = %newest.path.display(), %error, "cannot copy the checkpoint beside the recording");
    }
}
