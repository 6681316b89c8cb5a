//! JACK MIDI, through the jack crate: exact to the frame, ports `melos:midi_in`, `melos:midi_out` and `melos:feedback`.
//!
//! A server that dies says nothing that can be relied on, so the process callback counts its cycles, and a client whose
//! count stands still is replaced.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jack::{
    AsyncClient, Client, ClientOptions, Control, MidiIn, MidiOut, NotificationHandler, Port, PortFlags, PortId,
    ProcessHandler, ProcessScope, RawMidi,
};
use ringbuf::traits::{Consumer, Split};
use ringbuf::{HeapCons, HeapRb};

use super::host::{DeviceId, MidiError, Search, Sender};
use super::out::{ROOM, Route, Timed};
use super::parse::Parser;

const CLIENT: &str = "melos";
const PORT: &str = "midi_in";
const OUT_PORT: &str = "midi_out";
/// Port that tells controllers what they stand at; instruments must not hear it.
const FEEDBACK_PORT: &str = "feedback";
const MIDI: Option<&str> = Some("8 bit raw midi");
/// A server that does not call for this long is gone; the longest period in use is about 100 ms.
const STANDSTILL: Duration = Duration::from_millis(900);

fn client() -> Result<Client, MidiError> {
    let (client, _) =
        Client::new(CLIENT, ClientOptions::NO_START_SERVER).map_err(|error| MidiError::Jack(error.to_string()))?;
    Ok(client)
}

pub(super) fn sources() -> Result<Vec<String>, MidiError> {
    let mut sources = client()?.ports(None, MIDI, PortFlags::IS_OUTPUT);
    let own = [OUT_PORT, FEEDBACK_PORT].map(|port| format!("{CLIENT}:{port}"));
    sources.retain(|source| !own.contains(source));
    Ok(sources)
}

/// The client, while there is a server.
#[derive(Default)]
pub(super) struct Jack {
    running: Option<Running>,
}

struct Running {
    client: AsyncClient<News, Callback>,
    /// Set when ports came, went or were connected.
    news: Arc<AtomicBool>,
    cycles: Arc<AtomicU64>,
    cycles_seen: u64,
    cycles_seen_at: Instant,
    id: DeviceId,
    /// What is connected, as told with [`Sender::came`].
    connected: String,
    /// Who hears the feedback.
    listeners: Vec<String>,
    /// The device that messages are said to come from; changes with what is connected.
    current: Arc<AtomicU64>,
}

impl Search for Jack {
    fn search(&mut self, sender: &mut Sender) -> Result<(), MidiError> {
        if let Some(running) = &mut self.running {
            if running.stands_still() {
                let gone = self.running.take();
                sender.out.reroute(None);
                if let Some(Running { client, id, connected, .. }) = gone {
                    sender.feedback.close(id);
                    sender.went(id, &connected);
                    // The server is gone: closing properly fails, and what is left is freed all the same.
                    let _ = client.deactivate();
                }
                return Err(MidiError::Jack("the server stands still".to_owned()));
            }
            running.connect(sender);
            return Ok(());
        }
        self.running = Some(Running::start(sender)?);
        Ok(())
    }

    fn has_news(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.news.load(Ordering::Relaxed))
    }
}

impl Running {
    fn start(sender: &mut Sender) -> Result<Self, MidiError> {
        let fail = |error: jack::Error| MidiError::Jack(error.to_string());
        let client = client()?;
        let port = client.register_port(PORT, MidiIn::default()).map_err(fail)?;
        let out = client.register_port(OUT_PORT, MidiOut::default()).map_err(fail)?;
        let back = client.register_port(FEEDBACK_PORT, MidiOut::default()).map_err(fail)?;
        let (messages, waiting) = HeapRb::new(ROOM).split();
        let (told, to_tell) = HeapRb::new(ROOM).split();
        let name = port.name().map_err(fail)?;
        let cycles = Arc::new(AtomicU64::new(1));
        let id = sender.came(&name);
        let current = Arc::new(AtomicU64::new(u64::from(id.0)));
        let callback = Callback {
            port,
            parser: Parser::default(),
            sender: sender.clone(),
            cycles: Arc::clone(&cycles),
            current: Arc::clone(&current),
            outlets: [Outlet { port: out, waiting }, Outlet { port: back, waiting: to_tell }],
            seconds_per_frame: 1.0 / f64::from(client.sample_rate()),
        };
        let news = Arc::new(AtomicBool::new(false));
        let client = client.activate_async(News(Arc::clone(&news)), callback).map_err(fail)?;
        sender.out.reroute(Some(Route::Ring(messages)));
        sender.feedback.open(id, Route::Ring(told));
        let (cycles_seen, cycles_seen_at) = (0, Instant::now());
        let mut running = Self {
            client,
            news,
            cycles,
            cycles_seen,
            cycles_seen_at,
            id,
            connected: name,
            listeners: Vec::new(),
            current,
        };
        running.connect(sender);
        Ok(running)
    }

    /// Whether the server has not called for too long.
    fn stands_still(&mut self) -> bool {
        let cycles = self.cycles.load(Ordering::Relaxed);
        if cycles != self.cycles_seen {
            (self.cycles_seen, self.cycles_seen_at) = (cycles, Instant::now());
        }
        self.cycles_seen_at.elapsed() > STANDSTILL
    }

    /// Connects hardware, and tells under which names the port is fed now, and when somebody new hears the feedback.
    fn connect(&mut self, sender: &mut Sender) {
        self.news.store(false, Ordering::Relaxed);
        let client = self.client.as_client();
        let own = format!("{}:{PORT}", client.name());
        for source in client.ports(None, MIDI, PortFlags::IS_OUTPUT | PortFlags::IS_PHYSICAL) {
            // Already connected is an error too, and the usual case.
            let _ = client.connect_ports_by_name(&source, &own);
        }
        let mut names = vec![own.clone()];
        for source in client.ports(None, MIDI, PortFlags::IS_OUTPUT) {
            let Some(port) = client.port_by_name(&source) else { continue };
            if port.is_connected_to(&own).unwrap_or(false) {
                names.extend(port.aliases().unwrap_or_default());
                names.push(source);
            }
        }
        let connected = names.join(", ");
        if connected != self.connected {
            let way_back = sender.feedback.close(self.id);
            sender.went(self.id, &self.connected);
            self.id = sender.came(&connected);
            if let Some(route) = way_back {
                sender.feedback.open(self.id, route);
            }
            self.current.store(u64::from(self.id.0), Ordering::Relaxed);
            self.connected = connected;
        }
        self.tell(sender);
    }

    /// Connects the feedback to the hardware that wants it; tells when somebody new hears it.
    fn tell(&mut self, sender: &Sender) {
        let client = self.client.as_client();
        let own = format!("{}:{FEEDBACK_PORT}", client.name());
        let mut listeners = Vec::new();
        for sink in client.ports(None, MIDI, PortFlags::IS_INPUT) {
            let Some(port) = client.port_by_name(&sink) else { continue };
            let wanted = || {
                let aliases = port.aliases().unwrap_or_default();
                aliases.iter().chain([&sink]).any(|name| sender.feedback.wants(name))
            };
            let mut connected = port.is_connected_to(&own).unwrap_or(false);
            if !connected && port.flags().contains(PortFlags::IS_PHYSICAL) && wanted() {
                connected = client.connect_ports_by_name(&own, &sink).is_ok();
            }
            if connected {
                listeners.push(sink);
            }
        }
        if listeners.iter().any(|listener| !self.listeners.contains(listener)) {
            sender.hears(self.id);
        }
        self.listeners = listeners;
    }
}

/// Hears of changes, on a thread of JACK's own.
struct News(Arc<AtomicBool>);

impl NotificationHandler for News {
    fn port_registration(&mut self, _: &Client, _: PortId, _: bool) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn ports_connected(&mut self, _: &Client, _: PortId, _: PortId, _: bool) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Callback {
    port: Port<MidiIn>,
    parser: Parser,
    sender: Sender,
    cycles: Arc<AtomicU64>,
    current: Arc<AtomicU64>,
    outlets: [Outlet; 2],
    seconds_per_frame: f64,
}

/// A port that sends.
struct Outlet {
    port: Port<MidiOut>,
    /// What is to be sent, in the order of its time.
    waiting: HeapCons<Timed>,
}

impl Outlet {
    /// Writes what is due in this cycle, at its frame.
    fn send(&mut self, scope: &ProcessScope, cycle: Instant, seconds_per_frame: f64) {
        let mut writer = self.port.writer(scope);
        let mut last = 0;
        while let Some(timed) = self.waiting.try_peek() {
            let ahead = timed.at.saturating_duration_since(cycle).as_secs_f64() / seconds_per_frame;
            if ahead >= f64::from(scope.n_frames()) {
                return;
            }
            // The buffer wants its times in order; one that is full goes on in the next cycle.
            last = last.max(ahead as u32);
            if writer.write(&RawMidi { time: last, bytes: timed.bytes() }).is_err() {
                return;
            }
            let _ = self.waiting.try_pop();
        }
    }
}

impl ProcessHandler for Callback {
    fn process(&mut self, client: &Client, scope: &ProcessScope) -> Control {
        self.cycles.fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        // JACK knows when the cycle should have begun, filtered of the jitter of waking up.
        let age = scope.cycle_times().map_or(0, |times| client.time().saturating_sub(times.current_usecs));
        let cycle = now.checked_sub(Duration::from_micros(age)).unwrap_or(now);
        let device = DeviceId(self.current.load(Ordering::Relaxed) as u32);
        for event in self.port.iter(scope) {
            let at = cycle + Duration::from_secs_f64(f64::from(event.time) * self.seconds_per_frame);
            self.sender.bytes(&mut self.parser, device, at, event.bytes);
        }
        for outlet in &mut self.outlets {
            outlet.send(scope, cycle, self.seconds_per_frame);
        }
        Control::Continue
    }
}
