//! JACK MIDI through the jack crate, accurate to the frame. One port `melos:midi_out`, and a pair for each of a few
//! devices: `melos:midi_in` with `melos:feedback`, `melos:midi_in_2` with `melos:feedback_2`, and so on.
//!
//! JACK does not report the connection through which a message arrived, so devices with their own mappings need their
//! own ports. Each hardware device gets one; all sources that share a port count as one device.
//!
//! A server that crashes does not always notify its clients, so the client is replaced when it is notified or when its
//! callback is no longer called.

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
/// Marks a port without a device.
const NO_DEVICE: u64 = u64::MAX;
const MIDI: Option<&str> = Some("8 bit raw midi");
/// A server that has not called the callback for this long has stopped; the longest period in use is about 100 ms.
const STALL_TIMEOUT: Duration = Duration::from_millis(900);

fn open() -> Result<(Calls, Client), MidiError> {
    jack_clients::open(CLIENT).map_err(MidiError::Jack)
}

pub(super) fn sources() -> Result<Vec<String>, MidiError> {
    let (_calls, client) = open()?;
    let mut sources = client.ports(None, MIDI, PortFlags::IS_OUTPUT);
    let own = |source: &String| source.split_once(':').is_some_and(|(client, _)| client == CLIENT);
    sources.retain(|source| !own(source));
    Ok(sources)
}

/// The client, while a server is running.
#[derive(Default)]
pub(super) struct Jack {
    running: Option<Running>,
}

struct Running {
    client: AsyncClient<Watcher, Callback>,
    /// Set when ports appeared, vanished or were connected, or the server stopped.
    news: Arc<AtomicBool>,
    /// Set when the server stopped.
    lost: Arc<AtomicBool>,
    /// Must outlive the client, so it is declared after it.
    calls: Calls,
    calls_seen: u64,
    calls_seen_at: Instant,
    /// One per pair of ports.
    pairs: Vec<PortPair>,
}

/// A pair of ports and its device.
struct PortPair {
    /// Full port names.
    input: String,
    feedback: String,
    /// The device and its name. The first pair always has one, since other programs connect to it.
    device: Option<(DeviceId, String)>,
    /// The device id that the callback attributes messages to.
    current: Arc<AtomicU64>,
    /// The feedback route, until a device opens it.
    feedback_route: Option<Route>,
    /// The names of the connected feedback receivers.
    listeners: Vec<String>,
}

impl PortPair {
    /// Replaces the device, or removes it.
    fn assign(&mut self, name: Option<String>, sender: &mut Sender) {
        self.release(sender);
        self.device = name.map(|name| (sender.connected(&name), name));
        let id = self.device.as_ref().map(|(id, _)| *id);
        if let Some(id) = id
            && let Some(route) = self.feedback_route.take()
        {
            sender.feedback.open(id, route);
        }
        self.current.store(id.map_or(NO_DEVICE, |id| u64::from(id.0)), Ordering::Relaxed);
    }

    fn release(&mut self, sender: &Sender) {
        if let Some((id, name)) = self.device.take() {
            self.feedback_route = sender.feedback.close(id);
            sender.disconnected(id, &name);
        }
    }
}

impl Backend for Jack {
    fn search(&mut self, sender: &mut Sender) -> Result<(), MidiError> {
        if let Some(running) = &mut self.running {
            if running.is_lost() {
                self.disconnect(sender);
                return Err(MidiError::Jack("the server has stopped".to_owned()));
            }
            running.connect(sender);
            return Ok(());
        }
        self.running = Some(Running::start(sender)?);
        Ok(())
    }

    fn disconnect(&mut self, sender: &mut Sender) {
        if let Some(Running { client, calls, mut pairs, .. }) = self.running.take() {
            sender.out.reroute(None);
            pairs.iter_mut().for_each(|pair| pair.release(sender));
            // This fails if the server has stopped, but the resources are freed all the same.
            let _ = client.deactivate();
            drop(calls);
        }
    }

    fn has_changed(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.news.load(Ordering::Relaxed))
    }
}

impl Running {
    fn start(sender: &mut Sender) -> Result<Self, MidiError> {
        let fail = |error: jack::Error| MidiError::Jack(error.to_string());
        let (calls, client) = open()?;
        let out = client.register_port(OUT_PORT, MidiOut::default()).map_err(fail)?;
        let (messages, pending) = HeapRb::new(QUEUE_CAPACITY).split();
        let mut outputs = vec![OutputPort { port: out, pending }];
        let (mut inputs, mut pairs) = (Vec::new(), Vec::new());
        for (input, feedback) in PORTS.iter().zip(FEEDBACK_PORTS) {
            let port = client.register_port(input, MidiIn::default()).map_err(fail)?;
            let back = client.register_port(feedback, MidiOut::default()).map_err(fail)?;
            let (feedback, to_send) = HeapRb::new(QUEUE_CAPACITY).split();
            let current = Arc::new(AtomicU64::new(NO_DEVICE));
            pairs.push(PortPair {
                input: port.name().map_err(fail)?,
                feedback: back.name().map_err(fail)?,
                device: None,
                current: Arc::clone(&current),
                feedback_route: Some(Route::Ring(feedback)),
                listeners: Vec::new(),
            });
            inputs.push(InputPort { port, parser: Parser::default(), current });
            outputs.push(OutputPort { port: back, pending: to_send });
        }
        let callback = Callback {
            inputs,
            forwarder: Forwarder::new(sender),
            calls: calls.clone(),
            outputs,
            // JACK has its own microsecond clock; its offset to ours is measured once, outside the callback.
            clock: JackClock::new(Instant::now(), client.time()),
            rate: client.sample_rate(),
        };
        let (news, lost) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let watcher = Watcher { news: Arc::clone(&news), lost: Arc::clone(&lost) };
        let client = client.activate_async(watcher, callback).map_err(fail)?;
        sender.out.reroute(Some(Route::Ring(messages)));
        let (calls_seen, calls_seen_at) = (0, Instant::now());
        let mut running = Self { client, news, lost, calls, calls_seen, calls_seen_at, pairs };
        running.connect(sender);
        Ok(running)
    }

    /// Whether the server has stopped: it has notified the client, or has not called the callback for too long.
    fn is_lost(&mut self) -> bool {
        let calls = self.calls.so_far();
        if calls != self.calls_seen {
            (self.calls_seen, self.calls_seen_at) = (calls, Instant::now());
        }
        self.lost.load(Ordering::Relaxed) || self.calls_seen_at.elapsed() > STALL_TIMEOUT
    }

    /// Connects each hardware device to a free pair of ports, while there are any, and announces devices.
    fn connect(&mut self, sender: &mut Sender) {
        self.news.store(false, Ordering::Relaxed);
        let client = self.client.as_client();
        let mut here: Vec<Vec<String>> = vec![Vec::new(); self.pairs.len()];
        let mut unconnected = Vec::new();
        for source in client.ports(None, MIDI, PortFlags::IS_OUTPUT) {
            let Some(port) = client.port_by_name(&source) else { continue };
            let names = || port.aliases().unwrap_or_default().into_iter().chain([source.clone()]);
            let mut connected = false;
            for (pair, here) in self.pairs.iter().zip(&mut here) {
                if port.is_connected_to(&pair.input).unwrap_or(false) {
                    here.extend(names());
                    connected = true;
                }
            }
            if !connected && port.flags().contains(PortFlags::IS_PHYSICAL) {
                unconnected.push((source.clone(), names().collect::<Vec<_>>()));
            }
        }
        for (source, names) in unconnected {
            let free = here.iter().position(Vec::is_empty).unwrap_or(here.len() - 1);
            if client.connect_ports_by_name(&source, &self.pairs[free].input).is_ok() {
                here[free].extend(names);
            }
        }
        for (index, (pair, mut names)) in self.pairs.iter_mut().zip(here).enumerate() {
            let wanted = (index == 0 || !names.is_empty()).then(|| {
                names.push(pair.input.clone());
                names.join(", ")
            });
            if wanted.as_ref() != pair.device.as_ref().map(|(_, name)| name) {
                pair.assign(wanted, sender);
            }
        }
        self.connect_feedback(sender);
    }

    /// Connects each pair's feedback port to its hardware if requested, and announces new receivers.
    fn connect_feedback(&mut self, sender: &Sender) {
        let client = self.client.as_client();
        let mut listeners: Vec<Vec<String>> = vec![Vec::new(); self.pairs.len()];
        for sink in client.ports(None, MIDI, PortFlags::IS_INPUT) {
            let Some(port) = client.port_by_name(&sink) else { continue };
            let is_connected = |pair: &PortPair| port.is_connected_to(&pair.feedback).unwrap_or(false);
            let mut connected: Vec<usize> =
                (0..self.pairs.len()).filter(|index| is_connected(&self.pairs[*index])).collect();
            if connected.is_empty() && port.flags().contains(PortFlags::IS_PHYSICAL) {
                let aliases = port.aliases().unwrap_or_default();
                let part = aliases.iter().chain([&sink]).find_map(|name| sender.feedback.part_in(name));
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
            connected.into_iter().for_each(|index| listeners[index].push(sink.clone()));
        }
        for (pair, listeners) in self.pairs.iter_mut().zip(listeners) {
            if let Some((id, _)) = &pair.device
                && listeners.iter().any(|listener| !pair.listeners.contains(listener))
            {
                sender.feedback_ready(*id);
            }
            pair.listeners = listeners;
        }
    }
}

/// Receives JACK's notifications, on one of JACK's threads.
struct Watcher {
    news: Arc<AtomicBool>,
    lost: Arc<AtomicBool>,
}

impl NotificationHandler for Watcher {
    #[expect(unsafe_code, reason = "required by the trait; a signal handler may only store flags")]
    unsafe fn shutdown(&mut self, _: ClientStatus, _: &str) {
        self.lost.store(true, Ordering::Relaxed);
        self.news.store(true, Ordering::Relaxed);
    }

    fn port_registration(&mut self, _: &Client, _: PortId, _: bool) {
        self.news.store(true, Ordering::Relaxed);
    }

    fn ports_connected(&mut self, _: &Client, _: PortId, _: PortId, _: bool) {
        self.news.store(true, Ordering::Relaxed);
    }
}
