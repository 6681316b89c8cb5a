//! The requested output configuration, passed from the performance thread to the supervisor.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::files::config::AudioConfig;

/// The current configuration, and a requested one until the supervisor takes it.
#[derive(Debug)]
pub(super) struct RequestedConfig(Mutex<(AudioConfig, Option<AudioConfig>)>);

impl RequestedConfig {
    pub(super) fn new(current: AudioConfig) -> Self {
        Self(Mutex::new((current, None)))
    }

    /// Requests a configuration; if it is the current one, only cancels any pending request.
    pub(super) fn set(&self, config: AudioConfig) {
        let mut configs = self.lock();
        configs.1 = (config != configs.0).then_some(config);
    }

    /// Takes the requested configuration, if any.
    pub(super) fn take(&self) -> Option<AudioConfig> {
        self.lock().1.take()
    }

    /// Sets the current configuration.
    pub(super) fn set_current(&self, config: AudioConfig) {
        self.lock().0 = config;
    }

    /// Returns whether a request is pending.
    #[cfg(test)]
    pub(super) fn is_pending(&self) -> bool {
        self.lock().1.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, (AudioConfig, Option<AudioConfig>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
