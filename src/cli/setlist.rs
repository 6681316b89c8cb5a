//! `melos setlist`: steps through a setlist of the running daemon.

use std::io::Write;

use anyhow::bail;
use melos::event::parameter::{Param, Value};
use serde_json::Value as Json;

use super::client::Client;
use super::complete;
use super::set::apply;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// `next`, `previous`, an entry's number, or the name of a setlist to start; lists the setlists if omitted
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
    apply(&args.client, param, &value, args.next_bar)
}

fn show(client: &Client) -> anyhow::Result<()> {
    let lists = client.get("/presets")?;
    let status = client.get("/status")?;
    let selected = status["parameters"]["setlist"].as_str().unwrap_or_default();
    let current = status["parameters"]["setlist/go"].as_f64().unwrap_or_default() as usize;
    let lists: Vec<&Json> = lists["setlists"].as_array().into_iter().flatten().collect();
    if lists.is_empty() {
        bail!("there are no setlists; see docs/presets.md for how to write one");
    }
    let mut out = std::io::stdout().lock();
    for list in lists {
        let id = list["id"].as_str().unwrap_or_default();
        writeln!(out, "{id}: {}", list["name"].as_str().unwrap_or_default())?;
        if id == selected {
            out.write_all(entries(list, current).as_bytes())?;
        }
    }
    Ok(())
}

/// Formats the numbered entries and marks the current one.
fn entries(list: &Json, current: usize) -> String {
    let entries = list["entries"].as_array().into_iter().flatten().enumerate();
    let text = |entry: &Json, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let line = |(index, entry): (usize, &Json)| {
        let mark = if index + 1 == current { '>' } else { ' ' };
        let cue = format!("{} {}", text(entry, "kind"), text(entry, "name"));
        let note = text(entry, "note");
        format!("{mark} {:>3}  {cue:<28} {note}", index + 1).trim_end().to_owned() + "\n"
    };
    entries.map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_current_entry_is_marked() {
        let list = serde_json::json!({ "entries": [
            { "kind": "preset", "name": "slow-dawn", "note": "doors" }, { "kind": "scene", "name": "verse", "note": "" },
        ] });
        assert_eq!(entries(&list, 2), "    1  preset slow-dawn             doors\n>   2  scene verse\n");
    }
}
