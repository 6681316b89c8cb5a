//! Copies the log beside a recording.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read};
use std::path::Path;

use super::MEGABYTE;
use crate::files::{beside, sync_folder};
use crate::output::record::Recorded;
use crate::session::log::copy_for_take;

/// Largest log copied beside any recording; a larger one is copied only beside a recording of at least its size, so
/// that short takes do not fill the disk with logs.
const COPIED: u64 = 4 * MEGABYTE;
/// Bytes per frame of an uncompressed recording.
const BYTES_PER_FRAME: u64 = 6;

/// Copies the first bytes of a log beside a recording.
pub(super) fn keep_beside(recorded: &Recorded, log: &Path, written: u64) {
    let sound = BYTES_PER_FRAME * (recorded.frames.end - recorded.frames.start);
    if written > COPIED && written > sound {
        let megabytes = written / MEGABYTE;
        let log = log.display();
        return tracing::warn!(%log, megabytes, "the control log is much larger than this short take and was not copied beside it");
    }
    let copy = beside(&recorded.path.with_extension("log"));
    let keep = || {
        let log = File::open(log)?.take(written);
        let mut to = BufWriter::new(File::create_new(&copy)?);
        copy_for_take(BufReader::new(log), &mut to, &recorded.frames, &recorded.gaps)?;
        to.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        sync_folder(&copy)
    };
    match keep() {
        Ok(()) => tracing::info!(path = %copy.display(), "control log of the recording"),
        Err(error) => {
            tracing::error!(path = %copy.display(), %error, "cannot copy the control log beside the recording")
        }
    }
}
