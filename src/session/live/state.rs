//! The state that survives a restart: parameter values, the preset, the scenes and learnt controls, in `state.toml`.

mod text;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{fs, io};

use crate::conductor::Conductor;
use crate::event::ControlEvent;
use crate::event::health::{Loss, Losses};
use crate::event::parameter::{self, Param, Value};
use crate::midi::mapping::Learned;

/// Changes are written at most this often, so that a fader does not wear a memory card out.
const INTERVAL: Duration = Duration::from_secs(2);

/// Everything that is kept.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Saved {
    /// What was steered; empty when there is nothing.
    pub(super) values: Vec<(Param, Value)>,
    /// What the scenes hold, by name.
    pub(super) scenes: BTreeMap<String, Vec<(Param, Value)>>,
    /// Controls that were learnt while playing.
    pub(super) learned: Vec<Learned>,
}

impl Saved {
    /// The saved state in a folder; nothing where there is none. A damaged file is said and ignored: an installation
    /// must start.
    pub(super) fn load(folder: &Path) -> Self {
        let path = file(folder);
        let Ok(written) = fs::read_to_string(&path) else { return Self::default() };
        text::parse(&written).unwrap_or_else(|error| {
            tracing::warn!(path = %path.display(), %error, "the saved state is damaged; starting without it");
            Self::default()
        })
    }

    /// The state of a performance.
    pub(super) fn of<'a>(conductor: &Conductor, learned: impl Iterator<Item = &'a Learned>) -> Self {
        let mut values = conductor.settings();
        let of_the_daemon = Param::all().filter(|param| param.policy().saved == parameter::Saved::State);
        values.extend(of_the_daemon.map(|param| (param, conductor.value(param))));
        let scenes = conductor.scenes().map(|(name, values)| (name.to_owned(), values)).collect();
        Self { values, scenes, learned: learned.cloned().collect() }
    }

    /// What brings the scenes back.
    pub(super) fn scene_events(&self) -> impl Iterator<Item = ControlEvent> {
        self.scenes.iter().flat_map(|(name, values)| {
            values.iter().map(|(param, value)| ControlEvent::SceneValue {
                name: name.clone(),
                param: *param,
                value: value.clone(),
            })
        })
    }
}

/// Keeps `state.toml` up to date, on a thread of its own: who plays never waits for the disk.
#[derive(Debug)]
pub(super) struct StateFile {
    states: SyncSender<Saved>,
    last: Option<Instant>,
    thread: JoinHandle<()>,
}

impl StateFile {
    /// Starts the thread for a folder, which is made if missing.
    ///
    /// # Errors
    /// When the folder cannot be made or the system gives no thread.
    pub(super) fn open(folder: &Path, losses: Arc<Losses>) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let path = file(folder);
        let (states, saved) = sync_channel(1);
        let thread =
            thread::Builder::new().name("melos-state".to_owned()).spawn(move || write(&path, &saved, &losses))?;
        Ok(Self { states, last: None, thread })
    }

    /// Hands over the state if the last time is long enough ago; a disk that is not done yet gets it later.
    pub(super) fn save(&mut self, state: impl FnOnce() -> Saved) {
        if self.last.is_none_or(|last| last.elapsed() >= INTERVAL) {
            self.last = Some(Instant::now());
            let _ = self.states.try_send(state());
        }
    }

    /// Writes the last state and waits until it is on the disk.
    pub(super) fn close(self, state: Saved) {
        let _ = self.states.send(state);
        drop(self.states);
        let _ = self.thread.join();
    }
}

fn file(folder: &Path) -> PathBuf {
    folder.join("state.toml")
}

/// Writes what changed until there is nothing more to come.
fn write(path: &Path, states: &Receiver<Saved>, losses: &Losses) {
    let mut written = Saved::default();
    for state in states {
        if state == written {
            continue;
        }
        // Written beside and renamed, so that a power cut leaves the old file or the new one.
        let beside = path.with_extension("new");
        match fs::write(&beside, text::format(&state)).and_then(|()| fs::rename(&beside, path)) {
            Ok(()) => written = state,
            Err(error) => {
                losses.add(Loss::State, 1);
                tracing::warn!(path = %path.display(), %error, "the state could not be saved");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Saved {
        let values = vec![
            (Param::Valence, Value::Number(0.1)),
            (Param::Hold, Value::Toggle(true)),
            (Param::Key, Value::Choice(9)),
            (Param::Chord, Value::Text("Am7".to_owned())),
            (Param::SceneA, Value::Text("A\"m\n7".to_owned())),
        ];
        let dawn = vec![(Param::Reverb, Value::Number(0.25)), (Param::Tempo, Value::Number(66.0))];
        let learned = vec![Learned::new("My \"box\"", "[[bind]]\ncc = 7\nto = \"reverb\"\n").unwrap()];
        Saved { learned, values, scenes: [("dawn \"x\".1".to_owned(), dawn), ("empty".to_owned(), Vec::new())].into() }
    }

    #[test]
    fn state_survives() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Saved::load(folder.path()), Saved::default());
        StateFile::open(folder.path(), Arc::default()).unwrap().close(some());
        assert_eq!(Saved::load(folder.path()), some());
    }

    #[test]
    fn scenes_come_back_into_the_conductor() {
        let mut first = Conductor::new(1, &[]);
        for (param, value) in [(Param::Reverb, Value::Number(0.75)), (Param::SceneStore, Value::Text("hall".into()))] {
            first.apply(&ControlEvent::Set(param, value)).unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        StateFile::open(folder.path(), Arc::default()).unwrap().close(Saved::of(&first, [].iter()));

        let saved = Saved::load(folder.path());
        let mut second = Conductor::new(1, &[]);
        for event in saved.scene_events() {
            second.apply(&event).unwrap();
        }
        assert!(first.scenes().eq(second.scenes()));
        second.apply(&ControlEvent::Set(Param::Scene, Value::Text("hall".into()))).unwrap();
        assert_eq!(second.value(Param::Reverb), Value::Number(0.75));
    }

    #[test]
    fn damage_does_not_stop_the_show() {
        let folder = tempfile::tempdir().unwrap();
        for damaged in ["valence = [1", "scenes = 3", "learned = 1", "[scenes]\ndawn = 1"] {
            fs::write(file(folder.path()), damaged).unwrap();
            assert_eq!(Saved::load(folder.path()), Saved::default(), "{damaged}");
        }
        let bad = "[[learned]]\ndevice = \"box\"\nblock = \"[[bind]]\"\n[[learned]]\n";
        fs::write(file(folder.path()), format!("valence = 0.5\n{bad}")).unwrap();
        let rest = Saved { values: vec![(Param::Valence, Value::Number(0.5))], ..Saved::default() };
        assert_eq!(Saved::load(folder.path()), rest, "controls that cannot be read are left out");
        fs::write(file(folder.path()), "gone = 1\nvalence = 0.5\n").unwrap();
        assert_eq!(Saved::load(folder.path()).values, [(Param::Valence, Value::Number(0.5))]);
    }

    #[test]
    fn a_disk_that_takes_nothing_does_not_hold_anyone_up() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = StateFile::open(folder.path(), Arc::default()).unwrap();
        fs::remove_dir_all(folder.path()).unwrap();
        file.save(some);
        file.save(|| panic!("the last time is not long enough ago"));
        file.close(some());
    }
}
