//! An exclusive lock on a folder.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::identity::is_at;
use super::write::create_folder;

/// Name of the lock file.
const FILE_NAME: &str = "lock";

/// A locked folder; unlocked when dropped or when the process ends, even in a crash.
#[derive(Debug)]
pub struct FolderLock {
    folder: PathBuf,
    file: File,
    addresses: String,
    was_abandoned: bool,
}

/// Why a folder cannot be locked.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another daemon has locked the folder.
    #[error(
        "{folder} is in use by another Melos daemon ({holder}); choose another folder with --state, and other ports with --osc \
         and --http"
    )]
    Held {
        /// The folder.
        folder: PathBuf,
        /// The holder's description of itself.
        holder: String,
    },
    /// Locking failed, for example because the file system does not support it; nothing is known about other daemons.
    #[error("cannot lock {folder} against other Melos daemons: {source}")]
    Failed {
        /// The folder.
        folder: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl FolderLock {
    /// Locks a folder, creating it if it does not exist.
    ///
    /// # Errors
    /// When another daemon has locked it, or when locking fails.
    pub fn take(folder: &Path) -> Result<Self, LockError> {
        let failed = |source| LockError::Failed { folder: folder.to_owned(), source };
        let open = || {
            create_folder(folder)?;
            let path = folder.join(FILE_NAME);
            if path.symlink_metadata().is_ok_and(|metadata| !metadata.is_file()) {
                return Err(io::Error::other(format!("{FILE_NAME} is not a regular file")));
            }
            File::options().read(true).write(true).create(true).truncate(false).open(path)
        };
        let file = open().map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {
                // Dropping the lock empties the file.
                let was_abandoned = file.metadata().is_ok_and(|metadata| metadata.len() > 0);
                let mut lock = Self { folder: folder.to_owned(), file, addresses: String::new(), was_abandoned };
                lock.describe("");
                Ok(lock)
            }
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = (&file).take(200).read_to_string(&mut holder);
                Err(LockError::Held { folder: folder.to_owned(), holder: holder.trim().to_owned() })
            }
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// Returns whether the last daemon that locked the folder ended without unlocking it, as after a crash or a power
    /// failure.
    #[must_use]
    pub const fn was_abandoned(&self) -> bool {
        self.was_abandoned
    }

    /// Locks the folder again if its lock file is no longer the one that was locked, because the file or the folder was
    /// deleted, moved or replaced, or a disk was mounted there.
    ///
    /// # Errors
    /// When another daemon has locked the folder in the meantime, or when locking fails.
    pub fn renew(&mut self) -> Result<(), LockError> {
        if !is_at(&self.file, &self.folder.join(FILE_NAME)).unwrap_or(false) {
            let mut lock = Self::take(&self.folder)?;
            lock.describe(&std::mem::take(&mut self.addresses));
            *self = lock;
        }
        Ok(())
    }

    /// Writes this process's ID and addresses to the lock file, for the error messages of other daemons.
    pub fn describe(&mut self, addresses: &str) {
        addresses.clone_into(&mut self.addresses);
        let text = format!("process {}{addresses}\n", std::process::id());
        // The text is only informative: the kernel manages the lock.
        let _ = self.file.set_len(0);
        let _ = self.file.rewind();
        let _ = self.file.write_all(text.as_bytes());
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        let _ = self.file.set_len(0);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn the_error_for_a_locked_folder_names_the_holder() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("new/state");
        let mut lock = FolderLock::take(&state).unwrap();
        lock.describe(", OSC on 127.0.0.1:9000");
        let error = FolderLock::take(&state).unwrap_err();
        assert!(matches!(error, LockError::Held { .. }));
        let message = error.to_string();
        for part in [&format!("process {}, OSC on 127.0.0.1:9000", std::process::id()), "--state", "--osc"] {
            assert!(message.contains(part), "{part} is missing from {message}");
        }
        fs::remove_dir_all(&state).unwrap();
        fs::create_dir(&state).unwrap();
        lock.renew().unwrap();
        let message = FolderLock::take(&state).unwrap_err().to_string();
        assert!(
            message.contains("127.0.0.1:9000"),
            "a folder that was deleted and recreated should be locked again: {message}"
        );
        drop(lock);
        // A child process that another test is starting holds the lock too, until it closes the inherited descriptor.
        let deadline = Instant::now() + Duration::from_secs(10);
        while let Err(error) = FolderLock::take(&state) {
            assert!(Instant::now() < deadline, "{error}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn a_lost_lock_is_renewed_unless_another_daemon_has_taken_it() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let mut lock = FolderLock::take(folder.path()).unwrap();
        let text = fs::read_to_string(at(FILE_NAME)).unwrap();
        // Deleted, moved away, and replaced by another file.
        fs::remove_file(at(FILE_NAME)).unwrap();
        lock.renew().unwrap();
        fs::rename(at(FILE_NAME), at("moved")).unwrap();
        lock.renew().unwrap();
        fs::write(at("other"), "").unwrap();
        fs::rename(at("other"), at(FILE_NAME)).unwrap();
        lock.renew().unwrap();
        assert_eq!(fs::read_to_string(at(FILE_NAME)).unwrap(), text);
        assert!(matches!(FolderLock::take(folder.path()), Err(LockError::Held { .. })));

        fs::remove_file(at(FILE_NAME)).unwrap();
        let other = FolderLock::take(folder.path()).unwrap();
        assert!(matches!(lock.renew(), Err(LockError::Held { .. })));
        drop(other);
        // As above, a child process of another test may hold the lock for a moment.
        let deadline = Instant::now() + Duration::from_secs(10);
        while let Err(error) = lock.renew() {
            assert!(Instant::now() < deadline, "{error}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn a_lock_counts_as_abandoned_if_it_was_not_released() {
        let folder = tempfile::tempdir().unwrap();
        let lock = FolderLock::take(folder.path()).unwrap();
        assert!(!lock.was_abandoned());
        drop(lock);
        assert_eq!(fs::read_to_string(folder.path().join(FILE_NAME)).unwrap(), "");
        // What a killed daemon leaves behind.
        fs::write(folder.path().join(FILE_NAME), "process 4711, OSC on 127.0.0.1:9000\n").unwrap();
        assert!(FolderLock::take(folder.path()).unwrap().was_abandoned());
    }

    #[test]
    fn a_folder_that_cannot_be_locked_is_not_reported_as_in_use() {
        for folder in ["/proc/nothing", "/dev/null/state"] {
            assert!(matches!(FolderLock::take(Path::new(folder)), Err(LockError::Failed { .. })), "{folder}");
        }
        let folder = tempfile::tempdir().unwrap();
        assert!(std::process::Command::new("mkfifo").arg(folder.path().join(FILE_NAME)).status().unwrap().success());
        assert!(
            matches!(FolderLock::take(folder.path()), Err(LockError::Failed { .. })),
            "a pipe must not block the call"
        );
    }
}
