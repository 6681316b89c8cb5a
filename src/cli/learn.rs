//! `melos learn`.

use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use anyhow::{Context, anyhow};
use melos::event::Wake;
use melos::event::parameter::Param;
use melos::files::config::MidiHost;
use melos::midi::mapping::Learn;
use melos::midi::{MidiIn, MidiSystem, sources};

/// Messages that may wait.
const WAITING: usize = 1024;
/// How long a control may take to be moved.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Parameter that the control shall move, such as valence or level/pad
    parameter: String,
    /// What carries MIDI [auto: JACK where a server runs, otherwise ALSA]
    #[arg(long, value_enum, default_value = "auto")]
    midi: MidiHost,
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let param = Param::from_id(&args.parameter)
        .ok_or_else(|| anyhow!("there is no parameter {:?}; docs/parameters.md lists them", args.parameter))?;
    let system = match args.midi {
        MidiHost::Jack => MidiSystem::Jack,
        MidiHost::Auto if sources(MidiSystem::Jack).is_ok() => MidiSystem::Jack,
        _ => MidiSystem::Alsa,
    };
    let (sender, events) = sync_channel(WAITING);
    let _midi = MidiIn::start(system, sender, Wake::default(), Arc::default())?;
    super::tell(format_args!("move the control that shall be {}", args.parameter));
    let block = Learn::listen(param, &events, PATIENCE).context("nothing was moved")?;
    writeln!(std::io::stdout(), "{block}")?;
    Ok(())
}
