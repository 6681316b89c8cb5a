//! JACK MIDI, through the jack crate: exact to the frame. One port `melos:midi_out`, and for each of a few devices a pair:
//! `melos:midi_in` with `melos:feedback`, `melos:midi_in_2` with `melos:feedback_2`, and so on.
//!
//! JACK does not say which connection a message came by, so devices that have mappings of their own need ports of their
//! own. Hardware is given one each; what shares a port counts as one device.
//!
//! A server that dies may say so or not, so a client is replaced when it was told, and when the server does not call it any
//! more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jack::{AsyncClient, Client, ClientStatus, MidiIn, MidiOut, NotificationHandler, PortFlags, PortId};
use ringbuf::HeapRb;
use ringbuf::traits::Split;

use super::host::{DeviceId, MidiError, Search, Sender};
use super::out::{ROOM, Route};
use super::parse::Parser;
use crate::output::jack_clients::{self, Calls};

mod callback;

pub(super) use callback::Ear;
use callback::{Callback, Inlet, JackClock, Outlet};

const CLIENT: &str = "melos";
const PORTS: [&str; 4] = ["midi_in", "midi_in_2", "midi_in_3", "midi_in_4"];
const OUT_PORT: &str = "midi_out";
/// Ports that tell controllers what they stand at; instruments must not hear them.
const FEEDBACK_PORTS: [&str; PORTS.len()] = ["feedback", "feedback_2", "feedback_3", "feedback_4"];
/// In place of a device where there is none.
const NOBODY: u64 = u64::MAX;
const MIDI: Option<&str> = Some("8 bit raw midi");
/// A server that does not call for this long is gone; the longest period in use is about 100 ms.
const STANDSTILL: Duration = Duration::from_millis(900);

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

/// The client, while there is a server.
#[derive(Default)]
pub(super) struct Jack {
    running: Option<Running>,
}

struct Running {
    client: AsyncClient<Watcher, Callback>,
    /// Set when ports came, went or were connected, or the server went.
    news: Arc<AtomicBool>,
    /// Set when the server went.
    lost: Arc<AtomicBool>,
    /// Kept until the client is closed, so it stands below it.
    calls: Calls,
    calls_seen: u64,
    calls_seen_at: Instant,
    /// One for each pair of ports.
    places: Vec<Place>,
}

/// A pair of ports, and who is there.
struct Place {
    /// Full names of the ports.
    input: String,
    feedback: String,
    /// Who is there, under what name. The first place is never without: other programs come there.
    device: Option<(DeviceId, String)>,
    /// The device that messages are said to come from, for the callback.
    current: Arc<AtomicU64>,
    /// The way back, while there is no device to open it for.
    way_back: Option<Route>,
    /// Who hears the feedback.
    listeners: Vec<String>,
}

impl Place {
    /// Lets the device go and takes another, or none.
    fn settle(&mut self, name: Option<String>, sender: &mut Sender) {
        self.leave(sender);
        self.device = name.map(|name| (sender.came(&name), name));
        let id = self.device.as_ref().map(|(id, _)| *id);
        if let Some(id) = id
            && let Some(route) = self.way_back.take()
        {
            sender.feedback.open(id, route);
        }
        self.current.store(id.map_or(NOBODY, |id| u64::from(id.0)), Ordering::Relaxed);
    }

    fn leave(&mut self, sender: &Sender) {
        if let Some((id, name)) = self.device.take() {
            self.way_back = sender.feedback.close(id);
            sender.went(id, &name);
        }
    }
}

impl Search for Jack {
    fn search(&mut self, sender: &mut Sender) -> Result<(), MidiError> {
        if let Some(running) = &mut self.running {
            if running.is_lost() {
                self.leave(sender);
                return Err(MidiError::Jack("the server is gone".to_owned()));
            }
            running.connect(sender);
            return Ok(());
        }
        self.running = Some(Running::start(sender)?);
        Ok(())
    }

    fn leave(&mut self, sender: &mut Sender) {
        if let Some(Running { client, calls, mut places, .. }) = self.running.take() {
            sender.out.reroute(None);
            places.iter_mut().for_each(|place| place.leave(sender));
            // Where the server is gone, closing properly fails, and what is left is freed all the same.
            let _ = client.deactivate();
            drop(calls);
        }
    }

    fn has_news(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.news.load(Ordering::Relaxed))
    }
}

impl Running {
    fn start(sender: &mut Sender) -> Result<Self, MidiError> {
        let fail = |error: jack::Error| MidiError::Jack(error.to_string());
        let (calls, client) = open()?;
        let out = client.register_port(OUT_PORT, MidiOut::default()).map_err(fail)?;
        let (messages, waiting) = HeapRb::new(ROOM).split();
        let mut outlets = vec![Outlet { port: out, waiting }];
        let (mut inlets, mut places) = (Vec::new(), Vec::new());
        for (input, feedback) in PORTS.iter().zip(FEEDBACK_PORTS) {
            let port = client.register_port(input, MidiIn::default()).map_err(fail)?;
            let back = client.register_port(feedback, MidiOut::default()).map_err(fail)?;
            let (told, to_tell) = HeapRb::new(ROOM).split();
            let current = Arc::new(AtomicU64::new(NOBODY));
            places.push(Place {
                input: port.name().map_err(fail)?,
                feedback: back.name().map_err(fail)?,
                device: None,
                current: Arc::clone(&current),
                way_back: Some(Route::Ring(told)),
                listeners: Vec::new(),
            });
            inlets.push(Inlet { port, parser: Parser::default(), current });
            outlets.push(Outlet { port: back, waiting: to_tell });
        }
        let callback = Callback {
            inlets,
            ear: sender.ear(),
            calls: calls.clone(),
            outlets,
            // JACK counts microseconds on a clock of its own; how that lies to ours is seen once, outside the callback.
            clock: JackClock::new(Instant::now(), client.time()),
            rate: client.sample_rate(),
        };
        let (news, lost) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let watcher = Watcher { news: Arc::clone(&news), lost: Arc::clone(&lost) };
        let client = client.activate_async(watcher, callback).map_err(fail)?;
        sender.out.reroute(Some(Route::Ring(messages)));
        let (calls_seen, calls_seen_at) = (0, Instant::now());
        let mut running = Self { client, news, lost, calls, calls_seen, calls_seen_at, places };
        running.connect(sender);
        Ok(running)
    }

    /// Whether the server is gone: it said so, or has not called for too long.
    fn is_lost(&mut self) -> bool {
        let calls = self.calls.so_far();
        if calls != self.calls_seen {
            (self.calls_seen, self.calls_seen_at) = (calls, Instant::now());
        }
        self.lost.load(Ordering::Relaxed) || self.calls_seen_at.elapsed() > STANDSTILL
    }

    /// Connects hardware, each to a place of its own while there is one, and tells who is where now.
    fn connect(&mut self, sender: &mut Sender) {
        self.news.store(false, Ordering::Relaxed);
        let client = self.client.as_client();
        let mut here: Vec<Vec<String>> = vec![Vec::new(); self.places.len()];
        let mut homeless = Vec::new();
        for source in client.ports(None, MIDI, PortFlags::IS_OUTPUT) {
            let Some(port) = client.port_by_name(&source) else { continue };
            let names = || port.aliases().unwrap_or_default().into_iter().chain([source.clone()]);
            let mut placed = false;
            for (place, here) in self.places.iter().zip(&mut here) {
                if port.is_connected_to(&place.input).unwrap_or(false) {
                    here.extend(names());
                    placed = true;
                }
            }
            if !placed && port.flags().contains(PortFlags::IS_PHYSICAL) {
                homeless.push((source.clone(), names().collect::<Vec<_>>()));
            }
        }
        for (source, names) in homeless {
            let free = here.iter().position(Vec::is_empty).unwrap_or(here.len() - 1);
            if client.connect_ports_by_name(&source, &self.places[free].input).is_ok() {
                here[free].extend(names);
            }
        }
        for (index, (place, mut names)) in self.places.iter_mut().zip(here).enumerate() {
            let wanted = (index == 0 || !names.is_empty()).then(|| {
                names.push(place.input.clone());
                names.join(", ")
            });
            if wanted.as_ref() != place.device.as_ref().map(|(_, name)| name) {
                place.settle(wanted, sender);
            }
        }
        self.tell(sender);
    }

    /// Connects the feedback of every place to the hardware that is there and wants it; tells when somebody new hears it.
    fn tell(&mut self, sender: &Sender) {
        let client = self.client.as_client();
        let mut listeners: Vec<Vec<String>> = vec![Vec::new(); self.places.len()];
        for sink in client.ports(None, MIDI, PortFlags::IS_INPUT) {
            let Some(port) = client.port_by_name(&sink) else { continue };
            let heard = |place: &Place| port.is_connected_to(&place.feedback).unwrap_or(false);
            let mut connected: Vec<usize> =
                (0..self.places.len()).filter(|index| heard(&self.places[*index])).collect();
            if connected.is_empty() && port.flags().contains(PortFlags::IS_PHYSICAL) {
                let aliases = port.aliases().unwrap_or_default();
                let part = aliases.iter().chain([&sink]).find_map(|name| sender.feedback.part_in(name));
                let of_it = |place: &Place| {
                    let device = place.device.as_ref().map(|(_, name)| name.to_lowercase());
                    part.as_ref().is_some_and(|part| device.is_some_and(|device| device.contains(part)))
                };
                connected.extend(
                    self.places
                        .iter()
                        .position(of_it)
                        .filter(|index| client.connect_ports_by_name(&self.places[*index].feedback, &sink).is_ok()),
                );
            }
            connected.into_iter().for_each(|index| listeners[index].push(sink.clone()));
        }
        for (place, listeners) in self.places.iter_mut().zip(listeners) {
            if let Some((id, _)) = &place.device
                && listeners.iter().any(|listener| !place.listeners.contains(listener))
            {
                sender.hears(*id);
            }
            place.listeners = listeners;
        }
    }
}

/// Hears of changes, on a thread of JACK's own.
struct Watcher {
    news: Arc<AtomicBool>,
    lost: Arc<AtomicBool>,
}

impl NotificationHandler for Watcher {
    #[expect(unsafe_code, reason = "declared so by the trait; storing flags is all a signal handler may do")]
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
