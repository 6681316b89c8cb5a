//! `melos setlist`: selects or steps through a setlist of the running daemon, or lists the setlists.

use anyhow::bail;
use melos::event::parameter::{Input, Param, Value};
use melos::files::setlist::no_entry;
use melos::quote::{listed, quoted};
use serde_json::Value as Json;

use super::change::{apply, send};
use super::client::{Client, LISTING_DELAY, Names, poll};
use super::complete;
use super::output::Output;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// `next`, `previous`, an entry's number, or the name or title of a setlist to select; lists the setlists if omitted
    #[arg(add = complete::setlists())]
    step: Option<String>,
    /// Apply at the next bar line instead of at once
    #[arg(long, requires = "step")]
    next_bar: bool,
    #[command(flatten)]
    client: Client,
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let Some(step) = args.step else { return show(&args.client) };
    let (param, value) = match (step.as_str(), step.parse::<u16>()) {
        ("next", _) => (Param::SetlistNext, Value::Trigger),
        ("previous", _) => (Param::SetlistPrevious, Value::Trigger),
        (_, Ok(number)) => (Param::SetlistGo, Value::Number(f32::from(number))),
        (name, Err(_)) => (Param::Setlist, Value::Text(name.to_owned())),
    };
    set(&args.client, param, &value, args.next_bar)
}

/// Sets a parameter, as [`apply`] does. If it leads to an entry that does not exist or cannot be loaded, the error says so.
pub(super) fn set(client: &Client, param: Param, value: &Value, next_bar: bool) -> anyhow::Result<()> {
    let Some(target) = Target::of(param, value) else { return apply(client, param, value, next_bar) };
    // The daemon only logs that a setlist ends, and at the next bar line, also why it cannot load an entry, so this is
    // determined here.
    let fetch = || {
        let status = client.status()?;
        Ok(check(&target, &status, &client.get("/presets")?, &client.get("/scenes")?))
    };
    let (checked, _) = poll(LISTING_DELAY, fetch, Result::is_ok)?;
    if let Err(problem) = checked {
        // Sent anyway, because the daemon moves to an entry even if it cannot load it. It would refuse a number out of
        // range.
        let is_in_range = match *value {
            Value::Number(number) => param.fit_within(Input::Number(number.into())).is_ok(),
            _ => true,
        };
        if is_in_range {
            send(client, param, value, next_bar)?;
        }
        bail!("{problem}");
    }
    apply(client, param, value, next_bar)
}

/// The entry to go to.
enum Target {
    /// An offset from the current entry; negative for earlier entries.
    Relative(isize),
    /// The number of an entry, starting at 1; 0 is the position before the first.
    Number(usize),
}

impl Target {
    /// Returns the entry to which setting a parameter leads; `None` for a parameter that leads to none.
    fn of(param: Param, value: &Value) -> Option<Self> {
        match (param, value) {
            (Param::SetlistNext, _) => Some(Self::Relative(1)),
            (Param::SetlistPrevious, _) => Some(Self::Relative(-1)),
            (Param::SetlistGo, Value::Number(number)) => Some(Self::Number(number.round() as usize)),
            _ => None,
        }
    }
}

/// Checks that the selected setlist contains the target entry, and that the entry's preset or scene exists.
fn check(target: &Target, status: &Json, lists: &Json, scenes: &Json) -> Result<(), String> {
    let parameters = &status["parameters"];
    let all = lists["setlists"].as_array().map_or(&[][..], Vec::as_slice);
    let selected = parameters["setlist"].as_str().unwrap_or_default();
    let setlist = match (selected, all) {
        (_, []) => return Err("there are no setlists; see docs/presets.md for how to write one".to_owned()),
        // If there is only one setlist, the daemon selects it by itself.
        ("", [only]) => Some(only),
        _ => all.iter().find(|list| list["id"] == selected),
    };
    let Some(setlist) = setlist else {
        let problem = match selected {
            "" => "no setlist is selected".to_owned(),
            removed => format!("setlist {} no longer exists", quoted(removed)),
        };
        let names = listed(all.iter().filter_map(|list| list["id"].as_str()));
        return Err(format!("{problem}; `melos setlist NAME` selects one of {names}"));
    };
    let id = setlist["id"].as_str().unwrap_or_default();
    let name = quoted(id);
    let entries = setlist["entries"].as_array().map_or(&[][..], Vec::as_slice);
    let position = parameters["setlist/go"].as_f64().unwrap_or_default() as usize;
    let number = match *target {
        Target::Number(0) => return Ok(()),
        Target::Number(number) => number,
        Target::Relative(steps) => {
            // Where the current entry was removed from the file, the first step back leads to the entry before.
            let is_between = status["show"]["entry"].is_null();
            (position + usize::from(is_between && steps < 0)).checked_add_signed(steps).unwrap_or_default()
        }
    };
    let Some(entry) = number.checked_sub(1).and_then(|index| entries.get(index)) else {
        return Err(match *target {
            Target::Number(number) => no_entry(number, id, entries.len()),
            Target::Relative(steps) if steps > 0 => format!("setlist {name} ends here"),
            Target::Relative(_) => format!("setlist {name} begins here"),
        });
    };
    let (kind, known) = match entry["kind"].as_str() {
        Some("preset") => ("preset", &lists["presets"]),
        _ => ("scene", &scenes["scenes"]),
    };
    let cue = entry["name"].as_str().unwrap_or_default();
    let found = Names::in_list(known).exact(kind, cue).map(|_| ());
    found.map_err(|error| format!("entry {number} of setlist {name}: {error}"))
}

fn show(client: &Client) -> anyhow::Result<()> {
    let lists = client.get("/presets")?;
    let status = client.status()?;
    let selected = status["parameters"]["setlist"].as_str().unwrap_or_default();
    // Where the current entry was removed from the file, none is current.
    let position = status["parameters"]["setlist/go"].as_f64().filter(|_| !status["show"]["entry"].is_null());
    let current = position.unwrap_or_default() as usize;
    let lists: Vec<&Json> = lists["setlists"].as_array().into_iter().flatten().collect();
    if lists.is_empty() {
        bail!("there are no setlists; see docs/presets.md for how to write one");
    }
    let mut out = Output::lock();
    for list in lists {
        let id = list["id"].as_str().unwrap_or_default();
        out.line(format_args!("{id}: {}", list["name"].as_str().unwrap_or_default()))?;
        if id == selected {
            out.lines(entries(list, current))?;
        }
    }
    Ok(())
}

/// Formats the entries of a setlist as lines, numbered, and marks the current one.
fn entries(list: &Json, current: usize) -> Vec<String> {
    let entries = list["entries"].as_array().into_iter().flatten().enumerate();
    let text = |entry: &Json, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let line = |(index, entry): (usize, &Json)| {
        let mark = if index + 1 == current { '>' } else { ' ' };
        let cue = format!("{} {}", text(entry, "kind"), text(entry, "name"));
        let note = text(entry, "note");
        format!("{mark} {:>3}  {cue:<28} {note}", index + 1).trim_end().to_owned()
    };
    entries.map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_entry_that_cannot_be_loaded_is_reported() {
        let entries = json!([{ "kind": "preset", "name": "Calm" }, { "kind": "preset", "name": "gone" }]);
        let lists = json!({ "presets": [{ "id": "calm" }], "setlists": [{ "id": "friday", "entries": entries }] });
        let scenes = json!({ "scenes": [] });
        let at = |position: u32, selected: &str, target| {
            let entry = (position > 0).then_some("preset calm");
            let parameters = json!({ "setlist": selected, "setlist/go": position });
            check(&target, &json!({ "parameters": parameters, "show": { "entry": entry } }), &lists, &scenes)
        };
        assert_eq!(at(0, "", Target::Relative(1)), Ok(()));
        assert_eq!(at(2, "friday", Target::Number(1)), Ok(()));
        for (position, target, problem) in [
            (0, Target::Relative(-1), "begins here"),
            (2, Target::Relative(1), "setlist \"friday\" ends here"),
            (
                1,
                Target::Relative(1),
                "entry 2 of setlist \"friday\": there is no preset \"gone\"; the only choice is calm",
            ),
            (0, Target::Number(9), "there is no entry 9 in setlist \"friday\", which has entries 1 to 2"),
        ] {
            let found = at(position, "friday", target).unwrap_err();
            assert!(found.contains(problem), "{found}");
        }
        assert_eq!(at(0, "", Target::Number(1)), Ok(()));
        let removed = at(1, "saturday", Target::Relative(1)).unwrap_err();
        assert!(removed.contains("setlist \"saturday\" no longer exists; `melos setlist NAME` selects"), "{removed}");
        // The entry that followed the first one was current until it was removed.
        let between = json!({ "parameters": { "setlist": "friday", "setlist/go": 1 }, "show": { "entry": null } });
        assert_eq!(check(&Target::Relative(-1), &between, &lists, &scenes), Ok(()));
    }

    #[test]
    fn the_current_entry_is_marked() {
        let list = serde_json::json!({ "entries": [
            { "kind": "preset", "name": "slow-dawn", "note": "doors" }, { "kind": "scene", "name": "verse", "note": "" },
        ] });
        assert_eq!(entries(&list, 2), ["    1  preset slow-dawn             doors", ">   2  scene verse"]);
    }
}
