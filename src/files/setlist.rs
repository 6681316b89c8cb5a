//! `setlists/*.toml`: the presets and scenes of a show, in order.
//!
//! ```toml
//! schema = 1
//! name = "Friday"
//!
//! [[entry]]
//! preset = "slow-dawn"
//! note = "while the doors are open"    # for the performer
//!
//! [[entry]]
//! scene = "verse"
//! ```

use std::path::Path;

use crate::files::document::{Document, Problem, Table, read};
use crate::files::names::Titled;
use crate::quote::quoted;

/// Maximum number of entries in a setlist.
const MAX_ENTRIES: usize = 256;

/// A valid setlist.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Setlist {
    /// Display name.
    pub name: String,
    /// The entries in order.
    pub entries: Vec<Entry>,
}

/// An entry of a setlist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The preset or scene that it loads.
    pub cue: Cue,
    /// A note for the performer; may be empty.
    pub note: String,
}

/// The preset or scene that an entry loads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cue {
    /// A preset, by its file name without `.toml`.
    Preset(String),
    /// A scene, by its name.
    Scene(String),
}

/// Says that a setlist has no entry of this number, but only `count` entries.
#[must_use]
pub fn no_entry(number: usize, setlist: &str, count: usize) -> String {
    let entries = if count == 1 { "only entry 1".to_owned() } else { format!("entries 1 to {count}") };
    format!("there is no entry {number} in setlist {}, which has {entries}", quoted(setlist))
}

impl Setlist {
    /// Parses a setlist; `file` is for error messages.
    ///
    /// # Errors
    /// Returns every problem.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Vec<Problem>> {
        let (mut document, mut root) = Document::parse(file, text);
        root.check_schema(&mut document);
        let name = root.required_text(&mut document, "name");
        let tables = root.tables(&mut document, "entry");
        if tables.is_empty() {
            document.add(0..0, "", "a setlist needs an [[entry]] with a preset or a scene");
        }
        if let Some(first_excess) = tables.get(MAX_ENTRIES) {
            document.add(first_excess.span(), "", format!("a setlist can have at most {MAX_ENTRIES} entries"));
        }
        let entries = tables.into_iter().filter_map(|table| entry(&mut document, table)).collect();
        root.finish(&mut document);
        document.finish(Self { name, entries })
    }

    /// Reads a setlist file.
    ///
    /// # Errors
    /// Returns every problem, or why the file cannot be read.
    pub fn read(file: &Path) -> Result<Self, Vec<Problem>> {
        read(file, Self::parse)
    }
}

impl Titled for Setlist {
    const KIND: &'static str = "setlist";

    fn title(&self) -> &str {
        &self.name
    }
}

impl Cue {
    /// Returns the kind, `preset` or `scene`, and the name.
    #[must_use]
    pub fn kind_and_name(&self) -> (&'static str, &str) {
        match self {
            Self::Preset(name) => ("preset", name),
            Self::Scene(name) => ("scene", name),
        }
    }
}

fn entry(document: &mut Document<'_>, mut table: Table<'_>) -> Option<Entry> {
    let note = table.text(document, "note").unwrap_or_default();
    let cue = match (table.take("preset"), table.take("scene")) {
        (Some(_), Some(scene)) => {
            document.add(scene.span.clone(), &scene.key, "an entry has a preset or a scene, not both");
            None
        }
        (Some(preset), None) => name(document, &preset).map(Cue::Preset),
        (None, Some(scene)) => name(document, &scene).map(Cue::Scene),
        (None, None) => {
            table.missing(document, "preset", "the name of a preset, or scene with the name of a scene");
            None
        }
    };
    table.finish(document);
    Some(Entry { cue: cue?, note })
}

fn name(document: &mut Document<'_>, field: &crate::files::document::Field<'_>) -> Option<String> {
    let name = field.text(document)?;
    if name.trim().is_empty() { field.reject(document, "a name") } else { Some(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Setlist, Vec<Problem>> {
        Setlist::parse(Path::new("friday.toml"), text)
    }

    #[test]
    fn entries_keep_their_order() {
        let text = "schema = 1\nname = \"Friday\"\n[[entry]]\npreset = \"slow-dawn\"\nnote = \"doors\"\n[[entry]]\nscene = \"verse\"\n";
        let setlist = parse(text).unwrap();
        let cues: Vec<_> = setlist.entries.iter().map(|entry| entry.cue.kind_and_name()).collect();
        assert_eq!(cues, [("preset", "slow-dawn"), ("scene", "verse")]);
        assert_eq!((setlist.name.as_str(), setlist.entries[0].note.as_str()), ("Friday", "doors"));
    }

    #[test]
    fn every_problem_is_reported() {
        let text =
            "schema = 1\n[[entry]]\npreset = 3\n[[entry]]\npreset = \"a\"\nscene = \"b\"\n[[entry]]\nprest = \"a\"\n";
        let problems: Vec<_> = parse(text).unwrap_err().iter().map(Problem::to_string).collect();
        let problems = problems.join("\n");
        for expected in [
            "name is missing",
            "friday.toml:3: entry.preset = 3: expected a string in quotes",
            "friday.toml:6: entry.scene = \"b\": an entry has a preset or a scene, not both",
            "did you mean \"preset\"?",
        ] {
            assert!(problems.contains(expected), "{expected}\n{problems}");
        }
        assert!(parse("schema = 1\nname = \"Empty\"\n").unwrap_err()[0].hint.contains("needs an [[entry]]"));
    }
}
