//! Changes made on disk while playing: reloaded files and networks.

use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;

use crate::files::config::schedule::Schedule;
use crate::files::config::{Config, ConfigChange, TakesEffect};
use crate::session::live::networks::Replacement;
use crate::session::live::reload::Reloaded;

/// Receives reloaded files and networks, and holds the current configuration.
pub(in crate::session::live) struct Reloads {
    pub(in crate::session::live) files: Receiver<Reloaded>,
    pub(in crate::session::live) networks: Receiver<Replacement>,
    /// The current configuration.
    pub(in crate::session::live) config: Config,
    /// The folder for the state and the recordings.
    pub(in crate::session::live) folder: PathBuf,
}

impl Reloads {
    /// Returns reloaded files, if any.
    pub(super) fn take_reloaded(&self) -> Option<Reloaded> {
        self.files.try_recv().ok()
    }

    /// Returns reloaded networks, if any.
    pub(super) fn take_networks(&self) -> Option<Replacement> {
        self.networks.try_recv().ok()
    }

    /// Returns the opening hours, if any are configured.
    pub(super) const fn schedule(&self) -> Option<&Schedule> {
        self.config.schedule.as_ref()
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Replaces the configuration. Returns the changes to apply now, and logs those that need a restart.
    pub(super) fn configure(&mut self, config: Config) -> Vec<ConfigChange> {
        let changes = self.config.changes(&config);
        self.config = config;
        let (later, now): (Vec<_>, Vec<_>) =
            changes.into_iter().partition(|change| change.takes_effect() == TakesEffect::NextStart);
        if !later.is_empty() {
            let keys = later.iter().map(ConfigChange::key).collect::<Vec<_>>().join(", ");
            tracing::info!(keys, "restart Melos to apply these changes");
        }
        now
    }
}
