//! Log rotation: earlier logs are renamed with their dates, and only a limited number of them are kept.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::files::{Usage, stamp_of, sync_folder, unused_path};
use crate::session::checkpoint::checkpoint_folder;

/// Creates a log file. If there is a previous one, renames it with its date, returns its new path, and deletes the oldest
/// logs beyond the number to keep.
pub(super) fn start(path: &Path, keep: usize) -> io::Result<(File, Option<PathBuf>)> {
    let mut renamed = None;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => return Err(io::Error::other("expected a regular file")),
        Ok(metadata) if metadata.len() == 0 => fs::remove_file(path)?,
        Ok(metadata) => {
            let ended = metadata.modified().unwrap_or_else(|_| SystemTime::now());
            let new_path = unused_path(&dated(path, &stamp_of(ended, "%Y-%m-%dT%H-%M-%S")));
            fs::rename(path, &new_path)?;
            let _ = fs::rename(checkpoint_folder(path), checkpoint_folder(&new_path));
            renamed = Some(new_path);
            delete_oldest(path, keep);
        }
        Err(_) => {}
    }
    let file = File::create_new(path)?;
    sync_folder(path)?;
    Ok((file, renamed))
}

/// Returns the earlier logs of a session log at `path`, oldest first.
pub(super) fn earlier_logs(path: &Path) -> Vec<PathBuf> {
    let pattern = dated(path, "0000-00-00T00-00-00");
    let pattern = pattern.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let matches_pattern = |name: &str| {
        name.len() >= pattern.len()
            && name.ends_with(".log")
            && name
                .bytes()
                .zip(pattern.bytes())
                .all(|(byte, expected)| byte == expected || expected == b'0' && byte.is_ascii_digit())
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    Usage::of(folder, matches_pattern).into_iter().map(|log| log.path).collect()
}

/// Deletes the oldest logs beyond the number to keep, with their checkpoints.
fn delete_oldest(path: &Path, keep: usize) {
    let logs = earlier_logs(path);
    for log in logs.iter().take(logs.len().saturating_sub(keep)) {
        if let Err(error) = fs::remove_file(log) {
            tracing::warn!(path = %log.display(), %error, "cannot delete an old control log");
        }
        let _ = fs::remove_dir_all(checkpoint_folder(log));
    }
}

/// Inserts a date into a log's path: `session.log` becomes `session-2026-11-28T16-55-01.log`.
fn dated(path: &Path, date: &str) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{stem}-{date}.log"))
}
