//! Tries output routes one after the other until one works.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::files::config::AudioConfig;
use crate::output::device::route::{AudioError, Route, routes};
use crate::output::device::status::OutputStatus;
use crate::output::device::stream_thread::{StreamThread, ThreadCount};

/// Time limit for opening a stream.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);

/// Routes to try one after the other.
pub(super) struct Search {
    routes: VecDeque<Route>,
    /// The route being opened.
    current: Option<(Route, StreamThread)>,
    /// Why the previous routes failed.
    failures: Vec<String>,
    /// A new configuration, which takes effect if one of its routes works.
    pub(super) config: Option<AudioConfig>,
    /// Whether the search covers all configured routes.
    covers_all_routes: bool,
}

/// The result of a step of the search.
pub(super) enum SearchStep {
    /// The search continues.
    Continue(Search),
    /// A working stream and its name.
    Stream { route: Route, stream: StreamThread, name: String },
    /// The null output, and why the previous routes failed.
    Null { failures: Vec<String> },
    /// No route works.
    NoRoute { covers_all_routes: bool, error: AudioError },
}

impl Search {
    /// Creates a search through all routes of a configuration. With `allow_null`, the null output is used if no device
    /// works; otherwise, only if it is the configured output. `new_config` takes effect if a route works.
    pub(super) fn new(config: &AudioConfig, allow_null: bool, new_config: Option<AudioConfig>) -> Self {
        let mut routes: VecDeque<_> = routes(config.host, config.device.as_deref()).into();
        if !allow_null && routes.len() > 1 {
            routes.retain(|route| *route != Route::Null);
        }
        Self { routes, current: None, failures: Vec::new(), config: new_config, covers_all_routes: true }
    }

    /// Creates a search that tries only one route.
    pub(super) fn for_route(route: Route) -> Self {
        Self { routes: [route].into(), current: None, failures: Vec::new(), config: None, covers_all_routes: false }
    }

    /// Starts opening the next route, or checks whether the current one has opened. Does not block.
    pub(super) fn step(mut self, block: Option<u32>, status: &Arc<OutputStatus>, threads: &ThreadCount) -> SearchStep {
        let Some((route, stream)) = self.current.take() else {
            return match self.routes.pop_front() {
                None => SearchStep::NoRoute {
                    covers_all_routes: self.covers_all_routes,
                    error: AudioError::NoRoute(self.failures),
                },
                Some(Route::Null) => SearchStep::Null { failures: self.failures },
                Some(route) => {
                    match StreamThread::open(&route, block, status, threads) {
                        Ok(stream) => self.current = Some((route, stream)),
                        Err(error) => self.failures.push(error.to_string()),
                    }
                    SearchStep::Continue(self)
                }
            };
        };
        match stream.result() {
            Some(Ok(name)) => return SearchStep::Stream { route, stream, name },
            Some(Err(error)) => self.failures.push(error.to_string()),
            None if stream.elapsed() > OPEN_TIMEOUT => self.failures.push(AudioError::Hung.to_string()),
            None => self.current = Some((route, stream)),
        }
        SearchStep::Continue(self)
    }
}
