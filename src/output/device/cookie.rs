//! PulseAudio's cookie file, with which clients prove that they belong to the server's user.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Size of a cookie in bytes (PulseAudio's `PA_NATIVE_COOKIE_LENGTH`).
const LENGTH: usize = 256;

/// Creates the user's cookie if there is none, as PulseAudio's own library does, because servers, including PipeWire's,
/// refuse a client without one. Does nothing if no server is running. Allocates and accesses the disk; a failure is
/// only logged.
pub(super) fn create_if_missing() {
    let server_runs =
        std::env::var_os("XDG_RUNTIME_DIR").is_some_and(|folder| Path::new(&folder).join("pulse/native").exists());
    if server_runs
        && std::env::var_os("PULSE_COOKIE").is_none()
        && let Some(home) = std::env::home_dir()
        && let Err(error) = create_in(&home)
    {
        tracing::debug!(%error, "cannot create a PulseAudio cookie");
    }
}

fn create_in(home: &Path) -> io::Result<()> {
    let folder = home.join(".config/pulse");
    let path = folder.join("cookie");
    if path.exists() || home.join(".pulse-cookie").exists() {
        return Ok(());
    }
    let mut cookie = [0; LENGTH];
    File::open("/dev/urandom")?.read_exact(&mut cookie)?;
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(&cookie)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_cookie_is_created_once_and_only_the_user_can_read_it() {
        let home = tempfile::tempdir().unwrap();
        create_in(home.path()).unwrap();
        let path = home.path().join(".config/pulse/cookie");
        let first = std::fs::read(&path).unwrap();
        assert_eq!(first.len(), LENGTH);
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        create_in(home.path()).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), first);
    }

    #[test]
    fn an_existing_cookie_is_kept() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join(".pulse-cookie"), [7; LENGTH]).unwrap();
        create_in(home.path()).unwrap();
        assert!(!home.path().join(".config").exists());
    }
}
