//! Watches folders and files, so that a save takes effect while playing.
//!
//! Folders are watched, not files, because editors replace files; a burst of events becomes one [`Changed`] after a moment
//! of quiet; editors' own files are ignored. When watching itself dies it is started again, and everything counts as
//! changed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

/// A burst of events ends after this long without another.
const QUIET: Duration = Duration::from_millis(150);
/// A burst that does not end is told after this long.
const PATIENCE: Duration = Duration::from_millis(400);
/// How often a missing folder, or a dead watcher, is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// Events that may wait; more are as good as these, since a burst is told by path.
const WAITING: usize = 1024;

/// Files changed, came or went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed(pub Vec<PathBuf>);

/// Starts watching; what changes goes to `changed` until its receiver is dropped. A path may be a folder, which is
/// watched with everything in it, or a file; it need not exist yet. When `changed` is full its reader has news enough to
/// look at, and the burst is told again a little later.
///
/// # Errors
/// When the thread cannot be started.
pub fn watch(paths: Vec<PathBuf>, changed: SyncSender<Changed>) -> std::io::Result<()> {
    // Watching begins before the thread does, so that nothing is missed from here on.
    let watch = Watch::new(paths);
    thread::Builder::new().name("melos-watch".to_owned()).spawn(move || watch.run(&changed)).map(drop)
}

struct Watch {
    paths: Vec<PathBuf>,
    events: Receiver<Event>,
    /// `None` while it cannot be had.
    watcher: Option<RecommendedWatcher>,
    /// Folders watched.
    armed: BTreeSet<PathBuf>,
    said: bool,
}

impl Watch {
    fn new(paths: Vec<PathBuf>) -> Self {
        let paths = paths.into_iter().map(|path| std::path::absolute(&path).unwrap_or(path)).collect();
        let (_, events) = sync_channel(0);
        let mut watch = Self { paths, events, watcher: None, armed: BTreeSet::new(), said: false };
        watch.start();
        watch.arm();
        watch
    }

    /// Makes a watcher, with nothing watched yet.
    fn start(&mut self) {
        let (sender, events) = sync_channel(WAITING);
        let made = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if let Ok(event) = event {
                // Full: a burst of a thousand is on its way already.
                let _ = sender.try_send(event);
            }
        });
        self.armed.clear();
        match made {
            Ok(watcher) => (self.watcher, self.events, self.said) = (Some(watcher), events, false),
            Err(error) if !self.said => {
                self.said = true;
                tracing::warn!(%error, "files cannot be watched; changes take effect with SIGHUP only");
            }
            Err(_) => {}
        }
    }

    /// Watches what is there and not watched yet; whether anything was added.
    fn arm(&mut self) -> bool {
        let Some(watcher) = &mut self.watcher else { return false };
        let mut added = false;
        for path in &self.paths {
            let folder = if path.is_dir() { path.as_path() } else { path.parent().unwrap_or(path) };
            let mode = if path.is_dir() { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
            if folder.is_dir() && !self.armed.contains(folder) && watcher.watch(folder, mode).is_ok() {
                self.armed.insert(folder.to_owned());
                added = true;
            }
        }
        added
    }

    fn run(mut self, changed: &SyncSender<Changed>) {
        loop {
            match self.burst() {
                Ok(paths) if paths.is_empty() => {}
                Ok(paths) => {
                    // A folder that was replaced is another one now.
                    self.armed.retain(|folder| !paths.contains(folder));
                    if !tell(changed, paths) {
                        return;
                    }
                }
                Err(Dead) => {
                    self.watcher = None;
                    thread::sleep(RETRY);
                    self.start();
                    self.arm();
                    if self.watcher.is_some() && !tell(changed, self.paths.clone()) {
                        return;
                    }
                }
            }
            if self.arm() && !tell(changed, self.paths.clone()) {
                return;
            }
        }
    }

    /// Waits for a burst of events, at most [`RETRY`]; gives the paths that count.
    fn burst(&self) -> Result<Vec<PathBuf>, Dead> {
        let mut paths = BTreeSet::new();
        let mut first: Option<Instant> = None;
        loop {
            let wait = match first {
                None => RETRY,
                Some(first) => QUIET.min((first + PATIENCE).saturating_duration_since(Instant::now())),
            };
            match self.events.recv_timeout(wait) {
                Ok(event) => {
                    let before = paths.len();
                    if counts(event.kind) {
                        paths.extend(event.paths.into_iter().filter(|path| self.wanted(path)));
                    }
                    if paths.len() > before {
                        first.get_or_insert_with(Instant::now);
                    }
                }
                Err(RecvTimeoutError::Timeout) => return Ok(paths.into_iter().collect()),
                Err(RecvTimeoutError::Disconnected) => return Err(Dead),
            }
        }
    }

    fn wanted(&self, path: &Path) -> bool {
        !is_editors_own(path) && self.paths.iter().any(|watched| path.starts_with(watched))
    }
}

/// The watcher ended.
struct Dead;

/// Hands a burst over; false when nobody listens any more.
fn tell(changed: &SyncSender<Changed>, paths: Vec<PathBuf>) -> bool {
    let mut news = Changed(paths);
    loop {
        match changed.try_send(news) {
            Ok(()) => return true,
            Err(TrySendError::Full(again)) => {
                news = again;
                thread::sleep(QUIET);
            }
            Err(TrySendError::Disconnected(_)) => return false,
        }
    }
}

/// Reading a file is no change.
fn counts(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
        _ => true,
    }
}

/// Backups, locks and swap files: `.x.swp`, `x~`, `#x#`, `x.tmp`, and vim's probe `4913`.
fn is_editors_own(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
    let extension = path.extension().and_then(|extension| extension.to_str());
    name.starts_with(['.', '#'])
        || name.ends_with('~')
        || name == "4913"
        || matches!(extension, Some("tmp" | "swp" | "swx"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Far longer than it takes; only a failing test waits for it.
    const LONG: Duration = Duration::from_secs(20);

    fn watching(path: &Path) -> Receiver<Changed> {
        let (sender, receiver) = sync_channel(4);
        watch(vec![path.to_owned()], sender).unwrap();
        receiver
    }

    #[test]
    fn a_save_is_told_once_whatever_way_editors_save() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("calm.toml");
        let changed = watching(dir.path());
        fs::write(dir.path().join(".calm.toml.swp"), "x").unwrap();
        fs::write(dir.path().join("4913"), "x").unwrap();
        fs::write(&file, "a = 1").unwrap();
        fs::write(&file, "a = 2").unwrap();
        assert_eq!(changed.recv_timeout(LONG), Ok(Changed(vec![file.clone()])));

        let beside = dir.path().join("calm.toml~");
        fs::write(&beside, "a = 3").unwrap();
        fs::rename(&beside, &file).unwrap();
        assert_eq!(changed.recv_timeout(LONG), Ok(Changed(vec![file.clone()])));

        fs::remove_file(&file).unwrap();
        assert_eq!(changed.recv_timeout(LONG), Ok(Changed(vec![file])));
    }

    #[test]
    fn a_single_file_is_told_and_its_neighbours_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("melos.toml");
        fs::write(&file, "").unwrap();
        let changed = watching(&file);
        fs::write(dir.path().join("other.toml"), "x").unwrap();
        fs::write(&file, "x").unwrap();
        assert_eq!(changed.recv_timeout(LONG), Ok(Changed(vec![file])));
    }

    #[test]
    fn a_folder_may_come_later() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("presets");
        let (sender, changed) = sync_channel(4);
        watch(vec![folder.clone()], sender).unwrap();
        fs::create_dir(&folder).unwrap();
        let told = changed.recv_timeout(LONG).unwrap().0;
        assert!(told.iter().all(|path| path.starts_with(&folder)), "{told:?}");
    }
}
