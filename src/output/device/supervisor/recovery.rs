//! Schedules the search for an output while there is none.

use std::time::{Duration, Instant};

use super::search::Search;
use crate::files::config::{AudioConfig, AudioHost};
use crate::output::device::route::Route;
use crate::output::device::stream_thread::Closing;

/// Interval for retrying a lost device.
const RETRY_INTERVAL: Duration = Duration::from_millis(200);
/// Interval for retrying every configured route.
const RETRY_ALL_INTERVAL: Duration = Duration::from_secs(2);
/// Time for the last stream to close before another is opened, so that it can reuse its name and device.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Schedules the search for a route.
pub(super) struct Recovery {
    /// The lost route.
    route: Option<Route>,
    retry: Instant,
    retry_all: Instant,
    /// The last stream, and when it was left.
    closing: Option<(Closing, Instant)>,
}

impl Recovery {
    /// The initial state, in which everything is due.
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self { route: None, retry: now, retry_all: now, closing: None }
    }

    /// The state after a stream on `route` was left.
    pub(super) fn of(route: Route, closing: Closing) -> Self {
        let now = Instant::now();
        Self {
            route: Some(route),
            retry: now + RETRY_INTERVAL,
            retry_all: now + RETRY_ALL_INTERVAL,
            closing: Some((closing, now)),
        }
    }

    /// Makes the lost route due at once.
    pub(super) fn hurry(&mut self) {
        self.retry = Instant::now();
    }

    /// Starts a new interval after a failed search.
    pub(super) fn failed(&mut self, is_whole: bool) {
        self.retry = Instant::now() + RETRY_INTERVAL;
        if is_whole {
            self.retry_all = Instant::now() + RETRY_ALL_INTERVAL;
        }
    }

    /// Gives up the lost route: only the configured ones are retried.
    pub(super) fn give_up_route(&mut self) {
        self.route = None;
        self.retry_all = Instant::now() + RETRY_ALL_INTERVAL;
    }

    /// The search that is due, if any. The null output is never lost, so a configuration with nothing else has none.
    pub(super) fn due(&self, config: &AudioConfig) -> Option<Search> {
        let now = Instant::now();
        if config.host == AudioHost::Null {
            None
        } else if now >= self.retry_all {
            Some(Search::new(config, false, None))
        } else {
            self.route.clone().filter(|_| now >= self.retry).map(Search::of)
        }
    }

    /// Whether to wait for the last stream to close.
    pub(super) fn is_closing(&mut self) -> bool {
        self.closing.take_if(|(closing, since)| closing.is_done() || since.elapsed() >= CLOSE_TIMEOUT);
        self.closing.is_some()
    }
}
