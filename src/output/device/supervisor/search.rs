//! Tries output routes one after the other until one works.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::files::config::AudioConfig;
use crate::output::device::route::{AudioError, Route, routes};
use crate::output::device::status::OutputStatus;
use crate::output::device::stream_thread::{StreamThread, Threads};

/// Time limit for a server to open a stream.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);

/// Routes to try one after the other.
pub(super) struct Search {
    routes: VecDeque<Route>,
    trying: Option<(Route, StreamThread)>,
    tried: Vec<String>,
    /// A new configuration, which takes effect if one of its routes works.
    pub(super) config: Option<AudioConfig>,
    /// Whether the search covers all routes.
    pub(super) is_whole: bool,
}

/// The result of a step of the search.
pub(super) enum Found {
    /// The search continues.
    Nothing(Search),
    /// A working stream and its name.
    Stream { route: Route, stream: StreamThread, name: String },
    /// The null output, and why the previous routes failed.
    Null { tried: Vec<String> },
    /// No route works.
    NoRoute { is_whole: bool, error: AudioError },
}

impl Search {
    /// All routes of a configuration; `allow_null` allows the null output when there is no device.
    pub(super) fn new(config: &AudioConfig, allow_null: bool, changing: Option<AudioConfig>) -> Self {
        let mut routes: VecDeque<_> = routes(config.host, config.device.as_deref()).into();
        if !allow_null && routes.len() > 1 {
            routes.retain(|route| *route != Route::Null);
        }
        Self { routes, trying: None, tried: Vec::new(), config: changing, is_whole: true }
    }

    /// The lost route.
    pub(super) fn of(route: Route) -> Self {
        Self { routes: [route].into(), trying: None, tried: Vec::new(), config: None, is_whole: false }
    }

    /// Starts opening the next route, or checks whether the current one has opened. Does not block.
    pub(super) fn step(mut self, block: Option<u32>, status: &Arc<OutputStatus>, threads: &Threads) -> Found {
        let Some((route, stream)) = self.trying.take() else {
            return match self.routes.pop_front() {
                None => Found::NoRoute { is_whole: self.is_whole, error: AudioError::NoRoute(self.tried) },
                Some(Route::Null) => Found::Null { tried: self.tried },
                Some(route) => {
                    match StreamThread::open(&route, block, status, threads) {
                        Ok(stream) => self.trying = Some((route, stream)),
                        Err(error) => self.tried.push(error.to_string()),
                    }
                    Found::Nothing(self)
                }
            };
        };
        match stream.answer() {
            Some(Ok(name)) => return Found::Stream { route, stream, name },
            Some(Err(error)) => self.tried.push(error.to_string()),
            None if stream.age() > OPEN_TIMEOUT => self.tried.push(AudioError::Hung.to_string()),
            None => self.trying = Some((route, stream)),
        }
        Found::Nothing(self)
    }
}
