//! Detects whether a terminal, the system's journal or anything else reads standard error, and formats the parts of a
//! line that depend on the reader.

use std::fmt;
use std::fs::File;
use std::io::IsTerminal;
use std::os::unix::fs::MetadataExt;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

/// The prefix that marks a line as an error for the journal.
pub(super) const ERROR_PRIORITY: &str = "<3>";

/// The reader of standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// A person, who needs only the time of day.
    Terminal,
    /// systemd's journal, which adds the time and parses priorities.
    Journal,
    /// A file or another program.
    Other,
}

impl Reader {
    pub(super) fn of(stderr: &File) -> Self {
        if stderr.is_terminal() {
            return Self::Terminal;
        }
        let socket = stderr.metadata().ok().map(|metadata| format!("{}:{}", metadata.dev(), metadata.ino()));
        // `JOURNAL_STREAM` names the socket that the journal reads. A program whose standard error is redirected inherits
        // the variable too, so its presence alone proves nothing.
        let is_journal = socket.is_some() && std::env::var("JOURNAL_STREAM").ok() == socket;
        if is_journal { Self::Journal } else { Self::Other }
    }
}

/// Replaces a line's level with a priority for the journal, so that `journalctl -p warning` finds warnings.
pub(super) fn with_journal_priority(line: &str) -> String {
    let (level, text) = line.trim_start().split_once(' ').unwrap_or_default();
    let priority = match level {
        "ERROR" => ERROR_PRIORITY,
        "WARN" => "<4>",
        "INFO" => "<6>",
        "DEBUG" | "TRACE" => "<7>",
        _ => return line.to_owned(),
    };
    format!("{priority}{text}")
}

/// Formats the local time of day.
#[derive(Debug)]
pub(super) struct LocalTime(TimeZone);

impl Default for LocalTime {
    fn default() -> Self {
        Self(TimeZone::system())
    }
}

impl FormatTime for LocalTime {
    fn format_time(&self, to: &mut Writer<'_>) -> fmt::Result {
        write!(to, "{}", self.0.to_datetime(Timestamp::now()).strftime("%H:%M:%S"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_become_priorities() {
        for (line, expected) in [
            (" INFO listening for OSC", "<6>listening for OSC"),
            (" WARN late by=3", "<4>late by=3"),
            ("ERROR panicked: INFO", "<3>panicked: INFO"),
            ("DEBUG x", "<7>x"),
            ("something else", "something else"),
            ("", ""),
        ] {
            assert_eq!(with_journal_priority(line), expected);
        }
    }
}
