//! Watches files and folders, so that a saved file takes effect while playing.
//!
//! Changes are found by scanning: a scan follows all links and records the version of each file. This detects
//! retargeted links, replaced folders, mounts and every way in which editors save files, and ignores events that
//! changed nothing. A scan runs every two seconds, and earlier if the system's file watches report events: as soon as
//! the burst of events ends. Hidden files and editors' temporary files are ignored.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode};
use notify::{ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::event::{Part, Troubles};
use crate::threads;

/// Quiet time that ends a burst of events.
const DEBOUNCE: Duration = Duration::from_millis(150);
/// Maximum time to wait for a burst to end.
const MAX_DEBOUNCE: Duration = Duration::from_millis(400);
/// Time between scans while there are no relevant events.
const POLL: Duration = Duration::from_secs(2);
/// Interval for retrying system watches that failed.
const RETRY: Duration = Duration::from_secs(30);
/// Capacity of the event queue; overflow is harmless, since a scan finds everything.
const QUEUE_CAPACITY: usize = 64;
/// Maximum number of files watched per folder: the first in alphabetical order.
pub const MAX_FILES: usize = 4096;

/// The paths of files that changed, appeared or disappeared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed(pub Vec<PathBuf>);

/// Selects those files in a watched folder whose changes matter, by path.
pub type Selects = fn(&Path) -> bool;

/// Starts watching, and sends changes to `changed` until its receiver is dropped; while the channel is full, they are
/// held back. The paths are files, or folders whose selected files are watched, but not their subfolders; they need not
/// exist yet. If the system provides no file watches, this is reported as a trouble, and files are polled.
///
/// # Errors
/// When the thread cannot be started.
pub fn watch(
    paths: Vec<PathBuf>,
    selects: Selects,
    changed: SyncSender<Changed>,
    troubles: Troubles,
) -> std::io::Result<()> {
    // The first scan runs before the thread starts, so that no change after this call is missed.
    let mut watch = Watch::new(paths, selects, troubles);
    threads::spawn_restarting("melos-watch", move || watch.run(&changed)).map(drop)
}

/// The version of a file; any change to the file gives it a different one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    device: u64,
    inode: u64,
    /// `None` for folders, whose files have versions of their own.
    content: Option<Content>,
}

/// Seconds and nanoseconds since the epoch.
type Time = (i64, i64);

/// Length in bytes, and the modification and status change times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Content {
    length: u64,
    modified: Time,
    changed: Time,
}

impl Version {
    fn of(metadata: &Metadata) -> Self {
        let content = (!metadata.is_dir()).then_some(Content {
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        });
        Self { device: metadata.dev(), inode: metadata.ino(), content }
    }
}

/// The files and folders found, by the path through which they were found.
#[derive(Debug, Default, PartialEq, Eq)]
struct Scan {
    versions: BTreeMap<PathBuf, Version>,
    /// The folders to watch, with device and inode.
    folders: BTreeMap<PathBuf, (u64, u64)>,
}

impl Scan {
    /// Scans the paths. A folder that cannot be listed, for example because no file descriptor is free or the disk
    /// fails, counts as unchanged since the previous scan.
    fn run(paths: &[PathBuf], selects: Selects, previous: &Self) -> Self {
        let mut scan = Self::default();
        for path in paths {
            scan.add_folder(path.parent());
            if scan.add(path) {
                scan.add_folder(Some(path));
                match selected_files(path, selects) {
                    Ok(files) => {
                        for file in &files {
                            scan.add(file);
                        }
                    }
                    Err(_) => scan.add_unchanged(path, previous),
                }
            }
        }
        scan
    }

    /// Adds the version of a file or folder, and returns whether it is a folder.
    fn add(&mut self, path: &Path) -> bool {
        let Ok(metadata) = fs::metadata(path) else { return false };
        self.versions.insert(path.to_owned(), Version::of(&metadata));
        if path.is_symlink() {
            self.add_folder(fs::canonicalize(path).ok().as_deref().and_then(Path::parent));
        }
        metadata.is_dir()
    }

    fn add_unchanged(&mut self, folder: &Path, previous: &Self) {
        let versions = previous.versions.iter().filter(|(name, _)| name.starts_with(folder) && *name != folder);
        self.versions.extend(versions.map(|(name, version)| (name.clone(), *version)));
        let folders = previous.folders.iter().filter(|(name, _)| name.starts_with(folder));
        self.folders.extend(folders.map(|(name, identity)| (name.clone(), *identity)));
    }

    fn add_folder(&mut self, folder: Option<&Path>) {
        if let Some(folder) = folder.filter(|folder| !self.folders.contains_key(*folder))
            && let Ok(metadata) = fs::metadata(folder)
        {
            self.folders.insert(folder.to_owned(), (metadata.dev(), metadata.ino()));
        }
    }

    /// Returns the paths whose versions differ between this scan and another.
    fn differences(&self, other: &Self) -> Vec<PathBuf> {
        let names: BTreeSet<_> = self.versions.keys().chain(other.versions.keys()).collect();
        names.into_iter().filter(|name| self.versions.get(*name) != other.versions.get(*name)).cloned().collect()
    }
}

/// Returns the selected files in a folder, without temporary ones; at most [`MAX_FILES`].
fn selected_files(folder: &Path, selects: Selects) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if selects(&path) && !is_temporary(&path) {
            files.push(path);
        }
    }
    files.sort();
    files.truncate(MAX_FILES);
    Ok(files)
}

struct Watch {
    paths: Vec<PathBuf>,
    selects: Selects,
    last: Scan,
    /// The system's file watcher, if available, and its events.
    watcher: Option<(RecommendedWatcher, Receiver<Event>)>,
    /// Watched folders, with their device and inode at the time the watch was added.
    watched: BTreeMap<PathBuf, (u64, u64)>,
    /// When starting the system's file watcher was last attempted.
    started_at: Instant,
    troubles: Troubles,
    /// Whether the lack of watches has been reported.
    reported: bool,
}

impl Watch {
    fn new(paths: Vec<PathBuf>, selects: Selects, troubles: Troubles) -> Self {
        let paths: Vec<_> = paths.into_iter().map(|path| std::path::absolute(&path).unwrap_or(path)).collect();
        let mut watch = Self {
            last: Scan::default(),
            paths,
            selects,
            watcher: None,
            watched: BTreeMap::new(),
            started_at: Instant::now(),
            troubles,
            reported: false,
        };
        watch.last = Scan::run(&watch.paths, selects, &watch.last);
        watch.start_watcher();
        // Scan again with the watches in place; they report every later change.
        watch.last = Scan::run(&watch.paths, selects, &watch.last);
        watch
    }

    /// Starts the system's file watcher.
    fn start_watcher(&mut self) {
        self.started_at = Instant::now();
        let (sender, events) = sync_channel(QUEUE_CAPACITY);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if let Ok(event) = event {
                // If the queue is full, a scan is due anyway.
                let _ = sender.try_send(event);
            }
        });
        self.watched.clear();
        match watcher {
            Ok(watcher) => {
                self.watcher = Some((watcher, events));
                self.update_watches();
            }
            Err(error) => self.give_up(format_args!("the system cannot watch files: {}", reason(&error))),
        }
    }

    /// Continues without the system's file watcher until the next attempt to start it, and reports why.
    fn give_up(&mut self, problem: impl Display) {
        self.watcher = None;
        self.reported = true;
        let (poll, retry) = (POLL.as_secs(), RETRY.as_secs());
        self.troubles.set(
            Part::Watch,
            format!(
                "{problem}; Melos looks for changes every {poll} s instead, the last good state of every file stays in use, \
                 and watching is tried again every {retry} s"
            ),
        );
    }

    /// Watches every folder of the last scan, and stops watching folders that are no longer in it.
    fn update_watches(&mut self) {
        let Some((watcher, _)) = &mut self.watcher else { return };
        let mut failed = None;
        self.watched.retain(|folder, identity| {
            let is_current = self.last.folders.get(folder) == Some(identity);
            if !is_current {
                // The folder may have been deleted, and its watch with it.
                let _ = watcher.unwatch(folder);
            }
            is_current
        });
        for (folder, identity) in &self.last.folders {
            if !self.watched.contains_key(folder) {
                match watcher.watch(folder, RecursiveMode::NonRecursive) {
                    Ok(()) => drop(self.watched.insert(folder.clone(), *identity)),
                    // The folder has disappeared, even if it is back by now; the next scan finds it.
                    Err(error) if matches!(error.kind, ErrorKind::PathNotFound) || !folder.exists() => {}
                    Err(error) => failed = Some(unwatchable(folder, &error)),
                }
            }
        }
        match failed {
            Some(problem) => self.give_up(problem),
            None if std::mem::take(&mut self.reported) => self.troubles.clear(Part::Watch),
            None => {}
        }
    }

    fn run(&mut self, changed: &SyncSender<Changed>) {
        loop {
            if self.wait() == Err(WatcherEnded) {
                self.give_up("the system no longer reports changes to files");
            }
            let scan = Scan::run(&self.paths, self.selects, &self.last);
            let changed_paths = scan.differences(&self.last);
            self.last = scan;
            if self.watcher.is_none() && self.started_at.elapsed() >= RETRY {
                self.start_watcher();
            }
            self.update_watches();
            if !changed_paths.is_empty() && !send_changes(changed, changed_paths) {
                return;
            }
        }
    }

    /// Waits until a scan is due.
    fn wait(&self) -> Result<(), WatcherEnded> {
        if let Some((_, events)) = &self.watcher {
            return wait_for_burst(events, POLL);
        }
        thread::sleep(POLL);
        Ok(())
    }
}

/// Says which folder the system cannot watch, and why.
fn unwatchable(folder: &Path, error: &notify::Error) -> String {
    format!("the folder {} cannot be watched: {}", folder.display(), reason(error))
}

/// Returns the reason for an error of the system's file watcher, without the paths, which the caller names.
fn reason(error: &notify::Error) -> String {
    match &error.kind {
        ErrorKind::Io(error) => error.to_string(),
        ErrorKind::MaxFilesWatch => "the system's limit on watches (fs.inotify.max_user_watches) is reached".to_owned(),
        _ => "the system refuses it".to_owned(),
    }
}

/// Waits until the end of a burst of relevant events, or for `poll` if none begins.
fn wait_for_burst(events: &Receiver<Event>, poll: Duration) -> Result<(), WatcherEnded> {
    let poll_end = Instant::now() + poll;
    let mut burst_start: Option<Instant> = None;
    loop {
        let end = burst_start.map_or(poll_end, |start| start + MAX_DEBOUNCE);
        let remaining = end.saturating_duration_since(Instant::now());
        match events.recv_timeout(if burst_start.is_some() { DEBOUNCE.min(remaining) } else { remaining }) {
            Ok(event) if is_relevant(&event) => drop(burst_start.get_or_insert_with(Instant::now)),
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout) => return Ok(()),
            Err(RecvTimeoutError::Disconnected) => return Err(WatcherEnded),
        }
    }
}

/// The error that the system's file watcher has ended.
#[derive(Debug, PartialEq, Eq)]
struct WatcherEnded;

/// Sends the changed paths; returns false if the receiver was dropped.
fn send_changes(changed: &SyncSender<Changed>, paths: Vec<PathBuf>) -> bool {
    let mut change = Changed(paths);
    loop {
        match changed.try_send(change) {
            Ok(()) => return true,
            Err(TrySendError::Full(unsent)) => {
                change = unsent;
                thread::sleep(DEBOUNCE);
            }
            Err(TrySendError::Disconnected(_)) => return false,
        }
    }
}

/// Returns whether an event may mean that a file changed; false for reads and for ignored files.
fn is_relevant(event: &Event) -> bool {
    let is_change = match event.kind {
        EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
        _ => true,
    };
    is_change && (event.paths.is_empty() || event.paths.iter().any(|path| !is_temporary(path)))
}

/// Returns whether a path is hidden or an editor's temporary file: any name that starts with `.`, ends with `~`, `.tmp`,
/// `.swp` or `.swx`, or both starts and ends with `#`; or vim's probe `4913`.
fn is_temporary(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
    let extension = path.extension().and_then(|extension| extension.to_str());
    name.starts_with('.')
        || name.starts_with('#') && name.ends_with('#')
        || name.ends_with('~')
        || name == "4913"
        || matches!(extension, Some("tmp" | "swp" | "swx"))
}

#[cfg(test)]
mod tests;
