//! The setlists, and the position in the selected one.

use crate::event::ControlEvent;
use crate::event::parameter::{Param, Value};
use crate::files::library::Library;
use crate::files::setlist::{Cue, Entry, Setlist, no_entry};
use crate::quote::{choices, listed, quoted};

/// All setlists, and the position in the selected one.
pub(in crate::session::live) struct Setlists {
    library: Library<Setlist>,
    position: Position,
    /// The entries among which the position is: those of the selected setlist, or its last ones if it has been removed.
    entries: Vec<Entry>,
}

/// A position in a setlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    /// At the entry of this number, from 1.
    At(usize),
    /// After this many entries, but at none of them: before the first, or where the current entry was until it was
    /// removed.
    After(usize),
}

impl Position {
    /// Returns the position for a value of `setlist/go`, of which 0 is before the first entry.
    const fn of_number(number: usize) -> Self {
        if number == 0 { Self::After(0) } else { Self::At(number) }
    }

    /// Returns the number of entries up to the position.
    const fn number(self) -> usize {
        match self {
            Self::At(number) | Self::After(number) => number,
        }
    }

    /// Returns the position after an edit that turned the `old` entries into the `new` ones. If the current entry was
    /// removed, the new position is before the entry that follows.
    fn after_edit(self, old: &[Entry], new: &[Entry]) -> Self {
        let number = self.number();
        if number == 0 {
            // An entry added at the start is then the first to be played.
            return self;
        }
        if self == Self::At(number)
            && let Some(index) = index_after_edit(old, new, number - 1)
        {
            return Self::At(index + 1);
        }
        let following = (number..old.len()).find_map(|index| index_after_edit(old, new, index));
        Self::After(following.unwrap_or_else(|| number.min(new.len())))
    }
}

/// Returns the index of an entry after an edit that turned the `old` entries into the `new` ones; `None` if the entry
/// was removed. Entries that load the same preset or scene are told apart by what surrounds them.
fn index_after_edit(old: &[Entry], new: &[Entry], index: usize) -> Option<usize> {
    let cue = &old.get(index)?.cue;
    let is_same = |(a, b): &(&Entry, &Entry)| a.cue == b.cue;
    let unchanged_before = old.iter().zip(new).take_while(is_same).count();
    let unchanged_after = old.iter().rev().zip(new.iter().rev()).take_while(is_same).count();
    let distance_from_end = old.len() - index;
    if index < unchanged_before {
        Some(index)
    } else if distance_from_end <= unchanged_after {
        Some(new.len() - distance_from_end)
    } else {
        let edited = unchanged_before..new.len() - unchanged_after;
        edited.filter(|other| new[*other].cue == *cue).min_by_key(|other| other.abs_diff(index))
    }
}

impl Setlists {
    /// Creates the setlists from a library. `selected` and `position` are the saved values of `setlist`, the name of the
    /// selected setlist, and `setlist/go`, the number of its current entry.
    pub(in crate::session::live) fn new(library: Library<Setlist>, selected: &Value, position: &Value) -> Self {
        let position = Position::of_number(entry_number(position));
        let selected = if let Value::Text(name) = selected { library.get(name) } else { None };
        match selected.map(|setlist| setlist.entries.clone()) {
            // The setlist may be shorter than it was.
            Some(entries) => Self { position: position.after_edit(&entries, &entries), entries, library },
            None => Self { position, entries: Vec::new(), library },
        }
    }

    pub(super) const fn library(&self) -> &Library<Setlist> {
        &self.library
    }

    /// Replaces the library after a reload. The position in the selected setlist follows its entry; if the setlist has been
    /// removed, the position is kept in case the file comes back.
    pub(super) fn replace(&mut self, library: Library<Setlist>, selected: &str) {
        if let Some(Setlist { entries, .. }) = library.get(selected) {
            self.position = self.position.after_edit(&self.entries, entries);
            self.entries.clone_from(entries);
        }
        self.library = library;
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

    /// Returns the number of the entry that is `steps` away; beyond either end, or if the setlist no longer exists,
    /// logs a message and returns `None`.
    pub(super) fn number_at_offset(&self, setlist: &str, steps: isize) -> Option<usize> {
        let Some(Setlist { entries, .. }) = self.library.get(setlist) else {
            tracing::warn!("{}", self.absence(setlist));
            return None;
        };
        let start = match self.position {
            Position::At(number) => number,
            // Between two entries, the first step back leads to the entry before.
            Position::After(number) => number + usize::from(steps < 0),
        };
        let number = start.checked_add_signed(steps).filter(|number| (1..=entries.len()).contains(number));
        if number.is_none() {
            let end = if steps > 0 { "ends" } else { "begins" };
            tracing::info!("setlist {} {end} here", quoted(setlist));
        }
        number
    }

    /// Goes to an entry, numbered from 1, and returns the event that loads it; 0 is the position before the first.
    ///
    /// # Errors
    /// When there is no such entry or setlist; the position is unchanged.
    pub(super) fn go_to(&mut self, setlist: &str, number: usize) -> Result<Option<ControlEvent>, String> {
        let Some(index) = number.checked_sub(1) else {
            self.position = Position::After(0);
            return Ok(None);
        };
        let Some(Setlist { entries, .. }) = self.library.get(setlist) else { return Err(self.absence(setlist)) };
        let Some(Entry { cue, .. }) = entries.get(index).cloned() else {
            return Err(no_entry(number, setlist, entries.len()));
        };
        let (kind, name) = cue.kind_and_name();
        tracing::info!("setlist {}: {number} of {}, {kind} {}", quoted(setlist), entries.len(), quoted(name));
        self.position = Position::At(number);
        self.entries.clone_from(entries);
        Ok(Some(match cue {
            Cue::Preset(preset) => ControlEvent::Set(Param::Preset, Value::Text(preset)),
            Cue::Scene(scene) => ControlEvent::Set(Param::Scene, Value::Text(scene)),
        }))
    }

    /// Returns the event that sets `setlist/go` to the position.
    pub(super) fn position_event(&self) -> ControlEvent {
        ControlEvent::Set(Param::SetlistGo, Value::Number(self.position.number() as f32))
    }

    /// Returns the current entry, unless it has been removed, and the next one, for the status.
    pub(super) fn entry_names(&self, setlist: &str) -> [Option<String>; 2] {
        let name = |index: usize| {
            let (kind, name) = self.library.get(setlist)?.entries.get(index)?.cue.kind_and_name();
            Some(format!("{kind} {name}"))
        };
        let current = match self.position {
            Position::At(number) => name(number - 1),
            Position::After(_) => None,
        };
        [current, name(self.position.number())]
    }

    /// Returns the error message about a selected setlist that has been removed.
    fn absence(&self, setlist: &str) -> String {
        format!("setlist {} no longer exists; {}", quoted(setlist), choices(self.library.names()))
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
        (folder, Setlists::new(library, &Value::Text(String::new()), &Value::Number(0.0)))
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
        assert!(setlists.go_to("friday", 3).unwrap_err().contains("which has entries 1 to 2"));
        assert_eq!(setlists.position_event(), ControlEvent::Set(Param::SetlistGo, Value::Number(2.0)));
        assert_eq!((setlists.go_to("friday", 0), setlists.position), (Ok(None), Position::After(0)));
    }

    /// Writes the setlist `friday` with these presets, or removes it if there are none, and reloads the setlists.
    fn edit(folder: &tempfile::TempDir, setlists: &mut Setlists, presets: &[&str]) {
        let file = folder.path().join("friday.toml");
        if presets.is_empty() {
            std::fs::remove_file(file).unwrap();
        } else {
            let entries = presets.iter().map(|preset| format!("[[entry]]\npreset = \"{preset}\"\n"));
            let entries = entries.collect::<Vec<_>>().concat();
            std::fs::write(file, format!("schema = 1\nname = \"Test\"\n{entries}")).unwrap();
        }
        let mut library = setlists.library().clone();
        assert_eq!(library.reload().problems, []);
        setlists.replace(library, "friday");
    }

    #[test]
    fn the_position_follows_its_entry_when_the_file_is_edited() {
        for (before, number, after, current, [previous, next]) in [
            // An entry is added or removed before the current one, or moved.
            ("calm storm sad angry", 2, "happy calm storm sad angry", Some("storm"), [Some(2), Some(4)]),
            ("calm storm sad angry", 2, "storm sad angry", Some("storm"), [None, Some(2)]),
            ("calm storm sad angry", 2, "calm sad angry storm", Some("storm"), [Some(3), None]),
            ("calm storm", 0, "happy calm storm", None, [None, Some(1)]),
            // Entries with the same preset are told apart.
            ("calm storm calm sad", 3, "happy happy calm storm calm sad", Some("calm"), [Some(4), Some(6)]),
            ("calm storm calm", 3, "calm storm", None, [Some(2), None]),
            // The current entry is removed or replaced.
            ("calm storm sad angry", 2, "calm sad angry", None, [Some(1), Some(2)]),
            ("calm storm sad angry", 2, "calm rain sad angry", None, [Some(2), Some(3)]),
            ("calm storm sad angry", 1, "storm sad angry", None, [None, Some(1)]),
            ("calm storm sad angry", 2, "sad happy", None, [None, Some(1)]),
            ("calm storm", 2, "calm", None, [Some(1), None]),
            ("calm storm sad", 3, "rain", None, [Some(1), None]),
        ] {
            let [before, after] = [before, after].map(|presets| presets.split(' ').collect::<Vec<_>>());
            let (folder, mut setlists) = setlists(&[]);
            edit(&folder, &mut setlists, &before);
            setlists.go_to("friday", number).unwrap();
            edit(&folder, &mut setlists, &after);
            // Another reload changes nothing.
            for _ in 0..2 {
                let case = format!("{before:?} {number} {after:?}");
                let [entry, next_entry] = setlists.entry_names("friday");
                assert_eq!(entry, current.map(|name| format!("preset {name}")), "{case}");
                assert_eq!(next_entry, next.map(|number| format!("preset {}", after[number - 1])), "{case}");
                assert_eq!([-1, 1].map(|steps| setlists.number_at_offset("friday", steps)), [previous, next], "{case}");
                let library = setlists.library().clone();
                setlists.replace(library, "friday");
            }
            assert!(setlists.go_to("friday", 9).is_err());
            assert_eq!(setlists.number_at_offset("friday", 1), next, "the position is unchanged");
        }
    }

    #[test]
    fn a_position_beyond_the_end_of_a_shortened_setlist_is_moved_to_the_end() {
        let (_folder, setlists) = setlists(&["friday"]);
        let selected = Value::Text("friday".to_owned());
        let setlists = Setlists::new(setlists.library().clone(), &selected, &Value::Number(5.0));
        assert_eq!([-1, 1].map(|steps| setlists.number_at_offset("friday", steps)), [Some(2), None]);
        assert_eq!(setlists.entry_names("friday"), [None, None]);
    }

    #[test]
    fn a_removed_setlist_has_no_entries_until_it_is_restored() {
        let (folder, mut setlists) = setlists(&["saturday"]);
        edit(&folder, &mut setlists, &["calm", "storm", "sad"]);
        setlists.go_to("friday", 2).unwrap();
        edit(&folder, &mut setlists, &[]);
        assert_eq!(setlists.entry_names("friday"), [None, None]);
        assert_eq!(setlists.number_at_offset("friday", 1), None);
        let expected = "setlist \"friday\" no longer exists; the only choice is saturday";
        assert_eq!(setlists.go_to("friday", 1).unwrap_err(), expected);
        edit(&folder, &mut setlists, &["happy", "calm", "storm", "sad"]);
        assert_eq!(setlists.entry_names("friday")[0].as_deref(), Some("preset storm"));
        assert_eq!(setlists.number_at_offset("friday", 1), Some(4));
    }

    #[test]
    fn one_of_several_setlists_must_be_selected() {
        let (_folder, setlists) = setlists(&["friday", "saturday"]);
        assert!(setlists.default_name().unwrap_err().contains("friday"));
    }
}
