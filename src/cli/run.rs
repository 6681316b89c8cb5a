//! `melos run`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use anyhow::Context;
use melos::event::parameter::{Param, Value};
use melos::files::config::{AudioHost, Config, ConfigError, ConfigSource, MidiHost};
use melos::files::state_folder;
use melos::session::live::{self, Options};

use super::complete;
use super::data::DataArgs;
use super::settings::{StartArgs, seed};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Audio system [default: the first that works]
    #[arg(long, value_enum)]
    audio: Option<AudioHost>,
    /// Audio device, by part of its name
    #[arg(long)]
    device: Option<String>,
    /// Frames per audio block
    #[arg(long, value_name = "FRAMES", value_parser = clap::value_parser!(u32).range(16..=8192))]
    block: Option<u32>,
    /// MIDI system [default: JACK if the audio uses JACK, otherwise ALSA]
    #[arg(long, value_enum)]
    midi: Option<MidiHost>,
    /// Port, or address and port, for OSC; any but a loopback address lets the network control Melos without a password
    #[arg(long, value_name = "[ADDRESS:]PORT", value_parser = endpoint)]
    osc: Option<(Option<IpAddr>, u16)>,
    /// Port, or address and port, for the page, status and OSCQuery; any but a loopback address requires http.password
    /// in melos.toml
    #[arg(long, value_name = "[ADDRESS:]PORT", value_parser = endpoint)]
    http: Option<(Option<IpAddr>, u16)>,
    /// Preset to load [default: resume the last session]
    #[arg(long, add = complete::preset_files())]
    preset: Option<String>,
    /// Seed for all random choices [default: that of the preset or the last session, otherwise 1]
    #[arg(long, value_parser = seed())]
    seed: Option<u64>,
    /// Model: a folder in models/
    #[arg(long, add = complete::models())]
    model: Option<String>,
    /// Write a control log of the session, for `melos render --control-log`
    #[arg(long, value_name = "LOG")]
    control_log: Option<PathBuf>,
    /// Configuration file [default: the first melos.toml that `melos paths` finds]
    #[arg(long, value_name = "TOML")]
    config: Option<PathBuf>,
    /// Folder for the saved state and recordings [default: ~/.local/state/melos]
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
    #[command(flatten)]
    start: StartArgs,
    #[command(flatten)]
    data: DataArgs,
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let search_path = args.data.search_path()?;
    let overrides = move |config: &mut Config| {
        config.audio.host = args.audio.unwrap_or(config.audio.host);
        config.audio.device = args.device.clone().or(config.audio.device.take());
        config.audio.block_frames = args.block.or(config.audio.block_frames);
        config.midi.host = args.midi.unwrap_or(config.midi.host);
        if let Some((address, port)) = args.http {
            config.http.address = address.unwrap_or(config.http.address);
            config.http.port = port;
        }
        if let Some(model) = &args.model {
            config.model.clone_from(model);
        }
        if let Some((address, port)) = args.osc {
            config.osc.address = address.unwrap_or(config.osc.address);
            config.osc.port = port;
        }
    };
    let config = ConfigSource {
        required: args.config.is_some(),
        files: args.config.map_or_else(|| search_path.candidates("melos.toml"), |file| vec![file]),
        overrides: Box::new(overrides),
    };
    let state = args.state.or_else(state_folder).context("no home folder; choose a state folder with --state")?;
    live::run(Options {
        config,
        search_path,
        state,
        preset: args.preset,
        settings: settings(&args.start)?,
        seed: args.seed,
        control_log: args.control_log,
    })
}

/// Returns the values to start with.
///
/// # Errors
/// If one is invalid: a mistake in the configuration, after which the daemon need not be restarted.
fn settings(args: &StartArgs) -> Result<Vec<(Param, Value)>, ConfigError> {
    args.values().map_err(|error| ConfigError::StartValue(error.to_string()))
}

/// Parses a port, or an address and a port.
fn endpoint(text: &str) -> Result<(Option<IpAddr>, u16), String> {
    if let Ok(port) = text.parse() {
        return Ok((None, port));
    }
    let endpoint: SocketAddr = text
        .replacen("localhost:", "127.0.0.1:", 1)
        .parse()
        .map_err(|_| "expected a port such as 9080, or an address and a port such as 0.0.0.0:9080".to_owned())?;
    Ok((Some(endpoint.ip()), endpoint.port()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Run {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn seeds_and_blocks_have_the_ranges_of_the_parameter_and_of_the_configuration() {
        let parse = |option, value| Run::try_parse_from(["run", option, value]);
        for (option, accepted, refused, range) in [
            ("--seed", ["0", "16777215"], ["16777216", "123456789"], "0..=16777215"),
            ("--block", ["16", "8192"], ["1", "100000"], "16..=8192"),
        ] {
            for value in accepted {
                assert!(parse(option, value).is_ok(), "{option} {value}");
            }
            for value in refused {
                let error = parse(option, value).unwrap_err().to_string();
                assert!(error.contains(range), "{option} {value}: {error}");
            }
        }
    }

    #[test]
    fn an_invalid_start_value_is_a_mistake_in_the_configuration() {
        for option in ["--tempo=1e9", "--emotion=clam", "--set=x=1", "--arousal=5", "--key=X"] {
            let start = Run::parse_from(["run", option]).args.start;
            assert!(matches!(settings(&start), Err(ConfigError::StartValue(_))), "{option}");
        }
    }
}
