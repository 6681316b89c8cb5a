//! Reading TOML files that people write: all problems at once, each with file, line, key, value and what would be right.

mod nearest;
mod table;

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

pub use nearest::nearest;
pub use table::{Field, Table, parameter};

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

/// A file being read, and what was found wrong in it so far.
#[derive(Debug)]
pub struct Document<'a> {
    file: &'a Path,
    text: &'a str,
    problems: Vec<Problem>,
    /// How many of the problems are errors of syntax: with those the rest was not read as it was meant.
    syntax: usize,
}

impl<'a> Document<'a> {
    /// Parses a file's text; what follows the first syntax error in a line is left out of the table.
    pub fn parse(file: &'a Path, text: &'a str) -> (Self, Table<'a>) {
        let mut document = Self { file, text, problems: Vec::new(), syntax: 0 };
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
        let value = if key.is_empty() { "" } else { self.text.get(span.clone()).unwrap_or("") };
        self.problems.push(Problem {
            file: self.file.into(),
            line: self.line(span.start),
            key: key.to_owned(),
            value: value.lines().next().unwrap_or("").to_owned(),
            hint: hint.to_string(),
        });
    }

    /// Adds a problem with a key that should not be there, and stands at a place in the text.
    pub fn add_unknown(&mut self, key: Range<usize>, field: &Field<'_>, hint: impl fmt::Display) {
        let value = if matches!(field.value, DeValue::Table(_)) { 0..0 } else { field.span.clone() };
        self.add(value, &field.key, hint);
        let line = self.line(key.start);
        if let Some(problem) = self.problems.last_mut() {
            problem.line = line;
        }
    }

    /// The line of a place in the text, from 1.
    fn line(&self, place: usize) -> usize {
        1 + self.text.bytes().take(place).filter(|byte| *byte == b'\n').count()
    }

    /// The result, if nothing is wrong.
    ///
    /// # Errors
    /// With everything that is, in the order of the lines; with the errors of syntax alone where there are any, since what
    /// else seems wrong may only follow from them.
    pub fn finish<T>(mut self, result: T) -> Result<T, Vec<Problem>> {
        if self.syntax > 0 {
            self.problems.truncate(self.syntax);
        }
        self.problems.sort_by_key(|problem| problem.line);
        if self.problems.is_empty() { Ok(result) } else { Err(self.problems) }
    }
}

#[cfg(test)]
mod tests;
