//! Renames files without ever replacing others.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

/// Renames files, each from its first to its second path. If one cannot be renamed, those before it get their old names
/// back.
///
/// # Errors
/// When a new name is taken ([`io::ErrorKind::AlreadyExists`]), or when a file cannot be renamed.
pub(super) fn all_or_none(renames: &[(PathBuf, PathBuf)]) -> io::Result<()> {
    for (done, (from, to)) in renames.iter().enumerate() {
        if let Err(error) = without_replacing(from, to) {
            for (from, to) in renames[..done].iter().rev() {
                if let Err(error) = without_replacing(to, from) {
                    tracing::warn!("cannot rename {} back to {}: {error}", to.display(), from.display());
                }
            }
            return Err(error);
        }
    }
    Ok(())
}

fn without_replacing(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Some file systems, such as NFS, cannot check and rename in one step.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            if to.symlink_metadata().is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            fs::rename(from, to)
        }
        result => Ok(result?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_files_are_renamed_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["a.wav", "a.log", "b.log"] {
            fs::write(path(name), name).unwrap();
        }
        let renames = [(path("a.wav"), path("b.wav")), (path("a.log"), path("b.log"))];
        assert_eq!(all_or_none(&renames).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        for name in ["a.wav", "a.log", "b.log"] {
            assert_eq!(fs::read_to_string(path(name)).unwrap(), name);
        }
        assert!(!path("b.wav").exists());
        fs::remove_file(path("b.log")).unwrap();
        all_or_none(&renames).unwrap();
        assert_eq!(["b.wav", "b.log"].map(|name| fs::read_to_string(path(name)).unwrap()), ["a.wav", "a.log"]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
