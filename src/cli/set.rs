//! `melos set`, `melos get` and `melos preset`: parameters of the running daemon.

use anyhow::{anyhow, bail};
use clap::builder::PossibleValuesParser;
use melos::event::parameter::{Input, Param, TABLE, Value};
use melos::files::document::parameter;

use super::change::{apply, confirm, send, with_exact_name};
use super::client::Client;
use super::complete;
use super::output::Output;
use super::setlist;
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
    #[arg(allow_hyphen_values = true, value_parser = value, add = complete::values())]
    value: Option<String>,
    /// Further words of the value, such as the unit in -12 dB
    rest: Vec<String>,
    /// Apply at the next bar line instead of at once
    #[arg(long)]
    next_bar: bool,
    #[command(flatten)]
    client: Client,
}

/// Accepts a value, which may start with a hyphen, such as `-6dB`, but not a mistyped option.
fn value(text: &str) -> Result<String, String> {
    if text.starts_with("--") { Err("there is no such option".to_owned()) } else { Ok(text.to_owned()) }
}

impl SetArgs {
    /// Returns the whole value.
    fn text(&self) -> Option<String> {
        let first = self.value.clone()?;
        Some(self.rest.iter().fold(first, |text, word| text + " " + word))
    }
}

pub(crate) fn set(args: SetArgs) -> anyhow::Result<()> {
    let param = parameter(&args.parameter).map_err(|hint| anyhow!(hint))?;
    let mut settings = match args.text() {
        Some(text) => settings_of(param, &text)?,
        None => param.fit_within(Input::Nothing)?.map(|value| (param, value)).into_iter().collect(),
    };
    if let [(param, value)] = settings.as_slice()
        && matches!(param, Param::SetlistGo | Param::SetlistNext | Param::SetlistPrevious)
    {
        return setlist::set(&args.client, *param, value, args.next_bar);
    }
    for (param, value) in &mut settings {
        *value = with_exact_name(&args.client, *param, value)?;
        send(&args.client, *param, value, args.next_bar)?;
    }
    settings.iter().try_for_each(|(param, value)| confirm(&args.client, *param, value, args.next_bar))
}

#[derive(Debug, clap::Args)]
pub(crate) struct PresetArgs {
    /// File name without .toml or title, as listed by `melos presets`; `next` and `previous` step through the list
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

#[derive(Debug, clap::Args)]
pub(crate) struct GetArgs {
    /// Parameters to print; all if omitted
    #[arg(value_parser = ids(), hide_possible_values = true, add = complete::parameters())]
    parameters: Vec<String>,
    #[command(flatten)]
    client: Client,
}

pub(crate) fn get(args: GetArgs) -> anyhow::Result<()> {
    let status = args.client.status()?;
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

#[cfg(test)]
mod tests {
    use clap::Parser;
    use clap::error::ErrorKind;

    use super::*;

    #[derive(Debug, Parser)]
    struct Set {
        #[command(flatten)]
        args: SetArgs,
    }

    fn parse(arguments: &str) -> Result<SetArgs, clap::Error> {
        Set::try_parse_from(["set"].into_iter().chain(arguments.split(' '))).map(|set| set.args)
    }

    #[test]
    fn values_may_start_with_a_hyphen_and_consist_of_several_words() {
        for (arguments, value, next_bar) in [
            ("level/pad -6dB", Some("-6dB"), false),
            ("level/pad -12 dB --next-bar", Some("-12 dB"), true),
            ("register --next-bar -0.5", Some("-0.5"), true),
            ("tone -.5 --http 9081", Some("-.5"), false),
            ("key A minor", Some("A minor"), false),
            ("panic --next-bar", None, true),
        ] {
            let args = parse(arguments).unwrap();
            assert_eq!((args.text().as_deref(), args.next_bar), (value, next_bar), "{arguments}");
        }
        let settings = settings_of(Param::LevelPad, &parse("level/pad -12 dB").unwrap().text().unwrap());
        assert_eq!(settings.unwrap(), [(Param::LevelPad, Value::Number(-12.0))]);
    }

    #[test]
    fn options_are_not_taken_for_values() {
        for arguments in ["level/pad --help", "level/pad -h", "level/pad -6dB --help"] {
            assert_eq!(parse(arguments).unwrap_err().kind(), ErrorKind::DisplayHelp, "{arguments}");
        }
        let mistyped = parse("panic --next-br").unwrap_err().to_string();
        assert!(mistyped.contains("--next-br") && mistyped.contains("there is no such option"), "{mistyped}");
    }
}
