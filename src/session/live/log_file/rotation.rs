//! Log rotation: earlier logs are renamed with their dates, and only a limited number of them are kept.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::event::log::may_be_log;
use crate::files::{self, DATE, Usage, is_date, stamp_of, sync_folder, unused_path};
use crate::session::checkpoint::checkpoint_folder;

/// Creates a log file. If there is a previous log, retires it and returns its new path.
///
/// # Errors
/// When the file cannot be created, or when it is, or could become, a file that is not a control log.
pub(super) fn start(path: &Path, keep: usize) -> io::Result<(File, Option<PathBuf>)> {
    // The state, which may not have been saved yet, would replace the log, and the log the state.
    if path.extension().is_some_and(|extension| extension == "toml" || extension == "json") {
        return Err(io::Error::other("it must not end in .toml or .json; choose a name such as session.log"));
    }
    if path.exists() && !is_log(path)? {
        return Err(io::Error::other("it exists and is not a control log; move it, or choose another file"));
    }
    let renamed = retire(path, keep)?;
    Ok((create(path)?, renamed))
}

/// Renames the file at a log's path with its date, together with the log's checkpoints, and deletes the oldest logs beyond the
/// number to keep. Returns the new path; `None` if there is no such file, or if it was empty and has been deleted.
pub(super) fn retire(path: &Path, keep: usize) -> io::Result<Option<PathBuf>> {
    let renamed = set_aside(path)?;
    if let Some(renamed) = &renamed {
        let _ = fs::rename(checkpoint_folder(path), checkpoint_folder(renamed));
        delete_oldest(path, keep);
    }
    Ok(renamed)
}

/// Creates a log file in place of one that another program has moved or changed; any file at its path is renamed with its
/// date. The log's checkpoints stay where they are.
pub(super) fn replace(path: &Path) -> io::Result<File> {
    set_aside(path)?;
    create(path)
}

fn create(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        files::create_folder(folder)?;
    }
    let file = File::options().read(true).write(true).create_new(true).open(path)?;
    sync_folder(path)?;
    Ok(file)
}

/// Renames a file with its date and returns its new path; deletes an empty file.
fn set_aside(path: &Path) -> io::Result<Option<PathBuf>> {
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => Err(io::Error::other("expected a regular file")),
        Ok(metadata) if metadata.len() == 0 => fs::remove_file(path).map(|()| None),
        Ok(metadata) => {
            let ended = metadata.modified().unwrap_or_else(|_| SystemTime::now());
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            let name = format!("{stem}-{}.log", stamp_of(ended, DATE));
            let new_path = unused_path(&path.with_file_name(name));
            fs::rename(path, &new_path)?;
            Ok(Some(new_path))
        }
        Err(_) => Ok(None),
    }
}

/// Returns the earlier logs of a session log at `path`, oldest first.
pub(super) fn earlier_logs(path: &Path) -> Vec<PathBuf> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let is_earlier = |name: &str| {
        let date = name.strip_prefix(&*stem).and_then(|rest| rest.strip_prefix('-')?.strip_suffix(".log"));
        date.is_some_and(is_date)
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    let logs = Usage::of(folder, is_earlier).into_iter().map(|log| log.path);
    logs.filter(|log| is_log(log).unwrap_or(false)).collect()
}

fn is_log(path: &Path) -> io::Result<bool> {
    may_be_log(files::open(path)?)
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

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "melos-control-log 1\nversion \"0\"\n";

    /// Returns the contents of the files in a folder by name.
    fn contents(folder: &Path) -> Vec<(String, String)> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        let mut files: Vec<_> = entries.map(|path| (name(&path), fs::read_to_string(&path).unwrap())).collect();
        files.sort();
        files
    }

    #[test]
    fn a_file_that_is_not_a_log_is_never_touched() {
        let folder = tempfile::tempdir().unwrap();
        let lyrics = folder.path().join("lyrics.txt");
        fs::write(&lyrics, "Calm is the sea").unwrap();
        for _ in 0..8 {
            let error = start(&lyrics, 1).unwrap_err().to_string();
            assert!(error.contains("is not a control log"), "{error}");
        }
        for other in ["state.toml", "subscribers.json"] {
            let error = start(&folder.path().join(other), 1).unwrap_err().to_string();
            assert!(error.contains("must not end in .toml or .json"), "{error}");
        }
        assert_eq!(contents(folder.path()), [("lyrics.txt".to_owned(), "Calm is the sea".to_owned())]);
    }

    #[test]
    fn only_earlier_logs_of_the_same_name_are_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("take0.log");
        let others = [
            ("take0-2026-11-28T16-55-01-mine.log", LOG),
            ("take0-2026-11-28T16-55-02.log", "Calm is the sea"),
            ("take0-2026-11-28T16-55-02.txt", LOG),
            ("take0-mine.log", LOG),
            ("take5-2026-11-28T16-55-01.log", LOG),
        ];
        let earlier = [("take0-2026-11-28T16-55-01.log", LOG), ("take0-2026-11-28T16-55-01-2.log", LOG)];
        for (name, text) in others.iter().chain(&earlier) {
            fs::write(folder.path().join(name), text).unwrap();
        }
        for number in 0..3 {
            fs::write(&log, format!("{LOG}seed {number}\n")).unwrap();
            assert!(start(&log, 1).unwrap().1.is_some());
        }
        let names: Vec<_> = contents(folder.path()).into_iter().map(|(name, _)| name).collect();
        let kept = names.iter().filter(|name| !others.iter().any(|(other, _)| other == name)).count();
        assert_eq!(kept, 2, "the log and the last earlier one: {names:?}");
        assert_eq!(names.len(), others.len() + 2, "{names:?}");
    }

    #[test]
    fn a_log_that_a_power_cut_has_damaged_makes_way() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("session.log");
        for damaged in ["", "melos-con", "\0\0\0\0"] {
            fs::write(&log, damaged).unwrap();
            start(&log, 10).unwrap();
        }
        assert_eq!(contents(folder.path()).len(), 3, "the log and two earlier ones, but not the empty one");
    }
}
