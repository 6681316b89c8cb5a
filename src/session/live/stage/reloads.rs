//! What people saved while it plays: files that were read again, networks that were loaded again.

use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;

use crate::files::config::{Config, ConfigChange, Cost};
use crate::session::live::networks::Replacement;
use crate::session::live::reload::Reloaded;

/// Where news of files arrive, and what the configuration was last.
pub(in crate::session::live) struct Reloads {
    pub(in crate::session::live) news: Receiver<Reloaded>,
    pub(in crate::session::live) networks: Receiver<Replacement>,
    /// What was asked for last.
    pub(in crate::session::live) config: Config,
    /// Folder for state and recordings.
    pub(in crate::session::live) folder: PathBuf,
}

impl Reloads {
    /// Files that were read again.
    pub(super) fn take_reloaded(&self) -> Option<Reloaded> {
        self.news.try_recv().ok()
    }

    /// Networks that were loaded again.
    pub(super) fn take_networks(&self) -> Option<Replacement> {
        self.networks.try_recv().ok()
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Takes a configuration; what is to be done about it now. What must wait for the next start is said.
    pub(super) fn configure(&mut self, config: Config) -> Vec<ConfigChange> {
        let changes = self.config.changes(&config);
        self.config = config;
        let (later, now): (Vec<_>, Vec<_>) = changes.into_iter().partition(|change| change.cost() == Cost::NextStart);
        if !later.is_empty() {
            let keys = later.iter().map(ConfigChange::key).collect::<Vec<_>>().join(", ");
            tracing::info!(keys, "in force from the next start");
        }
        now
    }
}
