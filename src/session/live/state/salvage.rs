//! What can still be read of a state that is no TOML any more: line by line, each under the last heading that is whole.

use toml::{Table, Value as Toml};

use crate::event::parameter::{Kind, Param};

/// Lines that one value may span.
const LONGEST: usize = 32;
/// What opens a value that may go on in the next line: a text in three quotes, a list, a table.
const OPENING: [&str; 4] = ["\"\"\"", "'''", "[", "{"];

/// The values that stand in lines that are whole. Those under a heading that is not become a scene named `rescued`, or a
/// learnt control where they are one, since where they belong is not known.
pub(super) fn salvage(text: &str, wrong: &mut Vec<String>) -> Table {
    let lines: Vec<&str> = text.trim_start_matches('\u{feff}').lines().collect();
    let mut table = Table::new();
    let mut under = Heading::Root;
    let mut rescued = 0;
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at].trim();
        if line.starts_with('[') {
            under = Heading::read(line).unwrap_or_else(|| {
                wrong.push(unreadable(at, line));
                rescued += 1;
                Heading::Scene(if rescued == 1 { "rescued".to_owned() } else { format!("rescued-{rescued}") })
            });
            under.open(&mut table);
            at += 1;
            continue;
        }
        let Some((values, length)) = value_at(&lines[at..]) else {
            wrong.push(unreadable(at, line));
            at += 1;
            continue;
        };
        for (key, value) in values {
            let place = under.place(&mut table);
            if place.contains_key(&key) {
                wrong.push(format!("line {}: {key} stands there twice", at + 1));
            }
            place.insert(key, value);
        }
        at += length;
    }
    tidy(&mut table);
    table
}

/// Where values belong.
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

    /// Begins what stands below.
    fn open(&self, table: &mut Table) {
        match self {
            Self::Learned => list(table, "learned").push(Toml::Table(Table::new())),
            _ => drop(self.place(table)),
        }
    }

    /// The table to put values in.
    fn place<'a>(&self, table: &'a mut Table) -> &'a mut Table {
        match self {
            Self::Root => table,
            Self::Scene(name) => inside(inside(table, "scenes"), name),
            Self::Other(name) => inside(table, name),
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

/// The table of a name, made if there is none.
fn inside<'a>(table: &'a mut Table, name: &str) -> &'a mut Table {
    let entry = table.entry(name).or_insert_with(|| Toml::Table(Table::new()));
    if !entry.is_table() {
        *entry = Toml::Table(Table::new());
    }
    match entry {
        Toml::Table(table) => table,
        _ => unreachable!("it was made one"),
    }
}

/// The list of a name, made if there is none.
fn list<'a>(table: &'a mut Table, name: &str) -> &'a mut Vec<Toml> {
    let entry = table.entry(name).or_insert_with(|| Toml::Array(Vec::new()));
    if !entry.is_array() {
        *entry = Toml::Array(Vec::new());
    }
    match entry {
        Toml::Array(list) => list,
        _ => unreachable!("it was made one"),
    }
}

/// The values of the first line, and of those after it where a value goes on; and how many lines that is.
fn value_at(lines: &[&str]) -> Option<(Table, usize)> {
    let goes_on = OPENING.iter().any(|open| lines[0].contains(open));
    let most = if goes_on { LONGEST.min(lines.len()) } else { 1 };
    (1..=most).find_map(|count| {
        let values: Table = lines[..count].join("\n").parse().ok()?;
        (count == 1 || values.iter().all(|(key, value)| may_be_long(key, value))).then_some((values, count))
    })
}

/// Whether a value may span lines. Quotes that were opened by mistake would take everything up to the next ones with them.
fn may_be_long(key: &str, value: &Toml) -> bool {
    let text = || Param::from_id(key).is_some_and(|param| matches!(param.spec().kind, Kind::Text { .. }));
    match value {
        Toml::String(_) => key == "block" || text(),
        _ => matches!(key, "scenes" | "learned"),
    }
}

/// Moves what was rescued and is a learnt control where it belongs, and takes away rescued scenes in which nothing is.
fn tidy(table: &mut Table) {
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

fn unreadable(at: usize, line: &str) -> String {
    let line: String = line.chars().take(60).collect();
    format!("line {} cannot be read: {line}", at + 1)
}
