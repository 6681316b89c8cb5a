//! `melos devices`.

use melos::midi::{MidiSystem, sources};
use melos::output::device::{DeviceInfo, devices};

use super::output::Output;

/// The name that `cpal` gives to ALSA, whose plug-ins are listed as devices.
const ALSA: &str = "ALSA";

/// Returns whether a device can be opened and is audible, unlike ALSA's null plug-in.
fn is_usable(device: &DeviceInfo) -> bool {
    device.format.is_ok() && !device.name.ends_with("(null)")
}

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Also list ALSA plug-ins that are silent or cannot be opened
    #[arg(long)]
    all: bool,
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let mut out = Output::lock();
    out.line("Audio out (--audio, --device):")?;
    let mut hidden = 0;
    for device in devices() {
        let is_plugin = device.host == ALSA && !device.name.is_empty();
        if is_plugin && !is_usable(&device) && !args.all {
            hidden += 1;
            continue;
        }
        let format = device.format.unwrap_or_else(|reason| format!("cannot be opened: {reason}"));
        out.line(format_args!("  {:<11} {:<40} {format}", device.host, device.name))?;
    }
    out.line(format_args!("  {:<11} {:<40} always available, silent", "null", ""))?;
    if hidden > 0 {
        out.line(format_args!("  ({hidden} ALSA plug-ins hidden; `melos devices --all` lists them)"))?;
    }
    out.line("MIDI in (--midi):")?;
    for (name, system) in [("alsa", MidiSystem::Alsa), ("jack", MidiSystem::Jack)] {
        match sources(system) {
            Ok(sources) => {
                for source in sources {
                    out.line(format_args!("  {name:<11} {source}"))?;
                }
            }
            Err(error) => out.line(format_args!("  {name:<11} cannot be opened: {error}"))?,
        }
    }
    Ok(())
}
