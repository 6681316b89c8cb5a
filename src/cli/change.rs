//! Changes parameters of the running daemon.

use anyhow::bail;
use melos::event::parameter::{Param, Value};
use rosc::OscType;

use super::client::Client;

/// Sets a parameter and checks that the daemon applied the value, except for triggers and changes at the next bar.
pub(super) fn apply(client: &Client, param: Param, value: &Value, next_bar: bool) -> anyhow::Result<()> {
    let value = with_exact_name(client, param, value)?;
    send(client, param, &value, next_bar)?;
    confirm(client, param, &value, next_bar)
}

/// Returns a value with the exact name of the preset, setlist or scene that it names. An empty name chooses no setlist,
/// or no scene for an end of the crossfader; elsewhere it means nothing.
///
/// # Errors
/// If there is none, or no daemon responds.
pub(super) fn with_exact_name(client: &Client, param: Param, value: &Value) -> anyhow::Result<Value> {
    let needed = match param {
        Param::SceneStore | Param::Scene | Param::SceneDelete => Some("scene"),
        Param::Preset => Some("preset"),
        _ => None,
    };
    if let (Some(kind), Value::Text(name)) = (needed, value)
        && name.is_empty()
    {
        bail!("{}: expected the name of a {kind}", param.spec().id);
    }
    let (path, key, kind) = match param {
        Param::Preset => ("/presets", "presets", "preset"),
        Param::Setlist => ("/presets", "setlists", "setlist"),
        param if param.names_scene() => ("/scenes", "scenes", "scene"),
        _ => return Ok(value.clone()),
    };
    match value {
        Value::Text(name) if !name.is_empty() => {
            let names = client.names_with(path, key, name)?;
            Ok(Value::Text(names.exact(kind, name)?.to_owned()))
        }
        value => Ok(value.clone()),
    }
}

/// Sends a value without checking that the daemon applied it.
pub(super) fn send(client: &Client, param: Param, value: &Value, next_bar: bool) -> anyhow::Result<()> {
    let id = param.spec().id;
    let address = if next_bar { format!("/melos/next/bar/{id}") } else { format!("/melos/{id}") };
    // A trigger accepts any argument except 0.
    let argument = param.to_osc(value).unwrap_or(OscType::Int(1));
    client.send(&address, vec![argument])
}

/// Checks that the daemon applied a value, except for triggers and changes at the next bar.
pub(super) fn confirm(client: &Client, param: Param, value: &Value, next_bar: bool) -> anyhow::Result<()> {
    let can_be_confirmed = *value != Value::Trigger && !next_bar;
    if can_be_confirmed { client.wait_for(param.spec().id, &param.to_json(value)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Daemon {
        #[command(flatten)]
        client: Client,
    }

    #[test]
    fn a_scene_and_a_preset_need_a_name() {
        let client = Daemon::parse_from(["melos"]).client;
        let unnamed = |param| with_exact_name(&client, param, &Value::Text(String::new()));
        for param in [Param::SceneStore, Param::Scene, Param::SceneDelete] {
            let error = unnamed(param).unwrap_err().to_string();
            assert_eq!(error, format!("{}: expected the name of a scene", param.spec().id));
        }
        assert_eq!(unnamed(Param::Preset).unwrap_err().to_string(), "preset: expected the name of a preset");
        for end in [Param::SceneA, Param::SceneB] {
            assert_eq!(unnamed(end).unwrap(), Value::Text(String::new()));
        }
    }
}
