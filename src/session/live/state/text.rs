//! Reads and writes the saved state as TOML: values by parameter id, the step of the `journey`, whether the music is
//! `paused`, the `timer`, a table in `scenes` for each scene, and the `learned` controls. A first and a last line show
//! whether the file is complete, since TOML that is cut off between two lines is still valid.

use std::borrow::Cow;

use toml::{Table, Value as Toml};

use super::salvage::salvage;
use super::{Saved, SavedTimer, parse_boot_id};
use crate::event::parameter::{Param, Value};
use crate::midi::mapping::LearnedControl;

/// The first line of a file. Earlier versions wrote files without it, and without the last line.
pub(super) const START: &str = "# The state of Melos. If its last line is missing, this file counts as damaged.";
/// The last line of a complete file; lines that a user appends may follow it.
const END: &str = "# end of state";

/// Formats the state as TOML.
pub(super) fn format(state: &Saved) -> String {
    let mut table = write_values(&state.values);
    let journey = state.journey.and_then(|step| i64::try_from(step).ok());
    table.extend(journey.map(|step| ("journey".to_owned(), Toml::Integer(step))));
    table.extend(state.timer.map(|timer| ("timer".to_owned(), write_timer(timer))));
    if state.paused {
        table.insert("paused".to_owned(), Toml::Boolean(true));
    }
    let scenes = state.scenes.iter().map(|(name, values)| (name.clone(), Toml::Table(write_values(values))));
    table.insert("scenes".to_owned(), Toml::Table(scenes.collect()));
    let learned = state.learned.iter().map(|learned| {
        let entry = [("device", &learned.device), ("block", &learned.block)];
        Toml::Table(entry.map(|(key, text)| (key.to_owned(), Toml::from(text.as_str()))).into_iter().collect())
    });
    table.insert("learned".to_owned(), Toml::Array(learned.collect()));
    format!("{START}\n\n{table}\n{END}\n")
}

/// Parses whatever is readable; also returns the problems.
pub(super) fn parse(bytes: &[u8]) -> (Saved, Vec<String>) {
    let mut problems = Vec::new();
    let text = String::from_utf8_lossy(bytes);
    if matches!(text, Cow::Owned(_)) {
        problems.push("the file is not UTF-8".to_owned());
    }
    let mut table: Table = text.parse().unwrap_or_else(|_| salvage(&text, &mut problems));
    let has_line = |line: &str| text.lines().any(|other| other.trim() == line);
    if has_line(START) && !has_line(END) {
        problems.push("its end is missing".to_owned());
    } else if table.is_empty() && problems.is_empty() {
        problems.push("it is empty".to_owned());
    }
    let mut state = Saved::default();
    match table.remove("scenes") {
        None => {}
        Some(Toml::Table(scenes)) => {
            for (name, scene) in scenes {
                match scene {
                    Toml::Table(scene) => drop(state.scenes.insert(name, read_values(&scene, &mut problems))),
                    _ => problems.push(format!("scene {name:?} must be a table")),
                }
            }
        }
        Some(_) => problems.push("`scenes` must be a table".to_owned()),
    }
    match table.remove("learned") {
        None => {}
        Some(Toml::Array(learned)) => {
            state.learned = learned.iter().filter_map(|entry| read_learned(entry, &mut problems)).collect();
        }
        Some(_) => problems.push("`learned` must be a list".to_owned()),
    }
    state.journey = table.remove("journey").and_then(|step| {
        let step = step.as_integer().and_then(|step| usize::try_from(step).ok()).filter(|step| *step > 0);
        if step.is_none() {
            problems.push("`journey` must be the number of a step".to_owned());
        }
        step
    });
    state.timer = table.remove("timer").and_then(|timer| {
        let read = read_timer(&timer);
        if read.is_none() {
            problems.push("`timer.ends` must be a time".to_owned());
        }
        read
    });
    state.paused = table.remove("paused").is_some_and(|paused| {
        paused.as_bool().unwrap_or_else(|| {
            problems.push("`paused` must be true or false".to_owned());
            false
        })
    });
    state.values = read_values(&table, &mut problems);
    (state, problems)
}

fn write_timer(timer: SavedTimer) -> Toml {
    let ends = timer.ends.to_string();
    let ends = ends.parse().map_or(Toml::String(ends), Toml::Datetime);
    let values = [("ends", ends), ("seconds", timer.seconds.into()), ("stopped", timer.stopped.into())];
    let boot = timer.boot.map(|id| ("boot", Toml::String(format!("{id:032x}"))));
    Toml::Table(values.into_iter().chain(boot).map(|(key, value)| (key.to_owned(), value)).collect())
}

fn read_timer(timer: &Toml) -> Option<SavedTimer> {
    let ends = timer.get("ends")?.as_datetime()?.to_string().parse().ok()?;
    // Earlier versions saved neither the seconds nor the boot.
    let seconds = timer.get("seconds").and_then(Toml::as_integer).and_then(|seconds| seconds.try_into().ok());
    let stopped = timer.get("stopped").and_then(Toml::as_bool).unwrap_or(false);
    let boot = timer.get("boot").and_then(Toml::as_str).and_then(parse_boot_id);
    Some(SavedTimer { ends, seconds: seconds.unwrap_or(u32::MAX), stopped, boot })
}

fn read_learned(entry: &Toml, problems: &mut Vec<String>) -> Option<LearnedControl> {
    let text = |key| entry.get(key)?.as_str();
    let (Some(device), Some(block)) = (text("device"), text("block")) else {
        problems.push("a learned control must have `device` and `block`".to_owned());
        return None;
    };
    LearnedControl::new(device, block)
        .inspect_err(|errors| problems.extend(errors.iter().map(|problem| format!("a learned control: {problem}"))))
        .ok()
}

fn write_values(values: &[(Param, Value)]) -> Table {
    let written = |(param, value): &(Param, Value)| Some((param.spec().id.to_owned(), param.to_toml(value)?));
    values.iter().filter_map(written).collect()
}

fn read_values(table: &Table, problems: &mut Vec<String>) -> Vec<(Param, Value)> {
    let mut values = Vec::new();
    for (id, value) in table {
        match read_value(id, value) {
            Ok(value) => values.extend(value),
            Err(reason) => problems.push(format!("{id} = {value}: {reason}")),
        }
    }
    values
}

fn read_value(id: &str, value: &Toml) -> Result<Option<(Param, Value)>, String> {
    let param = Param::from_id(id).ok_or("this version of Melos has no such parameter")?;
    let value = param.read_toml(value).map_err(|error| error.to_string())?;
    Ok(value.map(|value| (param, value)))
}
