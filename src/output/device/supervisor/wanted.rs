//! What the configuration asks of the output, handed from the performance thread to the supervisor.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::files::config::AudioConfig;

/// The way it is played, and another one that was asked for until the supervisor takes it up.
#[derive(Debug)]
pub(super) struct Wanted(Mutex<(AudioConfig, Option<AudioConfig>)>);

impl Wanted {
    pub(super) fn new(present: AudioConfig) -> Self {
        Self(Mutex::new((present, None)))
    }

    /// Asks for a way; the one that is taken already needs nothing.
    pub(super) fn set(&self, config: AudioConfig) {
        let mut ways = self.lock();
        ways.1 = (config != ways.0).then_some(config);
    }

    pub(super) fn take(&self) -> Option<AudioConfig> {
        self.lock().1.take()
    }

    /// Notes the way that is taken now.
    pub(super) fn took(&self, config: AudioConfig) {
        self.lock().0 = config;
    }

    /// Whether another way waits to be taken up.
    #[cfg(test)]
    pub(super) fn is_waiting(&self) -> bool {
        self.lock().1.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, (AudioConfig, Option<AudioConfig>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
