//! Standard output. Much of what the commands print comes from elsewhere: from clients of the daemon, file names or devices.

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, StdoutLock, Write};

use melos::quote::{visible, visible_json};
use serde_json::Value as Json;

use super::to_stderr;

/// Standard output, to which lines are written so that nothing in them can forge another line or control the terminal.
#[derive(Debug)]
pub(super) struct Output(StdoutLock<'static>);

impl Output {
    /// Locks standard output.
    pub(super) fn lock() -> Self {
        Self(io::stdout().lock())
    }

    /// Writes a line, with line breaks and other control characters in the text escaped.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn line(&mut self, text: impl Display) -> io::Result<()> {
        writeln!(self.0, "{}", visible(&text.to_string()))
    }

    /// Writes several lines.
    ///
    /// # Errors
    /// If they cannot be written.
    pub(super) fn lines<T: Display>(&mut self, lines: impl IntoIterator<Item = T>) -> io::Result<()> {
        lines.into_iter().try_for_each(|line| self.line(line))
    }

    /// Writes indented JSON.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn json(&mut self, value: &Json) -> io::Result<()> {
        writeln!(self.0, "{}", visible_json(&serde_json::to_string_pretty(value)?))
    }

    /// Clears the screen if standard output is a terminal.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        if self.0.is_terminal() { write!(self.0, "\x1b[H\x1b[2J") } else { Ok(()) }
    }

    /// Writes what is still buffered.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Accepts that the reader has exited early, as in `melos status | head`.
///
/// # Errors
/// If the text could not be written for another reason.
pub(super) fn unless_closed(written: io::Result<()>) -> io::Result<()> {
    written.or_else(|error| if error.kind() == ErrorKind::BrokenPipe { Ok(()) } else { Err(error) })
}

/// Handles the failure to write a result that the exit status conveys too: says so on standard error, unless the reader has
/// exited early, as in `melos check | head`.
pub(super) fn report_failure(written: io::Result<()>) {
    if let Err(error) = unless_closed(written) {
        to_stderr(format_args!("melos: cannot write the result: {error}"));
    }
}
