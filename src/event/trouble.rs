//! What does not work now, in words: the parts that the music does not depend on.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// A part that may fail while the music goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// What was kept of the last performance.
    SavedState,
    /// Keeping the state for the next one.
    State,
    /// Having the state folder alone.
    Lock,
    /// Recording.
    Recording,
    /// The control log.
    ControlLog,
    /// Noticing that files change.
    Watch,
    /// Presets, mappings and configuration as they are on disk.
    Files,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SavedState => "saved-state",
            Self::State => "state",
            Self::Lock => "lock",
            Self::Recording => "recording",
            Self::ControlLog => "control-log",
            Self::Watch => "watch",
            Self::Files => "files",
        })
    }
}

/// What does not work now; clones are the same. A change is logged once, so a fault that stays fills no log.
#[derive(Debug, Clone, Default)]
pub struct Troubles(Arc<Mutex<Told>>);

#[derive(Debug, Default)]
struct Told {
    now: BTreeMap<Part, String>,
    /// Counts changes.
    version: u64,
}

impl Troubles {
    /// A part does not work, for a reason.
    pub fn set(&self, part: Part, reason: impl fmt::Display) {
        let reason = reason.to_string();
        let mut told = self.told();
        if told.now.get(&part) == Some(&reason) {
            return;
        }
        told.now.insert(part, reason.clone());
        told.version += 1;
        // A log that is slow holds up no one who asks.
        drop(told);
        tracing::warn!("{part}: {reason}");
    }

    /// A part works.
    pub fn clear(&self, part: Part) {
        let mut told = self.told();
        if told.now.remove(&part).is_none() {
            return;
        }
        told.version += 1;
        drop(told);
        tracing::info!("{part}: all right again");
    }

    /// Everything that does not work now, and a number that is another whenever that changes.
    #[must_use]
    pub fn now(&self) -> (BTreeMap<Part, String>, u64) {
        let told = self.told();
        (told.now.clone(), told.version)
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        // Every change is whole; a panic elsewhere leaves it readable.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_work_is_known_until_it_does() {
        let troubles = Troubles::default();
        troubles.clear(Part::State);
        let quiet = troubles.now();
        troubles.set(Part::State, "the disk is full");
        let full = troubles.clone().now();
        troubles.set(Part::State, "the disk is full");
        assert_eq!(troubles.now(), full);
        assert_eq!(full.0, [(Part::State, "the disk is full".to_owned())].into());
        assert_ne!(quiet.1, full.1);
        troubles.clear(Part::State);
        assert!(troubles.now().0.is_empty() && troubles.now().1 != full.1);
    }
}
