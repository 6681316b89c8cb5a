//! The saved state as TOML: values by the parameter's id, each scene as a table in `scenes`, learnt controls in
//! `learned`.

use toml::{Table, Value as Toml};

use super::Saved;
use crate::event::parameter::{Param, Value};
use crate::midi::mapping::Learned;

pub(super) fn format(state: &Saved) -> String {
    let mut table = values_out(&state.values);
    let scenes = state.scenes.iter().map(|(name, values)| (name.clone(), Toml::Table(values_out(values))));
    table.insert("scenes".to_owned(), Toml::Table(scenes.collect()));
    let learned = state.learned.iter().map(|learned| {
        let entry = [("device", &learned.device), ("block", &learned.block)];
        Toml::Table(entry.map(|(key, text)| (key.to_owned(), Toml::from(text.as_str()))).into_iter().collect())
    });
    table.insert("learned".to_owned(), Toml::Array(learned.collect()));
    table.to_string()
}

pub(super) fn parse(text: &str) -> Result<Saved, String> {
    let mut table: Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    let mut state = Saved::default();
    match table.remove("scenes") {
        None => {}
        Some(Toml::Table(scenes)) => {
            for (name, scene) in scenes {
                let Toml::Table(scene) = scene else { return Err(format!("scene {name:?} is no table")) };
                state.scenes.insert(name, values_in(&scene)?);
            }
        }
        Some(_) => return Err("scenes is no table".to_owned()),
    }
    match table.remove("learned") {
        None => {}
        Some(Toml::Array(learned)) => state.learned = learned.iter().filter_map(learned_in).collect(),
        Some(_) => return Err("learned is no list".to_owned()),
    }
    state.values = values_in(&table)?;
    Ok(state)
}

/// A learnt control; one that this version of Melos cannot bind is said and left out.
fn learned_in(entry: &Toml) -> Option<Learned> {
    let text = |key| entry.get(key)?.as_str();
    Learned::new(text("device")?, text("block")?)
        .inspect_err(|problems| tracing::warn!(?problems, "a learnt control is left out"))
        .ok()
}

fn values_out(values: &[(Param, Value)]) -> Table {
    let written = |(param, value): &(Param, Value)| Some((param.spec().id.to_owned(), param.to_toml(value)?));
    values.iter().filter_map(written).collect()
}

fn values_in(table: &Table) -> Result<Vec<(Param, Value)>, String> {
    let mut values = Vec::new();
    for (id, value) in table {
        // A parameter of another version of Melos: no reason to lose the rest.
        let Some(param) = Param::from_id(id) else { continue };
        if let Some(value) = param.read_toml(value).map_err(|error| error.to_string())? {
            values.push((param, value));
        }
    }
    Ok(values)
}
