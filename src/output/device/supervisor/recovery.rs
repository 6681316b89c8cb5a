//! Schedules the search for an output while there is none.

use std::time::{Duration, Instant};

use super::search::Search;
use crate::files::config::{AudioConfig, AudioHost};
use crate::output::device::route::Route;
use crate::output::device::stream_thread::Closing;

/// Interval between attempts to reopen the lost route.
const RETRY_INTERVAL: Duration = Duration::from_millis(200);
/// Interval between attempts to open any of the configured routes.
const RETRY_ALL_INTERVAL: Duration = Duration::from_secs(2);
/// Time limit for the last stream to close before another is opened, which can then reuse its name and device.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The state of the recovery from a lost stream.
pub(super) struct Recovery {
    /// The lost route.
    route: Option<Route>,
    /// When to retry the lost route.
    retry: Instant,
    /// When to retry all configured routes.
    retry_all: Instant,
    /// The last stream, and when its closing began.
    closing: Option<(Closing, Instant)>,
}

impl Recovery {
    /// Returns the initial state, in which all configured routes are due to be tried.
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self { route: None, retry: now, retry_all: now, closing: None }
    }

    /// Returns the state after a stream on `route` has begun to close.
    pub(super) fn from_closing(route: Route, closing: Closing) -> Self {
        let now = Instant::now();
        Self {
            route: Some(route),
            retry: now + RETRY_INTERVAL,
            retry_all: now + RETRY_ALL_INTERVAL,
            closing: Some((closing, now)),
        }
    }

    /// Schedules an immediate retry of the lost route.
    pub(super) fn retry_now(&mut self) {
        self.retry = Instant::now();
    }

    /// Schedules the next searches after a failed one.
    pub(super) fn search_failed(&mut self, covers_all_routes: bool) {
        self.retry = Instant::now() + RETRY_INTERVAL;
        if covers_all_routes {
            self.retry_all = Instant::now() + RETRY_ALL_INTERVAL;
        }
    }

    /// Gives up on the lost route, so that only the configured routes are retried.
    pub(super) fn give_up_route(&mut self) {
        self.route = None;
        self.retry_all = Instant::now() + RETRY_ALL_INTERVAL;
    }

    /// Returns the search that is due, if any. None is due if the null output is configured, because it is never lost.
    pub(super) fn due(&self, config: &AudioConfig) -> Option<Search> {
        let now = Instant::now();
        if config.host == AudioHost::Null {
            None
        } else if now >= self.retry_all {
            Some(Search::new(config, false, None))
        } else {
            self.route.clone().filter(|_| now >= self.retry).map(Search::for_route)
        }
    }

    /// Returns whether to wait for the last stream to close.
    pub(super) fn is_closing(&mut self) -> bool {
        self.closing.take_if(|(closing, since)| closing.is_done() || since.elapsed() >= CLOSE_TIMEOUT);
        self.closing.is_some()
    }
}
