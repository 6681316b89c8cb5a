//! Logs of earlier sessions, renamed by date and kept up to a limit.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::files::{Usage, beside, stamp_of, sync_folder};
use crate::session::checkpoint::checkpoint_folder;

/// Creates a log file, renames the previous one by date, and deletes the oldest beyond the limit. Returns the new name of
/// the previous one, if there was one.
pub(super) fn begin(path: &Path, keep: usize) -> io::Result<(File, Option<PathBuf>)> {
    let mut renamed = None;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    match fs::metadata(path) {
        Ok(before) if !before.is_file() => return Err(io::Error::other("expected a regular file")),
        Ok(before) if before.len() == 0 => fs::remove_file(path)?,
        Ok(before) => {
            let ended = before.modified().unwrap_or_else(|_| SystemTime::now());
            let earlier = beside(&dated(path, &stamp_of(ended, "%Y-%m-%dT%H-%M-%S")));
            fs::rename(path, &earlier)?;
            let _ = fs::rename(checkpoint_folder(path), checkpoint_folder(&earlier));
            renamed = Some(earlier);
            delete_oldest(path, keep);
        }
        Err(_) => {}
    }
    let file = File::create_new(path)?;
    sync_folder(path)?;
    Ok((file, renamed))
}

/// Logs of earlier sessions, oldest first.
pub(super) fn logs(path: &Path) -> Vec<PathBuf> {
    let pattern = dated(path, "0000-00-00T00-00-00");
    let pattern = pattern.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let fits = |name: &str| {
        name.len() >= pattern.len()
            && name.ends_with(".log")
            && name
                .bytes()
                .zip(pattern.bytes())
                .all(|(byte, wanted)| byte == wanted || wanted == b'0' && byte.is_ascii_digit())
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    Usage::of(folder, fits).into_iter().map(|log| log.path).collect()
}

/// Deletes logs of earlier sessions beyond the number to keep, with their checkpoints.
fn delete_oldest(path: &Path, keep: usize) {
    let logs = logs(path);
    for log in logs.iter().take(logs.len().saturating_sub(keep)) {
        if let Err(error) = fs::remove_file(log) {
            tracing::warn!(path = %log.display(), %error, "cannot delete an old control log");
        }
        let _ = fs::remove_dir_all(checkpoint_folder(log));
    }
}

/// `session.log` becomes `session-2026-11-28T16-55-01.log`.
fn dated(path: &Path, date: &str) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{stem}-{date}.log"))
}
