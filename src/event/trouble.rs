//! Current failures of optional parts.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// A part that may fail while the music continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Restoring the state of the last performance.
    SavedState,
    /// Saving the state for the next performance.
    State,
    /// Saving the OSC subscriptions for the next performance.
    Subscriptions,
    /// Locking the state folder.
    Lock,
    /// Recording.
    Recording,
    /// The control log.
    ControlLog,
    /// The checkpoints of the control log.
    Checkpoints,
    /// Saving the log to disk.
    Log,
    /// Watching files for changes.
    Watch,
    /// Reading presets, setlists, mappings and the configuration.
    Files,
    /// Reloading the model.
    Model,
    /// Receiving OSC.
    Osc,
    /// Serving the page and OSCQuery.
    Http,
    /// The external tempo source.
    Tempo,
    /// The opening hours.
    Schedule,
    /// Full quality, for which the machine is too slow.
    Economy,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SavedState => "saved-state",
            Self::State => "state",
            Self::Subscriptions => "subscriptions",
            Self::Lock => "lock",
            Self::Recording => "recording",
            Self::ControlLog => "control-log",
            Self::Checkpoints => "checkpoints",
            Self::Log => "log",
            Self::Watch => "watch",
            Self::Files => "files",
            Self::Model => "model",
            Self::Osc => "osc",
            Self::Http => "http",
            Self::Tempo => "tempo",
            Self::Schedule => "schedule",
            Self::Economy => "economy",
        })
    }
}

/// Current troubles, shared by all clones. Each change is logged once, so that a persistent failure does not fill the
/// log.
#[derive(Debug, Clone, Default)]
pub struct Troubles(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    current: BTreeMap<Part, String>,
    /// Number of changes.
    version: u64,
}

impl Troubles {
    /// Records that a part has failed, and why.
    pub fn set(&self, part: Part, reason: impl fmt::Display) {
        let reason = reason.to_string();
        if self.set_unlogged(part, &reason) {
            tracing::warn!("{part}: {reason}");
        }
    }

    /// Records a failure like [`Self::set`], but logs nothing, because the caller logs the details. Returns whether the
    /// reason is new.
    pub fn set_unlogged(&self, part: Part, reason: &str) -> bool {
        let mut state = self.state();
        if state.current.get(&part).is_some_and(|current| current == reason) {
            return false;
        }
        state.current.insert(part, reason.to_owned());
        state.version += 1;
        true
    }

    /// Records why a part has failed, or that it works.
    pub fn update(&self, part: Part, reason: Option<impl fmt::Display>) {
        match reason {
            Some(reason) => self.set(part, reason),
            None => self.clear(part),
        }
    }

    /// Records that a part works again.
    pub fn clear(&self, part: Part) {
        let mut state = self.state();
        if state.current.remove(&part).is_none() {
            return;
        }
        state.version += 1;
        drop(state);
        tracing::info!("{part}: resolved");
    }

    /// Forgets why a part has failed, because it no longer matters.
    pub fn forget(&self, part: Part) {
        let mut state = self.state();
        if state.current.remove(&part).is_some() {
            state.version += 1;
        }
    }

    /// Returns the current troubles, and a version number that changes with them.
    #[must_use]
    pub fn now(&self) -> (BTreeMap<Part, String>, u64) {
        let state = self.state();
        (state.current.clone(), state.version)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No panic can interrupt a change, so the state is valid even if the lock is poisoned.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_lasts_until_it_is_cleared() {
        let troubles = Troubles::default();
        troubles.clear(Part::State);
        let before = troubles.now();
        troubles.set(Part::State, "the disk is full");
        let full = troubles.clone().now();
        troubles.set(Part::State, "the disk is full");
        assert_eq!(troubles.now(), full);
        assert_eq!(full.0, [(Part::State, "the disk is full".to_owned())].into());
        assert_ne!(before.1, full.1);
        troubles.clear(Part::State);
        assert!(troubles.now().0.is_empty() && troubles.now().1 != full.1);
    }

    #[test]
    fn a_forgotten_trouble_is_not_reported_as_working_again() {
        let subscriber =
            tracing_subscriber::fmt().with_writer(|| -> std::io::Sink { panic!("nothing should be logged") }).finish();
        let troubles = Troubles::default();
        troubles.set(Part::Tempo, "no MIDI clock received");
        tracing::subscriber::with_default(subscriber, || troubles.forget(Part::Tempo));
        assert!(troubles.now().0.is_empty());
    }
}
