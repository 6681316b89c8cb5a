//! Reads user-written TOML files and reports all problems at once, each with its file, line, key and value, and with
//! what was expected.

mod table;

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

pub use table::{Field, Table, parameter, read, suggestion};

/// A problem in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// Line, from 1; 0 for the whole file.
    pub line: usize,
    /// The key with its enclosing tables, such as `bind.to`; empty if none.
    pub key: String,
    /// The value as written; empty if none.
    pub value: String,
    /// What is wrong, or what was expected.
    pub hint: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        match (self.key.as_str(), self.value.as_str()) {
            ("", _) => {}
            (key, "") => write!(f, ": {key}")?,
            (key, value) => write!(f, ": {key} = {value}")?,
        }
        write!(f, ": {}", self.hint)
    }
}

impl std::error::Error for Problem {}

impl Problem {
    /// Creates a problem with the file as a whole.
    #[must_use]
    pub fn of_file(file: &Path, hint: impl fmt::Display) -> Self {
        Self { file: file.into(), line: 0, key: String::new(), value: String::new(), hint: hint.to_string() }
    }
}

/// Maximum number of problems listed per file; a file with more is probably not of the expected kind.
const MAX_PROBLEMS: usize = 100;
/// The key of a password.
const PASSWORD: &str = "password";
/// Maximum number of characters of a value that a problem quotes.
const MAX_VALUE_CHARS: usize = 80;

/// A file being read, and the problems found so far. Reading takes time linear in the file's length.
#[derive(Debug)]
pub struct Document<'a> {
    file: &'a Path,
    text: &'a str,
    /// Byte offset of the start of each line.
    line_starts: Vec<usize>,
    problems: Vec<Problem>,
    /// Number of problems beyond those listed.
    unlisted: usize,
    /// Number of syntax errors; if there are any, the rest of the file may have been misread.
    syntax_errors: usize,
}

impl<'a> Document<'a> {
    /// Parses a file's text. If there are syntax errors, the table may be incomplete.
    pub fn parse(file: &'a Path, text: &'a str) -> (Self, Table<'a>) {
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(offset, _)| offset + 1)).collect();
        let mut document = Self { file, text, line_starts, problems: Vec::new(), unlisted: 0, syntax_errors: 0 };
        let (root, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let span = error.span().unwrap_or_default();
            match error.message() {
                // The span is that of the key.
                message @ "duplicate key" => {
                    let key = text.get(span.clone()).unwrap_or_default();
                    document.add(span, "", format_args!("{message} {key}"));
                }
                message => document.add(span, "", message),
            }
        }
        document.syntax_errors = document.problems.len();
        (document, Table::new(String::new(), 0..0, root.into_inner()))
    }

    /// Adds a problem at a span of the text; if a key is given, the span is quoted as its value.
    pub fn add(&mut self, span: Range<usize>, key: &str, hint: impl fmt::Display) {
        if self.is_full() {
            self.unlisted += 1;
            return;
        }
        let problem = self.problem(span, key, hint);
        self.problems.push(problem);
    }

    /// Creates the problem that [`Document::add`] would add.
    #[must_use]
    pub fn problem(&self, span: Range<usize>, key: &str, hint: impl fmt::Display) -> Problem {
        let value = if key.is_empty() { "" } else { self.text.get(span.clone()).unwrap_or("") };
        let is_compound = value.starts_with(['{', '[']);
        let value = if may_be_secret(key) || is_compound && may_be_secret(value) { "…" } else { value };
        let value = value.lines().next().unwrap_or("");
        let shown: String = value.chars().take(MAX_VALUE_CHARS).collect();
        Problem {
            file: self.file.into(),
            line: self.line(span.start),
            key: key.to_owned(),
            value: if shown.len() < value.len() { shown + "…" } else { shown },
            hint: hint.to_string(),
        }
    }

    /// Adds a problem for a key that is not allowed, on the line of the key, whose span is `key`.
    pub fn add_unknown(&mut self, key: Range<usize>, field: &Field<'_>, hint: impl fmt::Display) {
        let value = if matches!(field.value, DeValue::Table(_)) { 0..0 } else { field.span.clone() };
        let line = self.line(key.start);
        let was_full = self.is_full();
        self.add(value, &field.key, hint);
        if let Some(problem) = self.problems.last_mut().filter(|_| !was_full) {
            problem.line = line;
        }
    }

    /// Returns whether further problems are only counted, so that callers need not compose their hints.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.problems.len() >= MAX_PROBLEMS
    }

    /// Returns the line of a byte offset, from 1.
    fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }

    /// Returns the result if there are no problems.
    ///
    /// # Errors
    /// Returns at most a hundred problems in line order, then the number of further ones. If there are syntax errors,
    /// returns only those, since they may have caused the others.
    pub fn finish<T>(mut self, result: T) -> Result<T, Vec<Problem>> {
        if self.syntax_errors > 0 {
            self.problems.truncate(self.syntax_errors);
        }
        self.problems.sort_by_key(|problem| problem.line);
        if self.unlisted > 0 {
            let plural = if self.unlisted == 1 { "" } else { "s" };
            self.problems.push(Problem::of_file(self.file, format!("and {} more problem{plural}", self.unlisted)));
        }
        if self.problems.is_empty() { Ok(result) } else { Err(self.problems) }
    }
}

/// Returns whether a key, or the text of a value with keys of its own, may contain a password, even if its key is misspelt.
/// Such values must not be quoted, since problems are logged and published.
fn may_be_secret(text: &str) -> bool {
    let text = text.to_lowercase();
    let name = text.rsplit('.').next().unwrap_or_default();
    ["pass", "pwd", "secret", "token"].iter().any(|word| text.contains(word))
        || name.len() < 2 * PASSWORD.len() && strsim::osa_distance(name, PASSWORD) <= PASSWORD.len() / 3
}

#[cfg(test)]
mod tests;
