//! PulseAudio's cookie file, which authenticates a client as the server's user.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Size of a cookie in bytes (PulseAudio's `PA_NATIVE_COOKIE_LENGTH`).
const COOKIE_LENGTH: usize = 256;

/// Creates the user's cookie if it is missing, as PulseAudio's own library does, because servers, including PipeWire's,
/// refuse clients without one. Does nothing if no server is running or `PULSE_COOKIE` is set. Failures are only logged.
pub(super) fn create_if_missing() {
    let is_server_running =
        std::env::var_os("XDG_RUNTIME_DIR").is_some_and(|folder| Path::new(&folder).join("pulse/native").exists());
    if is_server_running
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
    let mut cookie = [0; COOKIE_LENGTH];
    File::open("/dev/urandom")?.read_exact(&mut cookie)?;
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(&cookie)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn creates_a_private_cookie_once() {
        let home = tempfile::tempdir().unwrap();
        create_in(home.path()).unwrap();
        let path = home.path().join(".config/pulse/cookie");
        let first = std::fs::read(&path).unwrap();
        assert_eq!(first.len(), COOKIE_LENGTH);
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        create_in(home.path()).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), first);
    }

    #[test]
    fn keeps_an_existing_cookie() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join(".pulse-cookie"), [7; COOKIE_LENGTH]).unwrap();
        create_in(home.path()).unwrap();
        assert!(!home.path().join(".config").exists());
    }
}
