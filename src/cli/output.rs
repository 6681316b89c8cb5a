//! Standard output. Much of what the commands print comes from elsewhere: from clients of the daemon, file names or devices.

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, StdoutLock, Write};

use melos::quote::{visible, visible_json};
use serde_json::Value as Json;
use thiserror::Error;

use super::to_stderr;

/// Why the result of a command cannot be written to standard output.
#[derive(Debug, Error)]
#[error("cannot write the result: {0}")]
pub(super) struct OutputError(io::Error);

impl OutputError {
    /// Returns whether the reader has exited early, as in `melos status | head`, which is not a failure.
    pub(super) fn is_closed(&self) -> bool {
        self.0.kind() == ErrorKind::BrokenPipe
    }
}

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
    pub(super) fn line(&mut self, text: impl Display) -> Result<(), OutputError> {
        writeln!(self.0, "{}", visible(&text.to_string())).map_err(OutputError)
    }

    /// Writes several lines.
    ///
    /// # Errors
    /// If they cannot be written.
    pub(super) fn lines<T: Display>(&mut self, lines: impl IntoIterator<Item = T>) -> Result<(), OutputError> {
        lines.into_iter().try_for_each(|line| self.line(line))
    }

    /// Writes indented JSON.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn json(&mut self, value: &Json) -> Result<(), OutputError> {
        // The alternate form is indented.
        writeln!(self.0, "{}", visible_json(&format!("{value:#}"))).map_err(OutputError)
    }

    /// Writes the text of a file, or a script, unchanged.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn file(&mut self, text: &[u8]) -> Result<(), OutputError> {
        self.0.write_all(text).map_err(OutputError)?;
        self.flush()
    }

    /// Clears the screen if standard output is a terminal.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn clear(&mut self) -> Result<(), OutputError> {
        if self.0.is_terminal() { write!(self.0, "\x1b[H\x1b[2J").map_err(OutputError) } else { Ok(()) }
    }

    /// Writes what is still buffered.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn flush(&mut self) -> Result<(), OutputError> {
        self.0.flush().map_err(OutputError)
    }
}

/// Accepts that the reader has exited early, as in `melos status | head`.
///
/// # Errors
/// If the text could not be written for another reason.
pub(super) fn unless_closed(written: Result<(), OutputError>) -> Result<(), OutputError> {
    written.or_else(|error| if error.is_closed() { Ok(()) } else { Err(error) })
}

/// Handles the failure to write a result that the exit status conveys too: says so on standard error, unless the reader has
/// exited early, as in `melos check | head`.
pub(super) fn report_failure(written: Result<(), OutputError>) {
    if let Err(error) = unless_closed(written) {
        to_stderr(format_args!("melos: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_closed_standard_output_is_no_failure() {
        assert!(unless_closed(Err(OutputError(ErrorKind::BrokenPipe.into()))).is_ok());
        let full = unless_closed(Err(OutputError(ErrorKind::StorageFull.into()))).unwrap_err();
        assert!(full.to_string().starts_with("cannot write the result: "), "{full}");
    }
}
