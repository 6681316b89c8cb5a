//! The ALSA sequencer, through midir.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use midir::os::unix::VirtualInput;
use midir::{Ignore, MidiInput, MidiInputConnection};

use super::host::{DeviceId, MidiError, Search, Sender};
use super::parse::Parser;

const CLIENT: &str = "melos";
/// Where the kernel offers its sequencer.
const SEQUENCER: &str = "/dev/snd/seq";
/// Port that other programs connect to.
const PORT: &str = "midi_in";

fn input() -> Result<MidiInput, MidiError> {
    // Asked without the device, the ALSA library complains on standard error each time; the search comes every second.
    if !Path::new(SEQUENCER).exists() {
        return Err(MidiError::Alsa(format!("there is no {SEQUENCER}")));
    }
    let mut input = MidiInput::new(CLIENT).map_err(|error| MidiError::Alsa(error.to_string()))?;
    input.ignore(Ignore::SysexAndActiveSense);
    Ok(input)
}

/// Every port that can send, by id, with its name; Melos's own left out.
fn ports(input: &MidiInput) -> BTreeMap<String, (midir::MidiInputPort, String)> {
    let ports = input.ports().into_iter().filter_map(|port| {
        let name = input.port_name(&port).ok()?;
        (!name.starts_with(CLIENT)).then(|| (port.id(), (port, name)))
    });
    ports.collect()
}

pub(super) fn sources() -> Result<Vec<String>, MidiError> {
    Ok(ports(&input()?).into_values().map(|(_, name)| name).collect())
}

/// Open connections, by port id.
#[derive(Default)]
pub(super) struct Alsa {
    devices: BTreeMap<String, Connected>,
    virtual_port: Option<MidiInputConnection<Parser>>,
}

struct Connected {
    id: DeviceId,
    name: String,
    /// Closed when dropped.
    _connection: MidiInputConnection<Parser>,
}

impl Search for Alsa {
    fn search(&mut self, sender: &mut Sender) -> Result<(), MidiError> {
        let ports = ports(&input()?);
        // The same id with another name is another device on a port that was free again.
        let here = |id: &String, connected: &Connected| ports.get(id).is_some_and(|(_, name)| *name == connected.name);
        self.devices.retain(|id, connected| {
            let stays = here(id, connected);
            if !stays {
                sender.went(connected.id, &connected.name);
            }
            stays
        });
        for (port_id, (port, name)) in ports {
            if self.devices.contains_key(&port_id) {
                continue;
            }
            let id = sender.came(&name);
            let callbacks = sender.clone();
            let receive = move |_: u64, bytes: &[u8], parser: &mut Parser| {
                callbacks.bytes(parser, id, Instant::now(), bytes);
            };
            match input()?.connect(&port, PORT, receive, Parser::default()) {
                Ok(connection) => {
                    self.devices.insert(port_id, Connected { id, name, _connection: connection });
                }
                // Gone again between listing and connecting; the next search knows.
                Err(error) => {
                    tracing::debug!(%error, name, "MIDI device cannot be opened");
                    sender.went(id, &name);
                }
            }
        }
        if self.virtual_port.is_none() {
            let id = sender.came(PORT);
            let callbacks = sender.clone();
            let receive = move |_: u64, bytes: &[u8], parser: &mut Parser| {
                callbacks.bytes(parser, id, Instant::now(), bytes);
            };
            self.virtual_port = input()?.create_virtual(PORT, receive, Parser::default()).ok();
        }
        Ok(())
    }
}
