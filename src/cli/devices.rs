//! `melos devices`.

use std::io::Write;

use melos::midi::{MidiSystem, sources};
use melos::output::device::devices;

/// How `cpal` calls the system whose plug-ins all look like devices.
const ALSA: &str = "ALSA";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Also what cannot be opened, and every plug-in of ALSA
    #[arg(long)]
    all: bool,
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "Sound out (--audio, --device):")?;
    let mut left_out = 0;
    for device in devices() {
        // A card goes by hw or by its plain name; the rest are ways to reach it.
        let is_plug_in = device.host.eq_ignore_ascii_case(ALSA) && device.format.is_err();
        if is_plug_in && !device.name.is_empty() && !args.all {
            left_out += 1;
            continue;
        }
        let format = device.format.unwrap_or_else(|reason| format!("cannot be opened: {reason}"));
        writeln!(out, "  {:<11} {:<40} {format}", device.host, device.name)?;
    }
    writeln!(out, "  {:<11} {:<40} always there, unheard", "null", "")?;
    if left_out > 0 {
        writeln!(out, "  ({left_out} more that cannot be opened: melos devices --all)")?;
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
