//! The setlists, and the position in the selected one.

use crate::event::ControlEvent;
use crate::event::parameter::{Param, Value};
use crate::files::library::Library;
use crate::files::setlist::{Cue, Entry, Setlist};
use crate::quote::{listed, quoted};

/// All setlists, and the current entry of the selected one.
pub(in crate::session::live) struct Setlists {
    library: Library<Setlist>,
    /// The number of the current entry, from 1; 0 before the first.
    position: usize,
}

impl Setlists {
    /// Creates the setlists from a library; `position`, the saved value of `setlist/go`, is the number of the current
    /// entry.
    pub(in crate::session::live) fn new(library: Library<Setlist>, position: &Value) -> Self {
        Self { library, position: entry_number(position) }
    }

    pub(super) const fn library(&self) -> &Library<Setlist> {
        &self.library
    }

    /// Replaces the library after a reload.
    pub(super) fn replace(&mut self, library: Library<Setlist>) {
        self.library = library;
    }

    /// Returns the name of the setlist that an event asks for, if there is no such setlist. An empty name selects none.
    pub(super) fn unknown_name<'a>(&self, event: &'a ControlEvent) -> Option<&'a str> {
        event.text_for(Param::Setlist).filter(|name| !name.is_empty() && self.library.get(name).is_none())
    }

    /// Returns the setlist to use when none is selected: the only one.
    ///
    /// # Errors
    /// When there is not exactly one setlist; the message says what to do.
    pub(super) fn default_name(&self) -> Result<&str, String> {
        let mut names = self.library.names();
        match (names.next(), names.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err("there are no setlists; see docs/presets.md for how to write one".to_owned()),
            _ => Err(format!(
                "no setlist is selected; `melos setlist NAME` selects one of {}",
                listed(self.library.names())
            )),
        }
    }

    /// Returns the number of the entry that is `steps` away; beyond either end, logs a message and returns `None`.
    pub(super) fn number_at_offset(&self, setlist: &str, steps: isize) -> Option<usize> {
        let count = self.entries(setlist).len();
        let number = self.position.checked_add_signed(steps).filter(|number| (1..=count).contains(number));
        if number.is_none() {
            let end = if steps > 0 { "ends" } else { "begins" };
            tracing::info!("setlist {} {end} here", quoted(setlist));
        }
        number
    }

    /// Goes to an entry, numbered from 1, and returns the event that loads it; 0 is the position before the first.
    ///
    /// # Errors
    /// When there is no such entry; the position is unchanged.
    pub(super) fn go_to(&mut self, setlist: &str, number: usize) -> Result<Option<ControlEvent>, String> {
        let entries = self.entries(setlist);
        let Some(index) = number.checked_sub(1) else {
            self.position = 0;
            return Ok(None);
        };
        let Some(Entry { cue, .. }) = entries.get(index).cloned() else {
            let count = entries.len();
            return Err(format!("there is no entry {number} in setlist {}, which has {count}", quoted(setlist)));
        };
        let (kind, name) = cue.kind_and_name();
        tracing::info!("setlist {}: {number} of {}, {kind} {}", quoted(setlist), entries.len(), quoted(name));
        self.position = number;
        Ok(Some(match cue {
            Cue::Preset(preset) => ControlEvent::Set(Param::Preset, Value::Text(preset)),
            Cue::Scene(scene) => ControlEvent::Set(Param::Scene, Value::Text(scene)),
        }))
    }

    /// Returns the event that sets `setlist/go` to the current position.
    pub(super) fn position_event(&self) -> ControlEvent {
        ControlEvent::Set(Param::SetlistGo, Value::Number(self.position as f32))
    }

    /// Returns the current entry and the next one, for the status.
    pub(super) fn entry_names(&self, setlist: &str) -> [Option<String>; 2] {
        let name = |index: usize| {
            let (kind, name) = self.entries(setlist).get(index)?.cue.kind_and_name();
            Some(format!("{kind} {name}"))
        };
        [self.position.checked_sub(1).and_then(name), name(self.position)]
    }

    fn entries(&self, setlist: &str) -> &[Entry] {
        self.library.get(setlist).map_or(&[], |setlist| &setlist.entries)
    }
}

/// Returns the entry number in a value of `setlist/go`.
pub(super) fn entry_number(value: &Value) -> usize {
    if let Value::Number(number) = value { number.round() as usize } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setlists(names: &[&str]) -> (tempfile::TempDir, Setlists) {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let text = "schema = 1\nname = \"Test\"\n[[entry]]\npreset = \"calm\"\n[[entry]]\nscene = \"verse\"\n";
            std::fs::write(folder.path().join(format!("{name}.toml")), text).unwrap();
        }
        let (library, problems) = Library::open(vec![folder.path().to_owned()], Setlist::read);
        assert!(problems.is_empty(), "{problems:?}");
        (folder, Setlists::new(library, &Value::Number(0.0)))
    }

    #[test]
    fn entries_load_in_order_and_the_position_stops_at_the_ends() {
        let (_folder, mut setlists) = setlists(&["friday"]);
        assert_eq!(setlists.default_name(), Ok("friday"));
        assert_eq!(setlists.number_at_offset("friday", -1), None);
        assert_eq!(setlists.number_at_offset("friday", 1), Some(1));
        let set = |param, name: &str| Some(ControlEvent::Set(param, Value::Text(name.to_owned())));
        assert_eq!(setlists.go_to("friday", 1), Ok(set(Param::Preset, "calm")));
        assert_eq!(setlists.entry_names("friday"), [Some("preset calm".to_owned()), Some("scene verse".to_owned())]);
        assert_eq!(setlists.go_to("friday", 2), Ok(set(Param::Scene, "verse")));
        assert_eq!(setlists.number_at_offset("friday", 1), None);
        assert!(setlists.go_to("friday", 3).unwrap_err().contains("which has 2"));
        assert_eq!(setlists.position_event(), ControlEvent::Set(Param::SetlistGo, Value::Number(2.0)));
        assert_eq!((setlists.go_to("friday", 0), setlists.position), (Ok(None), 0));
    }

    #[test]
    fn one_of_several_setlists_must_be_selected() {
        let (_folder, setlists) = setlists(&["friday", "saturday"]);
        assert!(setlists.default_name().unwrap_err().contains("friday"));
    }
}
