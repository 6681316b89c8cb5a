//! Salvages a state file that is not valid TOML, line by line; each line belongs to the last heading before it.

use toml::{Table, Value as Toml};

use crate::event::parameter::{Kind, Param};

/// Maximum number of lines that a value may span.
const MAX_LINES: usize = 32;
/// Opening delimiters of values that may span lines: triple-quoted strings, lists and tables.
const OPENING: [&str; 4] = ["\"\"\"", "'''", "[", "{"];

/// Returns the values in intact lines. Values under a damaged heading, whose section is unknown, become a learned control
/// if they form one, otherwise a scene named `rescued`.
pub(super) fn salvage(text: &str, problems: &mut Vec<String>) -> Table {
    let lines: Vec<&str> = text.trim_start_matches('\u{feff}').lines().collect();
    let mut table = Table::new();
    let mut heading = Heading::Root;
    let mut rescued = 0;
    let mut index = 0;
    while index < lines.len() {
        let line = lines[index].trim();
        if line.starts_with('[') {
            heading = Heading::read(line).unwrap_or_else(|| {
                problems.push(unreadable(index, line));
                rescued += 1;
                Heading::Scene(if rescued == 1 { "rescued".to_owned() } else { format!("rescued-{rescued}") })
            });
            heading.open(&mut table);
            index += 1;
            continue;
        }
        let Some((values, length)) = value_at(&lines[index..]) else {
            problems.push(unreadable(index, line));
            index += 1;
            continue;
        };
        for (key, value) in values {
            let section = heading.section(&mut table);
            if section.contains_key(&key) {
                problems.push(format!("line {}: {key} appears twice", index + 1));
            }
            section.insert(key, value);
        }
        index += length;
    }
    sort_rescued(&mut table);
    table
}

/// The heading of a section.
enum Heading {
    Root,
    Scene(String),
    Learned,
    Other(String),
}

impl Heading {
    fn read(line: &str) -> Option<Self> {
        let table: Table = line.parse().ok()?;
        let (key, value) = table.into_iter().next()?;
        Some(match (key.as_str(), value) {
            ("scenes", Toml::Table(scenes)) => match scenes.into_iter().next() {
                Some((name, _)) => Self::Scene(name),
                None => Self::Other(key),
            },
            ("learned", _) => Self::Learned,
            _ => Self::Other(key),
        })
    }

    /// Starts the section under this heading.
    fn open(&self, table: &mut Table) {
        match self {
            Self::Learned => list(table, "learned").push(Toml::Table(Table::new())),
            _ => drop(self.section(table)),
        }
    }

    /// Returns the table for the section's values.
    fn section<'a>(&self, table: &'a mut Table) -> &'a mut Table {
        match self {
            Self::Root => table,
            Self::Scene(name) => subtable(subtable(table, "scenes"), name),
            Self::Other(name) => subtable(table, name),
            Self::Learned => {
                let learned = list(table, "learned");
                if !matches!(learned.last(), Some(Toml::Table(_))) {
                    learned.push(Toml::Table(Table::new()));
                }
                match learned.last_mut() {
                    Some(Toml::Table(last)) => last,
                    _ => unreachable!("a table was pushed"),
                }
            }
        }
    }
}

/// Returns the table `name`, creating it if it is missing.
fn subtable<'a>(table: &'a mut Table, name: &str) -> &'a mut Table {
    let entry = table.entry(name).or_insert_with(|| Toml::Table(Table::new()));
    if !entry.is_table() {
        *entry = Toml::Table(Table::new());
    }
    match entry {
        Toml::Table(table) => table,
        _ => unreachable!("the entry was replaced with a table"),
    }
}

/// Returns the list `name`, creating it if it is missing.
fn list<'a>(table: &'a mut Table, name: &str) -> &'a mut Vec<Toml> {
    let entry = table.entry(name).or_insert_with(|| Toml::Array(Vec::new()));
    if !entry.is_array() {
        *entry = Toml::Array(Vec::new());
    }
    match entry {
        Toml::Array(list) => list,
        _ => unreachable!("the entry was replaced with a list"),
    }
}

/// Returns the values that start on the first line, and the number of lines they span.
fn value_at(lines: &[&str]) -> Option<(Table, usize)> {
    let may_continue = OPENING.iter().any(|open| lines[0].contains(open));
    let max_lines = if may_continue { MAX_LINES.min(lines.len()) } else { 1 };
    (1..=max_lines).find_map(|count| {
        let values: Table = lines[..count].join("\n").parse().ok()?;
        (count == 1 || values.iter().all(|(key, value)| may_span_lines(key, value))).then_some((values, count))
    })
}

/// Returns whether a value may span several lines. In other values, a stray quotation mark would swallow everything up
/// to the next one.
fn may_span_lines(key: &str, value: &Toml) -> bool {
    let is_text = || Param::from_id(key).is_some_and(|param| matches!(param.spec().kind, Kind::Text { .. }));
    match value {
        Toml::String(_) => key == "block" || is_text(),
        _ => matches!(key, "scenes" | "learned"),
    }
}

/// Moves rescued learned controls from the scenes to the list of learned controls, and removes empty rescued scenes.
fn sort_rescued(table: &mut Table) {
    let Some(Toml::Table(scenes)) = table.get_mut("scenes") else { return };
    let names: Vec<_> = scenes.keys().filter(|name| name.starts_with("rescued")).cloned().collect();
    let mut learned = Vec::new();
    for name in names {
        match scenes.get(&name) {
            Some(Toml::Table(scene)) if scene.contains_key("block") => learned.extend(scenes.remove(&name)),
            Some(Toml::Table(scene)) if scene.is_empty() => drop(scenes.remove(&name)),
            _ => {}
        }
    }
    if !learned.is_empty() {
        list(table, "learned").extend(learned);
    }
}

fn unreadable(index: usize, line: &str) -> String {
    let line: String = line.chars().take(60).collect();
    format!("line {}: cannot read {line}", index + 1)
}
