//! `melos devices`.

use std::io::Write;

use melos::midi::{MidiSystem, sources};
use melos::output::device::devices;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_: Args) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "Sound out (--audio, --device):")?;
    for device in devices() {
        let format = device.format.unwrap_or_else(|reason| format!("cannot be opened: {reason}"));
        writeln!(out, "  {:<11} {:<40} {format}", device.host, device.name)?;
    }
    writeln!(out, "  {:<11} {:<40} always there, unheard", "null", "")?;
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
