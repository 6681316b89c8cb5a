//! The state that survives a restart, saved in `state.toml`: parameter values, the preset and its journey, whether the
//! music is paused, the timer, the scenes and the learned controls.

mod salvage;
mod text;
mod writer;

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, channel, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::Settings;
use crate::conductor::Conductor;
use crate::event::ControlEvent;
use crate::event::parameter::{self, Param, Value};
use crate::event::{Part, Troubles};
use crate::files::scene::Scene;
use crate::files::{self, FolderLock};
use crate::midi::mapping::LearnedControl;
use crate::threads;

pub(super) use writer::Found;
use writer::Writer;

/// Minimum interval between writes, so that a moving fader does not wear out a memory card.
const WRITE_INTERVAL: Duration = Duration::from_secs(2);
/// Maximum time to wait for the disk on shutdown.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum file size in bytes: ten times the size of a thousand scenes with every parameter.
const MAX_BYTES: u64 = 16 << 20;

/// The saved state.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Saved {
    /// Parameter values; empty if none were saved.
    pub(super) values: Settings,
    /// The values of each scene stored while playing, by name.
    pub(super) scenes: BTreeMap<String, Settings>,
    /// Learned controls.
    pub(super) learned: Vec<LearnedControl>,
    /// The current step of the preset's journey, from 1.
    pub(super) journey: Option<usize>,
    /// The timer, if it is running, or has ended and left the music off.
    pub(super) timer: Option<SavedTimer>,
    /// Whether the music is off, for another reason than the timer or the opening hours.
    pub(super) paused: bool,
}

/// A timer that fades the music out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SavedTimer {
    /// When the timer ends or ended.
    pub(super) ends: Timestamp,
    /// The seconds for which it was set, which limits what is left if the clock is set back; 0 if it has ended.
    pub(super) seconds: u32,
    /// Whether the performance was stopped on purpose, rather than by a crash.
    pub(super) stopped: bool,
    /// The id of the boot during which it was saved, if known.
    pub(super) boot: Option<u128>,
}

/// When, and as which boot, the machine was started, as far as known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Boot {
    id: Option<u128>,
    time: Option<Timestamp>,
}

impl Boot {
    /// Reads the current boot's id and time.
    pub(super) fn current() -> Self {
        Self { id: boot_id(), time: boot_time() }
    }
}

/// What happens to a saved timer on the next start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum ResumedTimer {
    /// It continues, with this many seconds left.
    Running(f32),
    /// It has ended, and the music stays off.
    Ended,
    /// It has ended and no longer matters, because a new performance starts.
    Obsolete,
}

impl SavedTimer {
    /// Resumes the timer. If it has ended in the meantime, the music stays off, unless a new performance starts because the
    /// last one was stopped on purpose or the machine was switched off.
    pub(super) fn resume(self, now: Timestamp, boot: Boot) -> ResumedTimer {
        let left = self.ends.duration_since(now).min(SignedDuration::from_secs(self.seconds.into()));
        if left > SignedDuration::ZERO {
            return ResumedTimer::Running(left.as_secs_f32());
        }
        // If the clock has been set forward since the timer ended, the boot seems later than that, but its id is the same.
        let is_same_boot = boot.id.is_some() && boot.id == self.boot;
        let was_on = is_same_boot || boot.time.is_some_and(|time| time <= self.ends);
        let same_show = !self.stopped && was_on;
        if same_show { ResumedTimer::Ended } else { ResumedTimer::Obsolete }
    }
}

impl Saved {
    /// Loads the saved state from a folder; empty if there is none. Loads whatever is readable from a damaged file, reports
    /// the damage, and sets the file aside. Also returns the contents of the file, unless they could not be read or set
    /// aside and so must not be replaced yet.
    pub(super) fn load(folder: &Path, troubles: &Troubles) -> (Self, Option<Vec<u8>>) {
        let path = state_path(folder);
        let contents = match files::bytes(&path, MAX_BYTES) {
            Ok(contents) => contents,
            Err(error) => {
                if !is_absent(&path, &error) {
                    let path = path.display();
                    troubles.set(Part::SavedState, format!("{path} cannot be read ({error}); starting without it"));
                }
                return (Self::default(), None);
            }
        };
        let (saved, problems) = text::parse(&contents);
        if problems.is_empty() {
            return (saved, Some(contents));
        }
        let (outcome, contents) = match files::set_aside(&path, "damaged") {
            Ok(aside) => (format!("was kept as {}", aside.display()), Some(contents)),
            Err(error) => (format!("cannot be set aside yet: {error}"), None),
        };
        let (path, problems) = (path.display(), summary(&problems));
        troubles.set(
            Part::SavedState,
            format!("{path} is damaged ({problems}); using whatever is readable; the damaged file {outcome}"),
        );
        (saved, contents)
    }

    /// Captures the state of a performance; `scenes` are those stored while playing.
    pub(super) fn of<'a>(
        conductor: &Conductor,
        scenes: BTreeMap<String, Settings>,
        learned: impl Iterator<Item = &'a LearnedControl>,
        journey: Option<usize>,
        timer: Option<SavedTimer>,
        paused: bool,
    ) -> Self {
        let mut values = conductor.settings();
        let daemon_params = Param::all()
            .filter(|param| matches!(param.policy().saved, parameter::Saved::State | parameter::Saved::Loaded));
        values.extend(daemon_params.map(|param| (param, conductor.value(param))));
        Self { values, scenes, learned: learned.cloned().collect(), journey, timer, paused }
    }

    /// Returns the events that restore the scenes.
    pub(super) fn scene_events(&self) -> impl Iterator<Item = ControlEvent> {
        self.scenes.iter().flat_map(|(name, values)| scene_events(name, values))
    }
}

/// Returns the events that set values in a stored scene.
pub(super) fn scene_events(name: &str, values: &[(Param, Value)]) -> impl Iterator<Item = ControlEvent> {
    values.iter().map(|(param, value)| ControlEvent::SceneValue {
        name: name.to_owned(),
        param: *param,
        value: value.clone(),
    })
}

/// Lists the first few problems and the number of others.
fn summary(problems: &[String]) -> String {
    const MAX_SHOWN: usize = 3;
    let more = problems.len().saturating_sub(MAX_SHOWN);
    let first = problems.iter().take(MAX_SHOWN).cloned().collect::<Vec<_>>().join("; ");
    if more == 0 { first } else { format!("{first}; and {more} more") }
}

/// Parses a state file and formats it again, for tests; returns the new text and the number of problems.
#[doc(hidden)]
#[must_use]
pub fn reformat(bytes: &[u8]) -> (String, usize) {
    let (saved, problems) = text::parse(bytes);
    (text::format(&saved), problems.len())
}

/// Keeps `state.toml` up to date on a separate thread, so that the performance never waits for the disk.
#[derive(Debug)]
pub(super) struct StateFile {
    states: SyncSender<Saved>,
    found: Receiver<Found>,
    last_save: Option<Instant>,
    thread: JoinHandle<()>,
}

impl StateFile {
    /// Starts the thread for a folder. The thread creates the folder if it is missing, and keeps it locked. A file whose
    /// contents are not the `known` ones is set aside before it is replaced.
    ///
    /// # Errors
    /// When no thread can be created.
    pub(super) fn open(
        folder: &Path,
        lock: Option<FolderLock>,
        known: Option<Vec<u8>>,
        troubles: Troubles,
    ) -> io::Result<Self> {
        let (states, saved) = sync_channel(1);
        let (finds, found) = channel();
        let mut writer = Writer::new(folder, lock, known, finds, troubles);
        let thread = threads::spawn_restarting("melos-state", move || writer.run(&saved))?;
        Ok(Self { states, found, last_save: None, thread })
    }

    /// Returns the next scene or learned control that only a file by another program contained, to be taken over.
    pub(super) fn next_found(&self) -> Option<Found> {
        self.found.try_recv().ok()
    }

    /// Saves the state unless the last write is too recent or the disk is busy; a later call then saves it.
    pub(super) fn save(&mut self, state: impl FnOnce() -> Saved) {
        if self.last_save.is_none_or(|last_save| last_save.elapsed() >= WRITE_INTERVAL) {
            self.last_save = Some(Instant::now());
            let _ = self.states.try_send(state());
        }
    }

    /// Writes the final state and waits until it is on disk, up to a time limit.
    pub(super) fn close(self, mut state: Saved) {
        let Self { states, thread, .. } = self;
        let end = Instant::now() + CLOSE_TIMEOUT;
        let wait = || {
            thread::sleep(Duration::from_millis(10));
            Instant::now() < end
        };
        while let Err(TrySendError::Full(returned)) = states.try_send(state) {
            state = returned;
            if !wait() {
                return tracing::error!("the disk is not responding; the last changes were not saved");
            }
        }
        drop(states);
        while !thread.is_finished() {
            if !wait() {
                return tracing::error!("the disk is not responding; the last changes may not have been saved");
            }
        }
        let _ = thread.join();
    }
}

/// Returns whether the contents of a file are a saved state.
#[doc(hidden)]
#[must_use]
pub fn is_state(contents: &str) -> bool {
    contents.starts_with(text::START)
}

/// Returns the names of the readable scenes stored in a folder.
#[doc(hidden)]
#[must_use]
pub fn stored_scenes(folder: &Path) -> Vec<String> {
    read_scenes(folder).into_keys().collect()
}

/// Returns the text of a scene file for a scene stored in a folder.
#[doc(hidden)]
#[must_use]
pub fn stored_scene_file(folder: &Path, name: &str) -> Option<String> {
    read_scenes(folder).get(name).map(|values| Scene::format(values))
}

fn read_scenes(folder: &Path) -> BTreeMap<String, Settings> {
    let text = files::bytes(&state_path(folder), MAX_BYTES).unwrap_or_default();
    text::parse(&text).0.scenes
}

/// Returns when the state in a folder was last saved, which happens when it changes; `None` if it never was.
pub(super) fn last_saved(folder: &Path) -> Option<Timestamp> {
    let written = std::fs::metadata(state_path(folder)).and_then(|metadata| metadata.modified()).ok()?;
    Timestamp::try_from(written).ok()
}

/// Returns the id of the current boot, if known. It stays the same, so it is read only once.
pub(super) fn boot_id() -> Option<u128> {
    static ID: LazyLock<Option<u128>> = LazyLock::new(|| {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        parse_boot_id(&id)
    });
    *ID
}

/// Reads a boot's id, 32 hexadecimal digits with or without hyphens.
fn parse_boot_id(text: &str) -> Option<u128> {
    u128::from_str_radix(&text.trim().replace('-', ""), 16).ok()
}

/// Returns when the machine was started, if known.
fn boot_time() -> Option<Timestamp> {
    let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
    let seconds = uptime.split_whitespace().next()?.parse().ok()?;
    Timestamp::now().checked_sub(SignedDuration::try_from_secs_f64(seconds).ok()?).ok()
}

fn state_path(folder: &Path) -> PathBuf {
    folder.join("state.toml")
}

/// Returns whether an error means that there is no file. A link to a missing file may lead to a disk that is not mounted.
fn is_absent(path: &Path, error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound && !path.is_symlink()
}

#[cfg(test)]
mod tests;
