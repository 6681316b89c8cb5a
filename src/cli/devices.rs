//! `melos devices`.

use std::io::Write;

use melos::midi::{MidiSystem, sources};
use melos::output::device::{DeviceInfo, devices};

/// How `cpal` calls the system whose plug-ins all look like devices.
const ALSA: &str = "ALSA";

/// Whether a device carries sound to somewhere: none that cannot be opened, nor ALSA's plug-in that discards it.
pub(super) fn is_heard(device: &DeviceInfo) -> bool {
    device.format.is_ok() && !device.name.ends_with("(null)")
}

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Also the plug-ins of ALSA that cannot be opened
    #[arg(long)]
    all: bool,
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "Sound out (--audio, --device):")?;
    let mut left_out = 0;
    for device in devices() {
        let is_plug_in = device.host == ALSA && !device.name.is_empty();
        if is_plug_in && !is_heard(&device) && !args.all {
            left_out += 1;
            continue;
        }
        let format = device.format.unwrap_or_else(|reason| format!("cannot be opened: {reason}"));
        writeln!(out, "  {:<11} {:<40} {format}", device.host, device.name)?;
    }
    writeln!(out, "  {:<11} {:<40} always there, unheard", "null", "")?;
    if left_out > 0 {
        writeln!(out, "  ({left_out} plug-ins of ALSA that nobody hears: melos devices --all)")?;
    }
    writeln!(out, "MIDI in (--midi):")?;
    for (name, system) in [("alsa", MidiSystem::Alsa), ("jack", MidiSystem::Jack)] {
        match sources(system) {
            Ok(sources) => {
                for source in sources {
                    writeln!(out, "  {name:<11} {source}")?;
                }
            }
            Err(error) => writeln!(out, "  {name:<11} cannot be opened: {error}")?,
        }
    }
    Ok(())
}
