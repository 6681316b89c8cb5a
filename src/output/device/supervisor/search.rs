//! Ways for the sound that are tried one after the other until one works.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::files::config::AudioConfig;
use crate::output::device::line::{Line, Threads};
use crate::output::device::route::{AudioError, Route, routes};
use crate::output::device::status::OutputStatus;

/// How long a server may take to open a stream.
const PATIENCE: Duration = Duration::from_secs(5);

/// Ways that are tried one after the other.
pub(super) struct Search {
    ways: VecDeque<Route>,
    trying: Option<(Route, Line)>,
    tried: Vec<String>,
    /// Another configuration that takes effect if one of its ways works.
    pub(super) config: Option<AudioConfig>,
    /// It tries every way there is.
    pub(super) is_whole: bool,
}

/// What came of a step of the search.
pub(super) enum Found {
    /// Nothing yet; the search goes on.
    Nothing(Search),
    /// A stream that works, and its name.
    Stream { route: Route, line: Line, name: String },
    /// The null output, and why the ways before it did not work.
    Null { tried: Vec<String> },
    /// No way works.
    NoWay { is_whole: bool, error: AudioError },
}

impl Search {
    /// Every way that a configuration allows; `or_nothing` says whether the null output will do for want of a device.
    pub(super) fn new(config: &AudioConfig, or_nothing: bool, changing: Option<AudioConfig>) -> Self {
        let mut ways: VecDeque<_> = routes(config.host, config.device.as_deref()).into();
        if !or_nothing && ways.len() > 1 {
            ways.retain(|way| *way != Route::Null);
        }
        Self { ways, trying: None, tried: Vec::new(), config: changing, is_whole: true }
    }

    /// The way that was lost.
    pub(super) fn of(route: Route) -> Self {
        Self { ways: [route].into(), trying: None, tried: Vec::new(), config: None, is_whole: false }
    }

    /// Begins to open the next way, or sees whether the one begun has opened. Does not wait.
    pub(super) fn step(mut self, block: Option<u32>, status: &Arc<OutputStatus>, threads: &Threads) -> Found {
        let Some((route, line)) = self.trying.take() else {
            return match self.ways.pop_front() {
                None => Found::NoWay { is_whole: self.is_whole, error: AudioError::NoRoute(self.tried) },
                Some(Route::Null) => Found::Null { tried: self.tried },
                Some(route) => {
                    match Line::open(&route, block, status, threads) {
                        Ok(line) => self.trying = Some((route, line)),
                        Err(error) => self.tried.push(error.to_string()),
                    }
                    Found::Nothing(self)
                }
            };
        };
        match line.answer() {
            Some(Ok(name)) => return Found::Stream { route, line, name },
            Some(Err(error)) => self.tried.push(error.to_string()),
            None if line.age() > PATIENCE => self.tried.push(AudioError::Hung.to_string()),
            None => self.trying = Some((route, line)),
        }
        Found::Nothing(self)
    }
}
