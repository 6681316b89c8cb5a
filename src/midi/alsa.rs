//! The ALSA sequencer, through midir.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Instant;

use midir::os::unix::{VirtualInput, VirtualOutput};
use midir::{Ignore, MidiInput, MidiInputConnection, MidiOutput, MidiOutputConnection};

use super::backend::{Backend, Sender};
use super::device::{DeviceId, MidiError};
use super::out::{QUEUE_CAPACITY, Route, TimedMessage};
use super::parse::Parser;
use crate::threads;

const CLIENT: &str = "melos";
/// The kernel's sequencer device.
const SEQUENCER: &str = "/dev/snd/seq";
/// Name of the input ports: one for each device, and one for other programs.
const PORT: &str = "midi_in";
/// Name of the output port for other programs.
const OUT_PORT: &str = "midi_out";
/// Name of the feedback ports, one for each controller.
const FEEDBACK_PORT: &str = "feedback";

fn input() -> Result<MidiInput, MidiError> {
    // Without the device, the ALSA library would print an error on every search.
    if !Path::new(SEQUENCER).exists() {
        return Err(MidiError::Alsa(format!("{SEQUENCER} does not exist")));
    }
    let mut input = MidiInput::new(CLIENT).map_err(|error| MidiError::Alsa(error.to_string()))?;
    input.ignore(Ignore::SysexAndActiveSense);
    Ok(input)
}

fn output() -> Result<MidiOutput, MidiError> {
    MidiOutput::new(CLIENT).map_err(|error| MidiError::Alsa(error.to_string()))
}

/// Opens the output port for other programs.
fn virtual_output() -> Result<MidiOutputConnection, MidiError> {
    output()?.create_virtual(OUT_PORT).map_err(|error| MidiError::Alsa(error.to_string()))
}

/// Opens feedback to the device whose input has the id `port_id`. Returns `None` if the device's port is not
/// bidirectional or cannot be opened.
fn open_feedback(port_id: &str) -> Option<Route> {
    let output = output().ok()?;
    let port = output.ports().into_iter().find(|port| port.id() == port_id)?;
    let connection =
        output.connect(&port, FEEDBACK_PORT).inspect_err(|error| tracing::debug!(%error, "cannot open MIDI feedback"));
    route(connection.ok()?).ok()
}

/// Starts a thread that sends each message when it is due, and that ends when the returned route is dropped.
fn route(mut connection: MidiOutputConnection) -> Result<Route, MidiError> {
    let (queue, receiver) = sync_channel::<TimedMessage>(QUEUE_CAPACITY);
    let send = move || {
        for timed in &receiver {
            thread::sleep(timed.at.saturating_duration_since(Instant::now()));
            if let Err(error) = connection.send(timed.bytes()) {
                tracing::debug!(%error, "cannot send a MIDI message");
            }
        }
    };
    let thread = threads::spawn_restarting("melos-midi-out", send);
    thread.map(|_| Route::Queue(queue)).map_err(|error| MidiError::Alsa(error.to_string()))
}

/// Returns the callback for midir's thread. If it panics, the message is lost but the device stays connected.
fn receive(sender: &Sender, device: DeviceId) -> impl FnMut(u64, &[u8], &mut Parser) + Send + 'static {
    let sender = sender.clone();
    move |_, bytes, parser| threads::contain_panic(|| sender.forward_bytes(parser, device, Instant::now(), bytes))
}

/// Returns the output ports of devices and other programs, with their names, by port id.
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

/// The open connections.
#[derive(Default)]
pub(super) struct Alsa {
    /// Connected devices by port id.
    devices: BTreeMap<String, ConnectedDevice>,
    /// The input port for other programs and its device id.
    virtual_port: Option<(DeviceId, MidiInputConnection<Parser>)>,
    has_output: bool,
}

struct ConnectedDevice {
    id: DeviceId,
    name: String,
    /// Whether the feedback output is open.
    has_feedback: bool,
    /// Closed when dropped.
    _connection: MidiInputConnection<Parser>,
}

impl Backend for Alsa {
    fn search(&mut self, sender: &mut Sender) -> Result<(), MidiError> {
        let ports = ports(&input()?);
        // A known id with a new name is a different device on a reused port.
        let is_present =
            |id: &String, connected: &ConnectedDevice| ports.get(id).is_some_and(|(_, name)| *name == connected.name);
        self.devices.retain(|id, connected| {
            let present = is_present(id, connected);
            if !present {
                sender.feedback.close(connected.id);
                sender.announce_disconnected(connected.id, &connected.name);
            }
            present
        });
        for (port_id, (port, name)) in ports {
            if self.devices.contains_key(&port_id) {
                continue;
            }
            let id = sender.announce_connected(&name);
            match input()?.connect(&port, PORT, receive(sender, id), Parser::default()) {
                Ok(connection) => {
                    let device = ConnectedDevice { id, name, has_feedback: false, _connection: connection };
                    self.devices.insert(port_id, device);
                }
                // The device may have been disconnected since it was listed; the next search tries again.
                Err(error) => {
                    tracing::debug!(%error, name, "cannot open a MIDI device");
                    sender.announce_disconnected(id, &name);
                }
            }
        }
        for (port_id, connected) in self.devices.iter_mut().filter(|(_, connected)| !connected.has_feedback) {
            if sender.feedback.requested_part(&connected.name).is_some()
                && let Some(route) = open_feedback(port_id)
            {
                sender.feedback.open(connected.id, route);
                sender.announce_feedback(connected.id);
                connected.has_feedback = true;
            }
        }
        if self.virtual_port.is_none() {
            let id = sender.announce_connected(PORT);
            let port = input()?.create_virtual(PORT, receive(sender, id), Parser::default()).ok();
            self.virtual_port = port.map(|port| (id, port));
        }
        if !self.has_output {
            sender.out.reroute(Some(route(virtual_output()?)?));
            self.has_output = true;
        }
        Ok(())
    }

    fn disconnect(&mut self, sender: &mut Sender) {
        for connected in std::mem::take(&mut self.devices).into_values() {
            sender.feedback.close(connected.id);
            sender.announce_disconnected(connected.id, &connected.name);
        }
        if let Some((id, _)) = self.virtual_port.take() {
            sender.announce_disconnected(id, PORT);
        }
        if std::mem::take(&mut self.has_output) {
            sender.out.reroute(None);
        }
    }
}
