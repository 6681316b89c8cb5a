//! Reading TOML files that people write: all problems at once, each with file, line, key, value and what would be right.

mod table;

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

pub use table::{Field, Table, meant, parameter, read};

/// One thing wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// Line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// The key, with the tables around it, such as `bind.to`; empty where no key is to blame.
    pub key: String,
    /// The value as written; empty where there is none.
    pub value: String,
    /// What is wrong, or what would be right.
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
    /// A problem of a file as a whole.
    #[must_use]
    pub fn of_file(file: &Path, hint: impl fmt::Display) -> Self {
        Self { file: file.into(), line: 0, key: String::new(), value: String::new(), hint: hint.to_string() }
    }
}

/// Problems of one file that are told; who has more has one that is not what it is taken for.
const MOST: usize = 100;
/// Letters of a value that are told.
const LONGEST_VALUE: usize = 80;

/// A file being read, and what was found wrong in it so far. Reading takes time that grows with the file's length and no
/// faster.
#[derive(Debug)]
pub struct Document<'a> {
    file: &'a Path,
    text: &'a str,
    /// Where the lines begin.
    lines: Vec<usize>,
    problems: Vec<Problem>,
    /// Problems beyond those told.
    more: usize,
    /// How many of the problems are errors of syntax: with those the rest was not read as it was meant.
    syntax: usize,
}

impl<'a> Document<'a> {
    /// Parses a file's text; what follows the first syntax error in a line is left out of the table.
    pub fn parse(file: &'a Path, text: &'a str) -> (Self, Table<'a>) {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let mut document = Self { file, text, lines, problems: Vec::new(), more: 0, syntax: 0 };
        let (root, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let span = error.span().unwrap_or_default();
            document.add(span, "", error.message());
        }
        document.syntax = document.problems.len();
        (document, Table::new(String::new(), 0..0, root.into_inner()))
    }

    /// Adds a problem at a place in the text; the value is what stands there, if a key is given.
    pub fn add(&mut self, span: Range<usize>, key: &str, hint: impl fmt::Display) {
        if self.is_full() {
            self.more += 1;
            return;
        }
        let value = if key.is_empty() { "" } else { self.text.get(span.clone()).unwrap_or("") };
        let value = value.lines().next().unwrap_or("");
        let shown: String = value.chars().take(LONGEST_VALUE).collect();
        self.problems.push(Problem {
            file: self.file.into(),
            line: self.line(span.start),
            key: key.to_owned(),
            value: if shown.len() < value.len() { shown + "…" } else { shown },
            hint: hint.to_string(),
        });
    }

    /// Adds a problem with a key that should not be there, and stands at a place in the text.
    pub fn add_unknown(&mut self, key: Range<usize>, field: &Field<'_>, hint: impl fmt::Display) {
        let value = if matches!(field.value, DeValue::Table(_)) { 0..0 } else { field.span.clone() };
        let line = self.line(key.start);
        let full = self.is_full();
        self.add(value, &field.key, hint);
        if let Some(problem) = self.problems.last_mut().filter(|_| !full) {
            problem.line = line;
        }
    }

    /// Whether more problems would only be counted, so that nobody need work out what to say about them.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.problems.len() >= MOST
    }

    /// The line of a place in the text, from 1.
    fn line(&self, place: usize) -> usize {
        self.lines.partition_point(|begin| *begin <= place)
    }

    /// The result, if nothing is wrong.
    ///
    /// # Errors
    /// With everything that is, in the order of the lines, up to a hundred problems and how many more there are; with the
    /// errors of syntax alone where there are any, since what else seems wrong may only follow from them.
    pub fn finish<T>(mut self, result: T) -> Result<T, Vec<Problem>> {
        if self.syntax > 0 {
            self.problems.truncate(self.syntax);
        }
        self.problems.sort_by_key(|problem| problem.line);
        if self.more > 0 {
            self.problems.push(Problem::of_file(self.file, format!("and {} more problems", self.more)));
        }
        if self.problems.is_empty() { Ok(result) } else { Err(self.problems) }
    }
}

#[cfg(test)]
mod tests;
