//! `melos set`, `melos get` and `melos preset`: parameters of the running daemon.

use anyhow::{anyhow, bail};
use clap::builder::PossibleValuesParser;
use melos::event::parameter::{Input, Param, TABLE, Value};
use melos::files::document::parameter;
use melos::quote::{choices, quoted};
use rosc::OscType;

use super::client::{Client, LISTING_DELAY, poll};
use super::complete;
use super::output::Output;
use super::settings::settings_of;

fn ids() -> PossibleValuesParser {
    PossibleValuesParser::new(
        TABLE.iter().map(|spec| clap::builder::PossibleValue::new(spec.id).help(spec.description)),
    )
}

#[derive(Debug, clap::Args)]
pub(crate) struct SetArgs {
    /// Parameter, such as emotion or level/pad
    #[arg(value_parser = ids(), hide_possible_values = true, add = complete::parameters())]
    parameter: String,
    /// New value; omit for triggers such as panic
    #[arg(allow_negative_numbers = true, add = complete::values())]
    value: Option<String>,
    /// Apply at the next bar line instead of at once
    #[arg(long)]
    next_bar: bool,
    #[command(flatten)]
    client: Client,
}

pub(crate) fn set(args: SetArgs) -> anyhow::Result<()> {
    let param = parameter(&args.parameter).map_err(|hint| anyhow!(hint))?;
    let settings = match &args.value {
        Some(text) => settings_of(param, text)?,
        None => param.fit_within(Input::Nothing)?.map(|value| (param, value)).into_iter().collect(),
    };
    for (param, value) in &settings {
        check_name(&args.client, *param, value)?;
        send(&args.client, *param, value, args.next_bar)?;
    }
    settings.iter().try_for_each(|(param, value)| confirm(&args.client, *param, value, args.next_bar))
}

#[derive(Debug, clap::Args)]
pub(crate) struct PresetArgs {
    /// File name without .toml, as listed by `melos presets`; `next` and `previous` step through the list
    #[arg(add = complete::presets())]
    name: String,
    /// Apply at the next bar line instead of at once
    #[arg(long)]
    next_bar: bool,
    #[command(flatten)]
    client: Client,
}

pub(crate) fn preset(args: PresetArgs) -> anyhow::Result<()> {
    let (param, value) = match args.name.as_str() {
        "next" => (Param::PresetNext, Value::Trigger),
        "previous" => (Param::PresetPrevious, Value::Trigger),
        name => (Param::Preset, Value::Text(name.to_owned())),
    };
    apply(&args.client, param, &value, args.next_bar)
}

/// Sets a parameter and checks that the daemon applied the value, except for triggers and changes at the next bar.
pub(super) fn apply(client: &Client, param: Param, value: &Value, next_bar: bool) -> anyhow::Result<()> {
    check_name(client, param, value)?;
    send(client, param, value, next_bar)?;
    confirm(client, param, value, next_bar)
}

/// Checks that there is a preset, setlist or scene of the name that a value holds; the daemon would only log the mistake,
/// and only at the next bar line if the value is to apply then.
fn check_name(client: &Client, param: Param, value: &Value) -> anyhow::Result<()> {
    let (path, key, kind) = match param {
        Param::Preset => ("/presets", "presets", "preset"),
        Param::Setlist => ("/presets", "setlists", "setlist"),
        param if param.names_scene() => ("/scenes", "scenes", "scene"),
        _ => return Ok(()),
    };
    let Value::Text(name) = value else { return Ok(()) };
    let is_listed = |names: &Vec<String>| name.is_empty() || names.contains(name);
    let (names, exists) = poll(LISTING_DELAY, || client.names(path, key), is_listed)?;
    if !exists {
        bail!("there is no {kind} {}; {}", quoted(name), choices(names.iter().map(String::as_str)));
    }
    Ok(())
}

/// Sends a value without checking that the daemon applied it.
pub(super) fn send(client: &Client, param: Param, value: &Value, next_bar: bool) -> anyhow::Result<()> {
    let id = param.spec().id;
    let address = if next_bar { format!("/melos/next/bar/{id}") } else { format!("/melos/{id}") };
    // A trigger accepts any argument except 0.
    let argument = param.to_osc(value).unwrap_or(OscType::Int(1));
    client.send(&address, vec![argument])
}

fn confirm(client: &Client, param: Param, value: &Value, next_bar: bool) -> anyhow::Result<()> {
    let can_be_confirmed = *value != Value::Trigger && !next_bar;
    if can_be_confirmed { client.wait_for(param.spec().id, &param.to_json(value)) } else { Ok(()) }
}

#[derive(Debug, clap::Args)]
pub(crate) struct GetArgs {
    /// Parameters to print; all if omitted
    #[arg(value_parser = ids(), hide_possible_values = true, add = complete::parameters())]
    parameters: Vec<String>,
    #[command(flatten)]
    client: Client,
}

pub(crate) fn get(args: GetArgs) -> anyhow::Result<()> {
    let status = args.client.get("/status")?;
    let mut out = Output::lock();
    let formatted = |id: &str| match &status["parameters"][id] {
        serde_json::Value::String(text) => text.clone(),
        value => value.as_f64().map_or_else(|| value.to_string(), |number| number.to_string()),
    };
    let is_trigger = |id: &&String| status["parameters"][id.as_str()].is_null();
    if let Some(id) = args.parameters.iter().find(is_trigger) {
        bail!("{id} has no value; trigger it with `melos set {id}`");
    }
    if let [id] = args.parameters.as_slice() {
        return Ok(out.line(formatted(id))?);
    }
    let is_requested = |id: &str| args.parameters.is_empty() || args.parameters.iter().any(|parameter| parameter == id);
    for spec in TABLE.iter().filter(|spec| is_requested(spec.id) && !status["parameters"][spec.id].is_null()) {
        let value = format!("{} {}", formatted(spec.id), spec.unit);
        out.line(format_args!("{:<20} {}", spec.id, value.trim_end()))?;
    }
    Ok(())
}
