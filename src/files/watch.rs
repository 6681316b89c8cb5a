//! Notices that what a path leads to is something else than before, so that a save takes effect while playing.
//!
//! What counts is what a look finds: which files there are behind the paths, links followed, and which versions of them.
//! So a link or a folder that leads elsewhere, a mount, a file saved in whatever way an editor has: all are noticed, and
//! what leaves everything as it was is not. A look is due every `POLL`, and at once when the system says that something
//! happened, as long as it gives watches for that. A burst of events is looked at after a moment of quiet; editors' own
//! files are ignored.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::event::{Part, Troubles};
use crate::threads;

/// A burst of events ends after this long without another.
const QUIET: Duration = Duration::from_millis(150);
/// A burst that does not end is looked at after this long.
const PATIENCE: Duration = Duration::from_millis(400);
/// Longest time between two looks.
const POLL: Duration = Duration::from_secs(2);
/// How often watches that the system does not give are asked for again.
const RETRY: Duration = Duration::from_secs(30);
/// Events that may wait; more are as good as these, since a look finds everything.
const WAITING: usize = 64;
/// Folders within folders that are looked at.
const DEEPEST: usize = 4;
/// Files that are looked at; a folder of more is none of ours.
const MOST: usize = 4096;

/// Files changed, came or went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed(pub Vec<PathBuf>);

/// Starts watching; what changes goes to `changed` until its receiver is dropped. A path may be a folder, which is
/// watched with everything in it, or a file; it need not exist yet. When `changed` is full its reader has news enough to
/// look at, and the burst is told again a little later. Watches that the system does not give are a trouble, and the
/// looks every two seconds do.
///
/// # Errors
/// When the thread cannot be started.
pub fn watch(paths: Vec<PathBuf>, changed: SyncSender<Changed>, troubles: Troubles) -> std::io::Result<()> {
    // The first look is before the thread, so that nothing is missed from here on.
    let mut watch = Watch::new(paths, troubles);
    threads::spawn_steady("melos-watch", move || watch.run(&changed)).map(drop)
}

/// A version of a file: another one has another of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    device: u64,
    inode: u64,
    /// `None` for folders, which change with what is in them.
    content: Option<Content>,
}

/// Seconds and nanoseconds since the epoch.
type Time = (i64, i64);

/// Length in bytes, and the times of the last writing and of the last change of any kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Content {
    length: u64,
    written: Time,
    changed: Time,
}

impl Version {
    fn of(metadata: &Metadata) -> Self {
        let content = (!metadata.is_dir()).then_some(Content {
            length: metadata.len(),
            written: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        });
        Self { device: metadata.dev(), inode: metadata.ino(), content }
    }
}

/// Everything behind some paths, by the name it is reached under.
#[derive(Debug, Default, PartialEq, Eq)]
struct Look {
    versions: BTreeMap<PathBuf, Version>,
    /// The folders in which something would happen first, with what they are.
    folders: BTreeMap<PathBuf, (u64, u64)>,
}

impl Look {
    /// What is there now; a folder that cannot be listed, for want of descriptors or for what its disk does, holds what it
    /// held before.
    fn at(paths: &[PathBuf], before: &Self) -> Self {
        let mut look = Self::default();
        for path in paths {
            look.add(path, 0, before);
        }
        look
    }

    fn add(&mut self, path: &Path, depth: usize, before: &Self) {
        self.add_folder(path.parent());
        let Ok(metadata) = fs::metadata(path) else { return };
        if self.versions.len() >= MOST {
            return;
        }
        self.versions.insert(path.to_owned(), Version::of(&metadata));
        if path.is_symlink() {
            self.add_folder(fs::canonicalize(path).ok().as_deref().and_then(Path::parent));
        }
        if !metadata.is_dir() || depth > DEEPEST {
            return;
        }
        self.add_folder(Some(path));
        match fs::read_dir(path).and_then(Iterator::collect::<std::io::Result<Vec<_>>>) {
            Ok(entries) => {
                let inside = entries.iter().map(fs::DirEntry::path).filter(|inside| !is_editors_own(inside));
                inside.for_each(|inside| self.add(&inside, depth + 1, before));
            }
            Err(_) => self.add_as_before(path, before),
        }
    }

    fn add_as_before(&mut self, folder: &Path, before: &Self) {
        let versions = before.versions.iter().filter(|(name, _)| name.starts_with(folder) && *name != folder);
        self.versions.extend(versions.map(|(name, version)| (name.clone(), *version)));
        let folders = before.folders.iter().filter(|(name, _)| name.starts_with(folder));
        self.folders.extend(folders.map(|(name, what)| (name.clone(), *what)));
    }

    fn add_folder(&mut self, folder: Option<&Path>) {
        if let Some(folder) = folder.filter(|folder| !self.folders.contains_key(*folder))
            && let Ok(metadata) = fs::metadata(folder)
        {
            self.folders.insert(folder.to_owned(), (metadata.dev(), metadata.ino()));
        }
    }

    /// The names behind which something else is than in another look.
    fn differences(&self, other: &Self) -> Vec<PathBuf> {
        let names: BTreeSet<_> = self.versions.keys().chain(other.versions.keys()).collect();
        names.into_iter().filter(|name| self.versions.get(*name) != other.versions.get(*name)).cloned().collect()
    }
}

struct Watch {
    paths: Vec<PathBuf>,
    last: Look,
    /// The system's watches, where it gives them, and their events.
    hints: Option<(RecommendedWatcher, Receiver<Event>)>,
    /// Folders watched, with what they were then.
    armed: BTreeMap<PathBuf, (u64, u64)>,
    asked: Instant,
    troubles: Troubles,
    /// Whether this watch has said that it has none.
    said: bool,
}

impl Watch {
    fn new(paths: Vec<PathBuf>, troubles: Troubles) -> Self {
        let paths: Vec<_> = paths.into_iter().map(|path| std::path::absolute(&path).unwrap_or(path)).collect();
        // Watches come before the look, so that what happens in between is noticed.
        let mut watch = Self {
            last: Look::default(),
            paths,
            hints: None,
            armed: BTreeMap::new(),
            asked: Instant::now(),
            troubles,
            said: false,
        };
        watch.last = Look::at(&watch.paths, &watch.last);
        watch.ask_for_watches();
        watch.last = Look::at(&watch.paths, &watch.last);
        watch
    }

    /// Asks the system for its watches.
    fn ask_for_watches(&mut self) {
        self.asked = Instant::now();
        let (sender, events) = sync_channel(WAITING);
        let made = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if let Ok(event) = event {
                // Full: a look is due already.
                let _ = sender.try_send(event);
            }
        });
        self.armed.clear();
        match made {
            Ok(watcher) => {
                self.hints = Some((watcher, events));
                self.arm();
            }
            Err(error) => self.give_up(&error),
        }
    }

    /// Goes on without the system's watches.
    fn give_up(&mut self, error: &dyn std::fmt::Display) {
        self.hints = None;
        self.said = true;
        let seconds = POLL.as_secs();
        self.troubles
            .set(Part::Watch, format!("files cannot be watched ({error}); they are looked at every {seconds} s"));
    }

    /// Watches the folders that matter now and are not watched yet.
    fn arm(&mut self) {
        let Some((watcher, _)) = &mut self.hints else { return };
        let mut failed = None;
        self.armed.retain(|folder, what| {
            let same = self.last.folders.get(folder) == Some(what);
            if !same {
                // It may be gone, and its watch with it.
                let _ = watcher.unwatch(folder);
            }
            same
        });
        for (folder, what) in &self.last.folders {
            if !self.armed.contains_key(folder) {
                match watcher.watch(folder, RecursiveMode::NonRecursive) {
                    Ok(()) => drop(self.armed.insert(folder.clone(), *what)),
                    // One that is gone again is no trouble.
                    Err(_) if !folder.exists() => {}
                    Err(error) => failed = Some(error),
                }
            }
        }
        match failed {
            Some(error) => self.give_up(&error),
            None if std::mem::take(&mut self.said) => self.troubles.clear(Part::Watch),
            None => {}
        }
    }

    fn run(&mut self, changed: &SyncSender<Changed>) {
        loop {
            if self.wait() == Err(Dead) {
                self.give_up(&"the watcher ended");
            }
            let look = Look::at(&self.paths, &self.last);
            let different = look.differences(&self.last);
            self.last = look;
            if self.hints.is_none() && self.asked.elapsed() >= RETRY {
                self.ask_for_watches();
            }
            self.arm();
            if !different.is_empty() && !tell(changed, different) {
                return;
            }
        }
    }

    /// Waits until a look is due: for the end of a burst of events, at most [`POLL`].
    fn wait(&self) -> Result<(), Dead> {
        let Some((_, events)) = &self.hints else {
            thread::sleep(POLL);
            return Ok(());
        };
        let mut first: Option<Instant> = None;
        loop {
            let wait = match first {
                None => POLL,
                Some(first) => QUIET.min((first + PATIENCE).saturating_duration_since(Instant::now())),
            };
            match events.recv_timeout(wait) {
                Ok(event) if counts(&event) => drop(first.get_or_insert_with(Instant::now)),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return Ok(()),
                Err(RecvTimeoutError::Disconnected) => return Err(Dead),
            }
        }
    }
}

/// The watcher ended.
#[derive(Debug, PartialEq, Eq)]
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

/// Reading a file is no change, and what editors do beside it is none.
fn counts(event: &Event) -> bool {
    let happened = match event.kind {
        EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
        _ => true,
    };
    happened && (event.paths.is_empty() || event.paths.iter().any(|path| !is_editors_own(path)))
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
mod tests;
