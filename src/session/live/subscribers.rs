//! Keeps OSC subscriptions across restarts, in `subscribers.json` in the state folder.
//!
//! Subscriptions last no longer than a lease, so they are not part of the saved state: if the file cannot be read or
//! written, clients merely have to send `/melos/subscribe` again.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::remote::osc::{OscServer, Subscription};

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
pub(super) fn load(folder: &Path) -> Vec<Subscription> {
    let path = subscribers_path(folder);
    let fits = std::fs::metadata(&path).is_ok_and(|metadata| metadata.is_file() && metadata.len() <= MAX_BYTES);
    let text = fits.then(|| std::fs::read(&path).ok()).flatten();
    let Some(File { written, subscribers }) = text.and_then(|text| serde_json::from_slice(&text).ok()) else {
        return Vec::new();
    };
    if now().abs_diff(written) > MAX_AGE.as_secs() {
        return Vec::new();
    }
    subscribers.into_iter().map(|(from, to)| Subscription { from, to }).collect()
}

/// Keeps the file up to date until the task is dropped.
pub(super) async fn keep(folder: &Path, osc: &OscServer) {
    let mut saved = (osc.subscriptions(), 0);
    loop {
        tokio::time::sleep(CHECK_INTERVAL).await;
        let (subscriptions, now) = (osc.subscriptions(), now());
        let stale = !subscriptions.is_empty() && now.abs_diff(saved.1) >= REFRESH_INTERVAL.as_secs();
        if subscriptions != saved.0 || stale {
            if let Err(error) = write(folder, &subscriptions, now).await {
                tracing::debug!(%error, "cannot save the subscriptions, so they will not survive a restart");
            }
            saved = (subscriptions, now);
        }
    }
}

async fn write(folder: &Path, subscriptions: &[Subscription], written: u64) -> std::io::Result<()> {
    let subscribers = subscriptions.iter().map(|subscription| (subscription.from, subscription.to)).collect();
    let (path, text) = (subscribers_path(folder), serde_json::to_vec(&File { written, subscribers })?);
    let temporary = path.with_extension("new");
    tokio::fs::write(&temporary, text).await?;
    tokio::fs::rename(&temporary, path).await
}

fn subscribers_path(folder: &Path) -> PathBuf {
    folder.join("subscribers.json")
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_recent_subscriptions_are_restored() {
        let folder = tempfile::tempdir().unwrap();
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let subscriptions = [Subscription { from: at(5000), to: at(9001) }];
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(write(folder.path(), &subscriptions, now())).unwrap();
        assert_eq!(load(folder.path()), subscriptions);
        runtime.block_on(write(folder.path(), &subscriptions, now() - 3600)).unwrap();
        assert_eq!(load(folder.path()), []);
        for damaged in ["", "{", "[]", "{\"written\":1}"] {
            std::fs::write(subscribers_path(folder.path()), damaged).unwrap();
            assert_eq!(load(folder.path()), [], "{damaged}");
        }
        std::fs::remove_file(subscribers_path(folder.path())).unwrap();
        std::fs::create_dir(subscribers_path(folder.path())).unwrap();
        assert_eq!(load(folder.path()), [], "a folder in place of the file should be ignored");
    }
}
