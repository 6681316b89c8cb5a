//! A TOML table whose keys are removed as they are read; any that remain are unknown. Values of the wrong kind are
//! reported to the document.

use std::ops::{Range, RangeInclusive};
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Document, Problem};
use crate::event::parameter::{Input, Kind, Param, TABLE, Value, key_and_mode};

/// A table being read.
#[derive(Debug)]
pub struct Table<'a> {
    path: String,
    span: Range<usize>,
    remaining: DeTable<'a>,
    known_keys: Vec<&'static str>,
}

/// A key and its value.
#[derive(Debug)]
pub struct Field<'a> {
    /// The key with its enclosing tables.
    pub key: String,
    /// Span of the value in the text.
    pub span: Range<usize>,
    /// The value.
    pub value: DeValue<'a>,
}

impl<'a> Table<'a> {
    pub(super) fn new(path: String, span: Range<usize>, remaining: DeTable<'a>) -> Self {
        Self { path, span, remaining, known_keys: Vec::new() }
    }

    /// Creates an empty table, in place of one that is missing from the file.
    #[must_use]
    pub fn absent() -> Self {
        Self::new(String::new(), 0..0, DeTable::new())
    }

    /// Returns the table's span in the text.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Returns the table's key with its enclosing tables; empty for the whole file.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Removes and returns the field with a key.
    pub fn take(&mut self, key: &'static str) -> Option<Field<'a>> {
        self.known_keys.push(key);
        let value = self.remaining.remove(key)?;
        Some(self.field(key, value))
    }

    /// Removes and returns all remaining fields, each with the span of its key.
    pub fn take_rest(&mut self) -> Vec<(Range<usize>, Field<'a>)> {
        let remaining = std::mem::take(&mut self.remaining);
        remaining.into_iter().map(|(key, value)| (key.span(), self.field(key.get_ref(), value))).collect()
    }

    fn field(&self, key: &str, value: Spanned<DeValue<'a>>) -> Field<'a> {
        let key = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        Field { key, span: value.span(), value: value.into_inner() }
    }

    /// Removes and returns a string.
    pub fn text(&mut self, document: &mut Document<'_>, key: &'static str) -> Option<String> {
        self.take(key)?.text(document)
    }

    /// Removes and returns a required string; reports a problem and returns an empty one if it is missing.
    pub fn required_text(&mut self, document: &mut Document<'_>, key: &'static str) -> String {
        match self.take(key) {
            Some(field) => field.text(document).unwrap_or_default(),
            None => {
                self.missing(document, key, "a string");
                String::new()
            }
        }
    }

    /// Removes `schema`, the version of the file's format; reports a problem if it is missing or not 1.
    pub fn check_schema(&mut self, document: &mut Document<'_>) {
        match self.take("schema") {
            Some(schema) => drop(schema.integer(document, 1..=1)),
            None => self.missing(document, "schema", "schema = 1"),
        }
    }

    /// Reports a missing key.
    pub fn missing(&self, document: &mut Document<'_>, key: &str, expected: &str) {
        document.add(self.span(), "", format!("{} is missing; expected {expected}", self.join(key)));
    }

    fn join(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Removes and returns `true` or `false`.
    pub fn flag(&mut self, document: &mut Document<'_>, key: &'static str) -> Option<bool> {
        self.take(key)?.flag(document)
    }

    /// Removes and returns a number in a range.
    pub fn number(
        &mut self,
        document: &mut Document<'_>,
        key: &'static str,
        range: RangeInclusive<f64>,
    ) -> Option<f64> {
        let field = self.take(key)?;
        match field.number() {
            Some(number) if range.contains(&number) => Some(number),
            _ => field.reject(document, &format!("a number from {} to {}", range.start(), range.end())),
        }
    }

    /// Removes and returns an integer in a range.
    pub fn integer(
        &mut self,
        document: &mut Document<'_>,
        key: &'static str,
        range: RangeInclusive<i64>,
    ) -> Option<i64> {
        self.take(key)?.integer(document, range)
    }

    /// Removes a name and returns the choice that it stands for.
    pub fn choice<T: Copy>(
        &mut self,
        document: &mut Document<'_>,
        key: &'static str,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        let field = self.take(key)?;
        let name = field.text(document)?;
        if let Some((_, choice)) = choices.iter().find(|(known, _)| *known == name) {
            return Some(*choice);
        }
        let names = choices.iter().map(|(known, _)| *known);
        let expected = format!("one of {}", names.clone().collect::<Vec<_>>().join(", "));
        document.add(field.span, &field.key, format!("expected {expected}{}", suggestion(&name, names)));
        None
    }

    /// Removes and returns a list of strings.
    pub fn texts(&mut self, document: &mut Document<'_>, key: &'static str) -> Vec<String> {
        let Some(field) = self.take(key) else { return Vec::new() };
        let DeValue::Array(items) = field.value else {
            return field.reject(document, "a list of strings").unwrap_or_default();
        };
        let items = items.into_iter().map(|item| Field::at(&field.key, item));
        items.filter_map(|item| item.text(document)).collect()
    }

    /// Removes and returns a nested table.
    pub fn table(&mut self, document: &mut Document<'_>, key: &'static str) -> Option<Table<'a>> {
        self.take(key)?.table(document)
    }

    /// Removes and returns an array of tables: `[[key]]`.
    pub fn tables(&mut self, document: &mut Document<'_>, key: &'static str) -> Vec<Table<'a>> {
        let Some(field) = self.take(key) else { return Vec::new() };
        let DeValue::Array(items) = field.value else {
            return field.reject(document, &format!("tables, each headed [[{key}]]")).unwrap_or_default();
        };
        let items = items.into_iter().map(|item| Field::at(&field.key, item));
        items.filter_map(|item| item.table(document)).collect()
    }

    /// Reports every remaining key as unknown.
    pub fn finish(mut self, document: &mut Document<'_>) {
        for (span, field) in self.take_rest() {
            if document.is_full() {
                document.add(span, "", "");
                continue;
            }
            let known = self.known_keys.join(", ");
            let name = field.key.rsplit('.').next().unwrap_or_default();
            let hint =
                format!("unknown key{} (expected one of {known})", suggestion(name, self.known_keys.iter().copied()));
            document.add_unknown(span, &field, hint);
        }
    }
}

impl<'a> Field<'a> {
    fn at(key: &str, value: Spanned<DeValue<'a>>) -> Self {
        Self { key: key.to_owned(), span: value.span(), value: value.into_inner() }
    }

    /// Reports the value as invalid, with what was expected; always returns `None`.
    pub fn reject<T>(&self, document: &mut Document<'_>, expected: &str) -> Option<T> {
        document.add(self.span.clone(), &self.key, format!("expected {expected}"));
        None
    }

    /// Returns the number, integer or not; `None` if the value is not a number.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        number_of(&self.value)
    }

    /// Returns the numbers, if the value is a list of numbers.
    #[must_use]
    pub fn numbers(&self) -> Option<Vec<f64>> {
        match &self.value {
            DeValue::Array(items) => items.iter().map(|item| number_of(item.get_ref())).collect(),
            _ => None,
        }
    }

    /// Returns the strings, if the value is a list of strings.
    #[must_use]
    pub fn texts(&self) -> Option<Vec<String>> {
        let text = |item: &Spanned<DeValue<'_>>| match item.get_ref() {
            DeValue::String(text) => Some(text.clone().into_owned()),
            _ => None,
        };
        match &self.value {
            DeValue::Array(items) => items.iter().map(text).collect(),
            _ => None,
        }
    }

    /// Returns the integer, or reports a problem.
    pub fn integer(&self, document: &mut Document<'_>, range: RangeInclusive<i64>) -> Option<i64> {
        let number = match &self.value {
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        match number {
            Some(number) if range.contains(&number) => Some(number),
            _ if range.start() == range.end() => self.reject(document, &range.start().to_string()),
            _ => self.reject(document, &format!("an integer from {} to {}", range.start(), range.end())),
        }
    }

    /// Returns `true` or `false`, or reports a problem.
    pub fn flag(&self, document: &mut Document<'_>) -> Option<bool> {
        match self.value {
            DeValue::Boolean(flag) => Some(flag),
            _ => self.reject(document, "true or false"),
        }
    }

    /// Returns the string, or reports a problem.
    pub fn text(&self, document: &mut Document<'_>) -> Option<String> {
        match &self.value {
            DeValue::String(text) => Some(text.clone().into_owned()),
            _ => self.reject(document, "a string in quotes"),
        }
    }

    /// Returns the table, or reports a problem.
    pub fn table(self, document: &mut Document<'_>) -> Option<Table<'a>> {
        match self.value {
            DeValue::Table(table) => Some(Table::new(self.key, self.span, table)),
            _ => self.reject(document, "a table"),
        }
    }

    /// Returns what the value sets: the parameter and, for a key such as `A minor`, the mode too; nothing if
    /// [`Field::parameter`] reports a problem.
    pub fn settings(&self, document: &mut Document<'_>, param: Param) -> Vec<(Param, Value)> {
        match self.value.as_str().and_then(|text| key_and_mode(param, text)) {
            Some(settings) => settings.to_vec(),
            None => self.parameter(document, param).map(|value| (param, value)).into_iter().collect(),
        }
    }

    /// Returns the parameter's value, or reports a problem. A number outside the range is reported rather than
    /// clamped, because in a file it is a mistake.
    pub fn parameter(&self, document: &mut Document<'_>, param: Param) -> Option<Value> {
        let input = match &self.value {
            DeValue::String(text) => Input::Text(text),
            DeValue::Boolean(on) => Input::Bool(*on),
            _ => match self.number() {
                Some(number) => Input::Number(number),
                None => return self.reject(document, "a single value"),
            },
        };
        param.fit_within(input).unwrap_or_else(|error| {
            let mut hint = error.hint();
            if let (Input::Text(text), Kind::Choice { names, .. }) = (input, param.spec().kind) {
                hint.push_str(&suggestion(text, names.iter().copied()));
            }
            document.add(self.span.clone(), &self.key, hint);
            None
        })
    }
}

fn number_of(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Some(number as f64),
            // An integer too large for TOML is out of every range, whatever its digits.
            Err(_) if number.as_str().starts_with('-') => Some(f64::MIN),
            Err(_) => Some(f64::MAX),
        },
        DeValue::Float(number) => number.as_str().parse().ok(),
        _ => None,
    }
}

/// Maximum length, in bytes, of a name for which suggestions are computed.
const MAX_NAME_BYTES: usize = 64;

/// Returns `; did you mean "x"?` with the most similar candidate, or an empty string if even that one
/// differs in more than one letter and in more than a third of its letters.
pub fn suggestion<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    if name.len() > MAX_NAME_BYTES {
        return String::new();
    }
    let name = name.to_lowercase();
    let candidates = known.into_iter().map(|known| (strsim::osa_distance(&name, known), known));
    let similar = candidates.filter(|(distance, known)| *distance <= 1.max(known.len() / 3));
    similar
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| format!("; did you mean {known:?}?"))
        .unwrap_or_default()
}

/// Reads a text file and parses it.
///
/// # Errors
/// Returns every problem, or why the file cannot be read: it must be a regular UTF-8 file of at most
/// [`crate::files::MAX_TEXT`] bytes.
pub fn read<T>(file: &Path, parse: impl FnOnce(&Path, &str) -> Result<T, Vec<Problem>>) -> Result<T, Vec<Problem>> {
    let text = crate::files::text(file).map_err(|error| vec![Problem::of_file(file, error)])?;
    parse(file, &text)
}

/// Looks up a parameter by id.
///
/// # Errors
/// Returns a message if there is none, with the most similar id as a suggestion.
pub fn parameter(id: &str) -> Result<Param, String> {
    Param::from_id(id).ok_or_else(|| {
        let ids = TABLE.iter().map(|spec| spec.id);
        format!("there is no parameter {id:?}{}", suggestion(id, ids))
    })
}
