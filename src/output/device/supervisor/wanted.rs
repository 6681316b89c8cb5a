//! The requested output configuration, passed from the performance thread to the supervisor.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::files::config::AudioConfig;

/// The current configuration, and a newly requested one until the supervisor picks it up.
#[derive(Debug)]
pub(super) struct Wanted(Mutex<(AudioConfig, Option<AudioConfig>)>);

impl Wanted {
    pub(super) fn new(present: AudioConfig) -> Self {
        Self(Mutex::new((present, None)))
    }

    /// Requests a configuration, unless it is the current one.
    pub(super) fn set(&self, config: AudioConfig) {
        let mut configs = self.lock();
        configs.1 = (config != configs.0).then_some(config);
    }

    pub(super) fn take(&self) -> Option<AudioConfig> {
        self.lock().1.take()
    }

    /// Records the current configuration.
    pub(super) fn applied(&self, config: AudioConfig) {
        self.lock().0 = config;
    }

    /// Whether a request is pending.
    #[cfg(test)]
    pub(super) fn is_waiting(&self) -> bool {
        self.lock().1.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, (AudioConfig, Option<AudioConfig>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
