//! `melos learn`.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::builder::PossibleValuesParser;
use melos::event::Wake;
use melos::event::parameter::Param;
use melos::midi::mapping::ControlLearner;
use melos::midi::{MidiConnection, MidiSystem, sources};

use super::complete;
use super::output::Output;

/// Capacity of the queue of MIDI messages.
const QUEUE_CAPACITY: usize = 1024;
/// Time within which a control must be moved.
const TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Parameter that the control should set, such as valence or level/pad
    #[arg(add = complete::parameters())]
    parameter: String,
    /// MIDI system [auto: JACK if its server is running, otherwise ALSA]
    #[arg(long, default_value = "auto", value_parser = PossibleValuesParser::new(["auto", "jack", "alsa"]))]
    midi: String,
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let param = Param::from_id(&args.parameter)
        .ok_or_else(|| anyhow!("there is no parameter {:?}; see docs/parameters.md for the list", args.parameter))?;
    let system = match args.midi.as_str() {
        "jack" => MidiSystem::Jack,
        "auto" if sources(MidiSystem::Jack).is_ok() => MidiSystem::Jack,
        _ => MidiSystem::Alsa,
    };
    let (sender, events) = sync_channel(QUEUE_CAPACITY);
    let _midi = MidiConnection::start(system, sender, Wake::default(), Arc::default())?;
    super::to_stderr(format_args!("move the control that you want to bind to {}", args.parameter));
    let block = ControlLearner::listen(param, &events, TIMEOUT).context("no control was moved in time")?;
    // The name of the device may be that of another program.
    Ok(Output::lock().lines(block.lines())?)
}
