//! The log lines that clients without a terminal can read: the latest in memory, and those saved on disk.

mod disk;

use std::collections::VecDeque;
use std::fmt::{Debug, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Maximum number of lines kept in memory.
const MAX_LINES_IN_MEMORY: usize = 100;
/// Maximum length of a line in bytes; a longer one is truncated, and an ellipsis is appended.
const MAX_BYTES: usize = 600;

pub(crate) use disk::start_saving;
pub use disk::{MAX_LINES, read};

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Seconds since 1970.
    pub(super) at: u64,
    /// `info`, `warn` or `error`.
    level: String,
    text: String,
}

/// The latest lines; global, like the [`tracing`] subscriber.
static LINES: Mutex<VecDeque<Line>> = Mutex::new(VecDeque::new());

/// Keeps the latest log lines of level INFO and above in memory, and queues them to be saved on disk.
#[derive(Debug, Clone, Copy)]
pub struct Journal;

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        if *metadata.level() > Level::INFO {
            return;
        }
        let mut visitor = LineVisitor::default();
        event.record(&mut visitor);
        keep(*metadata.level(), visitor.line());
    }
}

/// Keeps a line in memory and queues it to be saved.
fn keep(level: Level, text: String) {
    let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let line = Line { at, level: level.as_str().to_lowercase(), text };
    disk::push(&line);
    let mut lines = lines_mut();
    if lines.len() == MAX_LINES_IN_MEMORY {
        lines.pop_front();
    }
    lines.push_back(line);
}

/// Keeps an error that ends the process and is printed without being logged, so that the saved log says why the process
/// ended.
pub fn keep_error(message: &str) {
    keep(Level::ERROR, truncated(message.to_owned()));
}

/// Waits, for a limited time, until all lines have been saved.
pub fn flush() {
    disk::flush();
}

/// Returns the lines in memory, oldest first.
pub(super) fn lines() -> Vec<Line> {
    lines_mut().iter().cloned().collect()
}

/// Returns the lines since a Unix time in seconds, oldest first: the saved ones, and those in memory that are not among them,
/// because they could not be saved. Also returns why the saved ones cannot be read, if they cannot.
pub(super) fn lines_since(time: u64) -> (Vec<Line>, Option<String>) {
    let (saved, trouble) = match disk::lines_since(time).transpose() {
        Ok(saved) => (saved.unwrap_or_default(), None),
        Err(error) => {
            (Vec::new(), Some(format!("cannot read the saved log: {error}; showing only the lines in memory")))
        }
    };
    let latest = lines().into_iter().filter(|line| line.at >= time);
    (with_unsaved(saved, latest), trouble)
}

/// Adds those of the latest lines that are not among the saved ones, and keeps at most [`MAX_LINES`].
fn with_unsaved(mut lines: Vec<Line>, latest: impl Iterator<Item = Line>) -> Vec<Line> {
    let unsaved: Vec<_> = latest.filter(|line| !lines.contains(line)).collect();
    if !unsaved.is_empty() {
        lines.extend(unsaved);
        lines.sort_by_key(|line| line.at);
        lines.drain(..lines.len().saturating_sub(MAX_LINES));
    }
    lines
}

fn lines_mut() -> MutexGuard<'static, VecDeque<Line>> {
    // Only complete lines are added, so a panic elsewhere leaves them readable.
    LINES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Collects an event's message and fields.
#[derive(Default)]
struct LineVisitor {
    message: String,
    fields: String,
}

impl LineVisitor {
    fn line(self) -> String {
        truncated(self.message + &self.fields)
    }
}

/// Truncates a line longer than [`MAX_BYTES`] and appends an ellipsis.
fn truncated(mut line: String) -> String {
    if line.len() > MAX_BYTES {
        line.truncate(line.floor_char_boundary(MAX_BYTES));
        line.push('…');
    }
    line
}

impl Visit for LineVisitor {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message.push_str(value);
        } else {
            let _ = write!(self.fields, " {}={value}", field.name());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            let _ = write!(self.message, "{value:?}");
        } else {
            let _ = write!(self.fields, " {}={value:?}", field.name());
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn lines_that_could_not_be_saved_are_added_in_order() {
        let line = |at: u64| Line { at, level: "info".to_owned(), text: format!("line {at}") };
        let lines = |times: &[u64]| times.iter().copied().map(line).collect::<Vec<_>>();
        for (saved, latest, expected) in [
            (&[1, 2, 3][..], &[2, 3][..], &[1, 2, 3][..]),
            (&[1, 2, 5], &[2, 3, 4, 5], &[1, 2, 3, 4, 5]),
            (&[], &[3, 4], &[3, 4]),
            (&[9, 1], &[1], &[9, 1]),
        ] {
            assert_eq!(with_unsaved(lines(saved), lines(latest).into_iter()), lines(expected), "{saved:?} {latest:?}");
        }
        let full: Vec<u64> = (0..MAX_LINES as u64).collect();
        let added = with_unsaved(lines(&full), [line(MAX_LINES as u64)].into_iter());
        assert_eq!((added.len(), &added[0]), (MAX_LINES, &line(1)));
    }

    #[test]
    fn the_latest_lines_are_kept_with_their_fields() {
        let subscriber = tracing_subscriber::registry().with(Journal);
        tracing::subscriber::with_default(subscriber, || {
            for number in 0..2 * MAX_LINES_IN_MEMORY {
                tracing::info!(number, "counted");
            }
            tracing::debug!("below the level kept");
            tracing::warn!(file = "x.toml", "{} is wrong", "y".repeat(2 * MAX_BYTES));
        });
        let lines = lines();
        assert_eq!(lines.len(), MAX_LINES_IN_MEMORY);
        assert_eq!(
            (lines[MAX_LINES_IN_MEMORY - 2].level.as_str(), lines[MAX_LINES_IN_MEMORY - 2].text.as_str()),
            ("info", "counted number=199")
        );
        let last = &lines[MAX_LINES_IN_MEMORY - 1];
        assert!(last.level == "warn" && last.text.starts_with("yyy") && last.text.len() < MAX_BYTES + 4, "{last:?}");
    }
}
