//! JACK MIDI through the jack crate, accurate to the frame. There is a port `melos:midi_out`, and a pair of ports for
//! each of four devices: `melos:midi_in` with `melos:feedback`, `melos:midi_in_2` with `melos:feedback_2`, and so on.
//!
//! JACK does not report the connection through which a message arrived, so devices with their own mappings need their
//! own ports. Each hardware device gets its own pair while any are free; sources that share a port are treated as one
//! device.
//!
//! A server that crashes does not always notify its clients, so the client is replaced not only when it is notified,
//! but also when its callback is no longer called.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jack::{AsyncClient, Client, ClientStatus, MidiIn, MidiOut, NotificationHandler, PortFlags, PortId};
use ringbuf::HeapRb;
use ringbuf::traits::Split;

use super::backend::{Backend, Sender};
use super::device::{DeviceId, MidiError};
use super::out::{QUEUE_CAPACITY, Route};
use super::parse::Parser;
use crate::output::jack_clients::{self, Calls};

mod callback;

use callback::{Callback, Forwarder, InputPort, JackClock, OutputPort};

const CLIENT: &str = "melos";
const PORTS: [&str; 4] = ["midi_in", "midi_in_2", "midi_in_3", "midi_in_4"];
const OUT_PORT: &str = "midi_out";
/// Feedback ports to controllers, separate from the output to instruments.
const FEEDBACK_PORTS: [&str; PORTS.len()] = ["feedback", "feedback_2", "feedback_3", "feedback_4"];
/// The device id of a port without a device.
const NO_DEVICE: u64 = u64::MAX;
/// JACK's name for the type of MIDI ports.
const MIDI: Option<&str> = Some("8 bit raw midi");
/// Time without a callback after which the server counts as stopped; JACK periods are hardly ever longer than 100 ms.
const STALL_TIMEOUT: Duration = Duration::from_millis(900);

fn open() -> Result<(Calls, Client), MidiError> {
    jack_clients::open(CLIENT).map_err(MidiError::Jack)
}

pub(super) fn sources() -> Result<Vec<String>, MidiError> {
    let (_calls, client) = open()?;
    let mut sources = client.ports(None, MIDI, PortFlags::IS_OUTPUT);
    let is_own = |source: &String| source.split_once(':').is_some_and(|(client, _)| client == CLIENT);
    sources.retain(|source| !is_own(source));
    Ok(sources)
}

/// The client, while a server is running.
#[derive(Default)]
pub(super) struct Jack {
    active: Option<ActiveClient>,
}

struct ActiveClient {
    client: AsyncClient<Notifications, Callback>,
    /// Set when ports appear, disappear, or are connected or disconnected, and when the server stops.
    changed: Arc<AtomicBool>,
    /// Set when the server stops.
    lost: Arc<AtomicBool>,
    /// Declared after the client, which it must outlive.
    calls: Calls,
    calls_seen: u64,
    calls_seen_at: Instant,
    pairs: Vec<PortPair>,
    /// Full name of the output port.
    out: String,
    /// Whether anything is connected to the output port.
    has_instruments: bool,
}

/// A pair of ports and its device.
struct PortPair {
    /// Full name of the input port.
    input: String,
    /// Full name of the feedback port.
    feedback: String,
    /// The device's id and name. The first pair always has a device, because other programs connect to it.
    device: Option<(DeviceId, String)>,
    /// The device id that the callback attaches to messages.
    device_id: Arc<AtomicU64>,
    /// The feedback route while no device uses it.
    feedback_route: Option<Route>,
    /// The names of the ports that receive the feedback.
    receivers: Vec<String>,
}

impl PortPair {
    /// Replaces the device with one called `name`, or removes it if `name` is `None`.
    fn assign(&mut self, name: Option<String>, sender: &mut Sender) {
        self.release(sender);
        self.device = name.map(|name| (sender.announce_connected(&name), name));
        let id = self.device.as_ref().map(|(id, _)| *id);
        if let Some(id) = id
            && let Some(route) = self.feedback_route.take()
        {
            sender.feedback.open(id, route);
        }
        self.device_id.store(id.map_or(NO_DEVICE, |id| u64::from(id.0)), Ordering::Relaxed);
    }

    fn release(&mut self, sender: &Sender) {
        if let Some((id, name)) = self.device.take() {
            self.feedback_route = sender.feedback.close(id);
            sender.announce_disconnected(id, &name);
        }
    }
}

impl Backend for Jack {
    fn search(&mut self, sender: &mut Sender) -> Result<(), MidiError> {
        if let Some(active) = &mut self.active {
            if active.is_lost() {
                self.disconnect(sender);
                return Err(MidiError::Jack("the server has stopped".to_owned()));
            }
            active.connect(sender);
            return Ok(());
        }
        self.active = Some(ActiveClient::start(sender)?);
        Ok(())
    }

    fn disconnect(&mut self, sender: &mut Sender) {
        if let Some(ActiveClient { client, calls, mut pairs, .. }) = self.active.take() {
            sender.out.reroute(None);
            pairs.iter_mut().for_each(|pair| pair.release(sender));
            // This fails if the server has stopped, but frees the resources anyway.
            let _ = client.deactivate();
            drop(calls);
        }
    }

    fn has_changed(&self) -> bool {
        self.active.as_ref().is_some_and(|active| active.changed.load(Ordering::Relaxed))
    }
}

impl ActiveClient {
    fn start(sender: &mut Sender) -> Result<Self, MidiError> {
        let error = |error: jack::Error| MidiError::Jack(error.to_string());
        let (calls, client) = open()?;
        let out = client.register_port(OUT_PORT, MidiOut::default()).map_err(error)?;
        let out_name = out.name().map_err(error)?;
        let (messages, pending) = HeapRb::new(QUEUE_CAPACITY).split();
        let mut outputs = vec![OutputPort { port: out, pending }];
        let (mut inputs, mut pairs) = (Vec::new(), Vec::new());
        for (input, feedback) in PORTS.iter().zip(FEEDBACK_PORTS) {
            let port = client.register_port(input, MidiIn::default()).map_err(error)?;
            let feedback_port = client.register_port(feedback, MidiOut::default()).map_err(error)?;
            let (feedback, pending_feedback) = HeapRb::new(QUEUE_CAPACITY).split();
            let device_id = Arc::new(AtomicU64::new(NO_DEVICE));
            pairs.push(PortPair {
                input: port.name().map_err(error)?,
                feedback: feedback_port.name().map_err(error)?,
                device: None,
                device_id: Arc::clone(&device_id),
                feedback_route: Some(Route::Ring(feedback)),
                receivers: Vec::new(),
            });
            inputs.push(InputPort { port, parser: Parser::default(), device_id });
            outputs.push(OutputPort { port: feedback_port, pending: pending_feedback });
        }
        let callback = Callback {
            inputs,
            forwarder: Forwarder::new(sender),
            calls: calls.clone(),
            outputs,
            // JACK has its own microsecond clock. Its offset from `Instant` is measured once, outside the callback.
            clock: JackClock::new(Instant::now(), client.time()),
            rate: client.sample_rate(),
        };
        let (changed, lost) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let notifications = Notifications { changed: Arc::clone(&changed), lost: Arc::clone(&lost) };
        let client = client.activate_async(notifications, callback).map_err(error)?;
        sender.out.reroute(Some(Route::Ring(messages)));
        let (calls_seen, calls_seen_at) = (0, Instant::now());
        let (out, has_instruments) = (out_name, false);
        let mut active = Self { client, changed, lost, calls, calls_seen, calls_seen_at, pairs, out, has_instruments };
        active.connect(sender);
        Ok(active)
    }

    /// Returns whether the server has stopped: it has notified the client, or has not called the callback for
    /// [`STALL_TIMEOUT`].
    fn is_lost(&mut self) -> bool {
        let calls = self.calls.count();
        if calls != self.calls_seen {
            (self.calls_seen, self.calls_seen_at) = (calls, Instant::now());
        }
        self.lost.load(Ordering::Relaxed) || self.calls_seen_at.elapsed() > STALL_TIMEOUT
    }

    /// Connects each unconnected hardware device to a free input port, or to the last port if none is free, and
    /// announces devices that have changed.
    fn connect(&mut self, sender: &mut Sender) {
        self.changed.store(false, Ordering::Relaxed);
        let client = self.client.as_client();
        let mut sources: Vec<Vec<String>> = vec![Vec::new(); self.pairs.len()];
        let mut unconnected = Vec::new();
        for source in client.ports(None, MIDI, PortFlags::IS_OUTPUT) {
            let Some(port) = client.port_by_name(&source) else { continue };
            let names = || port.aliases().unwrap_or_default().into_iter().chain([source.clone()]);
            let mut connected = false;
            for (pair, sources) in self.pairs.iter().zip(&mut sources) {
                if port.is_connected_to(&pair.input).unwrap_or(false) {
                    sources.extend(names());
                    connected = true;
                }
            }
            if !connected && port.flags().contains(PortFlags::IS_PHYSICAL) {
                unconnected.push((source.clone(), names().collect::<Vec<_>>()));
            }
        }
        for (source, names) in unconnected {
            let free = sources.iter().position(Vec::is_empty).unwrap_or(sources.len() - 1);
            if client.connect_ports_by_name(&source, &self.pairs[free].input).is_ok() {
                sources[free].extend(names);
            }
        }
        for (index, (pair, mut names)) in self.pairs.iter_mut().zip(sources).enumerate() {
            let name = (index == 0 || !names.is_empty()).then(|| {
                names.push(pair.input.clone());
                names.join(", ")
            });
            if name.as_ref() != pair.device.as_ref().map(|(_, name)| name) {
                pair.assign(name, sender);
            }
        }
        self.connect_feedback(sender);
        let client = self.client.as_client();
        let out = client.port_by_name(&self.out);
        let has_instruments = out.and_then(|port| port.connected_count().ok()).is_some_and(|count| count > 0);
        // The first instruments after a restart of the server may still hold notes from before. Silencing those that
        // connect later would also cut the others.
        if has_instruments && !self.has_instruments {
            sender.out.report_connected();
        }
        self.has_instruments = has_instruments;
    }

    /// Connects the feedback port of each device for which feedback is requested to the hardware, and announces devices
    /// with new receivers.
    fn connect_feedback(&mut self, sender: &Sender) {
        let client = self.client.as_client();
        let mut receivers: Vec<Vec<String>> = vec![Vec::new(); self.pairs.len()];
        for sink in client.ports(None, MIDI, PortFlags::IS_INPUT) {
            let Some(port) = client.port_by_name(&sink) else { continue };
            let is_connected = |pair: &PortPair| port.is_connected_to(&pair.feedback).unwrap_or(false);
            let mut connected: Vec<usize> =
                (0..self.pairs.len()).filter(|index| is_connected(&self.pairs[*index])).collect();
            if connected.is_empty() && port.flags().contains(PortFlags::IS_PHYSICAL) {
                let aliases = port.aliases().unwrap_or_default();
                let part = aliases.iter().chain([&sink]).find_map(|name| sender.feedback.requested_part(name));
                let is_same_device = |pair: &PortPair| {
                    let device = pair.device.as_ref().map(|(_, name)| name.to_lowercase());
                    part.as_ref().is_some_and(|part| device.is_some_and(|device| device.contains(part)))
                };
                connected.extend(
                    self.pairs
                        .iter()
                        .position(is_same_device)
                        .filter(|index| client.connect_ports_by_name(&self.pairs[*index].feedback, &sink).is_ok()),
                );
            }
            connected.into_iter().for_each(|index| receivers[index].push(sink.clone()));
        }
        for (pair, receivers) in self.pairs.iter_mut().zip(receivers) {
            if let Some((id, _)) = &pair.device
                && receivers.iter().any(|receiver| !pair.receivers.contains(receiver))
            {
                sender.announce_feedback(*id);
            }
            pair.receivers = receivers;
        }
    }
}

/// Handles JACK's notifications, on one of JACK's threads.
struct Notifications {
    changed: Arc<AtomicBool>,
    lost: Arc<AtomicBool>,
}

impl NotificationHandler for Notifications {
    #[expect(unsafe_code, reason = "required by the trait; runs like a signal handler, so it only stores flags")]
    unsafe fn shutdown(&mut self, _: ClientStatus, _: &str) {
        self.lost.store(true, Ordering::Relaxed);
        self.changed.store(true, Ordering::Relaxed);
    }

    fn port_registration(&mut self, _: &Client, _: PortId, _: bool) {
        self.changed.store(true, Ordering::Relaxed);
    }

    fn ports_connected(&mut self, _: &Client, _: PortId, _: PortId, _: bool) {
        self.changed.store(true, Ordering::Relaxed);
    }
}
