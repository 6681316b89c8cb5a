//! Keeps OSC subscriptions across restarts, in `subscribers.json` in the state folder.
//!
//! Subscriptions last no longer than a lease, so they are not part of the saved state: if the file cannot be read or
//! written, which is reported, clients merely have to send `/melos/subscribe` again.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::event::{Part, Troubles};
use crate::files;
use crate::remote::osc::{OscServer, Subscription};
use crate::threads;

/// Interval between checks for changed subscriptions.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);
/// Maximum age of a file from which subscriptions are restored.
const MAX_AGE: Duration = Duration::from_secs(120);
/// Interval at which the file's timestamp is refreshed, well within [`MAX_AGE`].
const REFRESH_INTERVAL: Duration = Duration::from_secs(50);
/// Maximum file size in bytes.
const MAX_BYTES: u64 = 64 * 1024;

/// The contents of the file.
#[derive(Debug, Serialize, Deserialize)]
struct File {
    /// Unix time in seconds.
    written: u64,
    /// For each client, the address it sends from and the address it receives at.
    subscribers: Vec<(SocketAddr, SocketAddr)>,
}

/// Loads the subscriptions of the last run, if it ended recently.
pub(super) fn load(folder: &Path, troubles: &Troubles) -> Vec<Subscription> {
    let path = subscribers_path(folder);
    let read = files::bytes(&path, MAX_BYTES).and_then(|text| Ok(serde_json::from_slice(&text)?));
    let File { written, subscribers } = match read {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            let path = path.display();
            troubles.set(
                Part::Subscriptions,
                format!("cannot read {path}: {error}; clients that had subscribed must subscribe again"),
            );
            return Vec::new();
        }
    };
    if now().abs_diff(written) > MAX_AGE.as_secs() {
        return Vec::new();
    }
    subscribers.into_iter().map(|(from, to)| Subscription { from, to }).collect()
}

/// Keeps the file up to date until the task is dropped.
pub(super) async fn keep(folder: &Path, osc: &OscServer, troubles: &Troubles) {
    // `None` after a failure, so that the next attempt follows soon. A file that could not be read is replaced too, even if
    // nobody subscribes: otherwise, it would be reported until someone does, and again after every restart.
    let was_read = !troubles.now().0.contains_key(&Part::Subscriptions);
    let mut saved = was_read.then(|| (osc.subscriptions(), 0));
    loop {
        tokio::time::sleep(CHECK_INTERVAL).await;
        let (subscriptions, now) = (osc.subscriptions(), now());
        let is_saved = saved.as_ref().is_some_and(|(saved, at)| {
            *saved == subscriptions && (saved.is_empty() || now.abs_diff(*at) < REFRESH_INTERVAL.as_secs())
        });
        if is_saved {
            continue;
        }
        let written = write(folder, &subscriptions, now).await;
        let path = subscribers_path(folder);
        let trouble = |error| format!("cannot write {}: {error}; no subscription survives a restart", path.display());
        troubles.update(Part::Subscriptions, written.as_ref().err().map(trouble));
        saved = written.ok().map(|()| (subscriptions, now));
    }
}

/// Writes the file on a blocking thread, since the disk may hang.
async fn write(folder: &Path, subscriptions: &[Subscription], written: u64) -> io::Result<()> {
    let subscribers = subscriptions.iter().map(|subscription| (subscription.from, subscription.to)).collect();
    let (path, text) = (subscribers_path(folder), serde_json::to_vec(&File { written, subscribers })?);
    threads::blocking(move || files::replace(&path, &text)).await?
}

fn subscribers_path(folder: &Path) -> PathBuf {
    folder.join("subscribers.json")
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn subscriptions() -> [Subscription; 1] {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        [Subscription { from: at(5000), to: at(9001) }]
    }

    fn write_now(folder: &Path, written: u64) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(write(folder, &subscriptions(), written))
    }

    #[test]
    fn only_recent_subscriptions_are_restored() {
        let (folder, troubles) = (tempfile::tempdir().unwrap(), Troubles::default());
        assert_eq!(load(folder.path(), &troubles), []);
        write_now(folder.path(), now()).unwrap();
        assert_eq!(load(folder.path(), &troubles), subscriptions());
        write_now(folder.path(), now() - 3600).unwrap();
        assert_eq!(load(folder.path(), &troubles), []);
        assert!(troubles.now().0.is_empty(), "{troubles:?}");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let path = subscribers_path(folder.path());
        let reported = |what: &str| {
            let troubles = Troubles::default();
            assert_eq!(load(folder.path(), &troubles), [], "{what}");
            let trouble = troubles.now().0[&Part::Subscriptions].clone();
            assert!(trouble.contains(path.to_str().unwrap()), "{what}: {trouble}");
        };
        for damaged in ["", "{", "[]", "{\"written\":1}"] {
            fs::write(&path, damaged).unwrap();
            reported(damaged);
        }
        for make in ["mkdir", "mkfifo"] {
            let _ = fs::remove_file(&path);
            assert!(std::process::Command::new(make).arg(&path).status().unwrap().success());
            reported(make);
            let _ = fs::remove_dir(&path);
        }
    }

    #[test]
    fn writing_neither_waits_for_a_pipe_nor_fails_silently() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["subscribers.json.new", "subscribers.new", "subscribers.json"] {
            assert!(std::process::Command::new("mkfifo").arg(folder.path().join(name)).status().unwrap().success());
        }
        write_now(folder.path(), now()).unwrap();
        assert_eq!(load(folder.path(), &Troubles::default()), subscriptions());
        fs::remove_file(subscribers_path(folder.path())).unwrap();
        fs::create_dir(subscribers_path(folder.path())).unwrap();
        assert!(write_now(folder.path(), now()).is_err(), "a folder is in the way");
    }
}
