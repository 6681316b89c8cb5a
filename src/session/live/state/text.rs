//! The saved state as TOML: values by parameter id, the step of the `journey`, each scene as a table in `scenes`, learned
//! controls in `learned`.

use toml::{Table, Value as Toml};

use super::Saved;
use super::salvage::salvage;
use crate::event::parameter::{Param, Value};
use crate::midi::mapping::Learned;

pub(super) fn format(state: &Saved) -> String {
    let mut table = values_out(&state.values);
    let journey = state.journey.and_then(|step| i64::try_from(step).ok());
    table.extend(journey.map(|step| ("journey".to_owned(), Toml::Integer(step))));
    let scenes = state.scenes.iter().map(|(name, values)| (name.clone(), Toml::Table(values_out(values))));
    table.insert("scenes".to_owned(), Toml::Table(scenes.collect()));
    let learned = state.learned.iter().map(|learned| {
        let entry = [("device", &learned.device), ("block", &learned.block)];
        Toml::Table(entry.map(|(key, text)| (key.to_owned(), Toml::from(text.as_str()))).into_iter().collect())
    });
    table.insert("learned".to_owned(), Toml::Array(learned.collect()));
    table.to_string()
}

/// Reads what is readable, and collects the problems.
pub(super) fn parse(bytes: Vec<u8>) -> (Saved, Vec<String>) {
    let mut wrong = Vec::new();
    let text = String::from_utf8(bytes).unwrap_or_else(|error| {
        wrong.push("the file is not UTF-8".to_owned());
        String::from_utf8_lossy(error.as_bytes()).into_owned()
    });
    let mut table: Table = text.parse().unwrap_or_else(|_| salvage(&text, &mut wrong));
    let mut state = Saved::default();
    match table.remove("scenes") {
        None => {}
        Some(Toml::Table(scenes)) => {
            for (name, scene) in scenes {
                match scene {
                    Toml::Table(scene) => drop(state.scenes.insert(name, values_in(&scene, &mut wrong))),
                    _ => wrong.push(format!("scene {name:?} is not a table")),
                }
            }
        }
        Some(_) => wrong.push("`scenes` must be a table".to_owned()),
    }
    match table.remove("learned") {
        None => {}
        Some(Toml::Array(learned)) => {
            state.learned = learned.iter().filter_map(|entry| learned_in(entry, &mut wrong)).collect();
        }
        Some(_) => wrong.push("`learned` must be a list".to_owned()),
    }
    state.journey = table.remove("journey").and_then(|step| {
        let step = step.as_integer().and_then(|step| usize::try_from(step).ok()).filter(|step| *step > 0);
        if step.is_none() {
            wrong.push("`journey` must be the number of a step".to_owned());
        }
        step
    });
    state.values = values_in(&table, &mut wrong);
    (state, wrong)
}

fn learned_in(entry: &Toml, wrong: &mut Vec<String>) -> Option<Learned> {
    let text = |key| entry.get(key)?.as_str();
    let (Some(device), Some(block)) = (text("device"), text("block")) else {
        wrong.push("a learned control has no device or no block".to_owned());
        return None;
    };
    Learned::new(device, block)
        .inspect_err(|problems| wrong.extend(problems.iter().map(|problem| format!("a learned control: {problem}"))))
        .ok()
}

fn values_out(values: &[(Param, Value)]) -> Table {
    let written = |(param, value): &(Param, Value)| Some((param.spec().id.to_owned(), param.to_toml(value)?));
    values.iter().filter_map(written).collect()
}

fn values_in(table: &Table, wrong: &mut Vec<String>) -> Vec<(Param, Value)> {
    let mut values = Vec::new();
    for (id, value) in table {
        match value_in(id, value) {
            Ok(value) => values.extend(value),
            Err(reason) => wrong.push(format!("{id} = {value}: {reason}")),
        }
    }
    values
}

fn value_in(id: &str, value: &Toml) -> Result<Option<(Param, Value)>, String> {
    let param = Param::from_id(id).ok_or("unknown parameter in this version of Melos")?;
    let value = param.read_toml(value).map_err(|error| error.to_string())?;
    Ok(value.map(|value| (param, value)))
}
