//! Output through Melos's own JACK client, whose name and ports never change, so that patchbays can restore its
//! connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::SyncSender;

use jack::{AsyncClient, AudioOut, Client, ClientStatus, Control, Port, PortFlags, PortId, ProcessScope};

use super::{AudioError, Fault, OpenStream, Stream};
use crate::engine::QUANTUM;
use crate::event::health::Loss;
use crate::output::device::engine_slot::EngineSlot;
use crate::output::device::feed::Feed;
use crate::output::device::status::OutputStatus;
use crate::output::jack_clients::{self, Calls};
use crate::units::SAMPLE_RATE;

/// The client's name; its ports are `melos-audio:left` and `melos-audio:right`.
const CLIENT: &str = "melos-audio";
const PORTS: [&str; 2] = ["left", "right"];
/// The type of audio ports.
const AUDIO: Option<&str> = Some("audio");
/// Change of gain per frame when switching between stereo and mono: 10 ms from full gain to half at 48 kHz.
const GAIN_STEP: f32 = 0.5 / 480.0;

/// Name of the client that only looks for playback ports; a running daemon may be using [`CLIENT`].
const SEARCH_CLIENT: &str = "melos-search";

/// Starts playing at the server's rate and block size. Connects the channels to the first two of the [`playback_ports`] or,
/// if there is only one, both channels to it.
pub(super) fn start(
    device: Option<&str>,
    slot: Arc<EngineSlot>,
    status: &Arc<OutputStatus>,
    faults: &SyncSender<Fault>,
) -> Result<OpenStream, AudioError> {
    let error = |error: jack::Error| AudioError::Jack(error.to_string());
    let (calls, client) = jack_clients::open(CLIENT).map_err(AudioError::Jack)?;
    playback_ports(&client, device)?;
    let [left, right] = PORTS.map(|name| client.register_port(name, AudioOut::default()));
    let ports = [left.map_err(error)?, right.map_err(error)?];
    let own_ports = [ports[0].name().map_err(error)?, ports[1].name().map_err(error)?];
    let (rate, block, name) = (client.sample_rate(), client.buffer_size(), label(&client));
    let mono = Arc::new(AtomicBool::new(false));
    let feed = Feed::new(slot, rate, 2, Arc::clone(status));
    let player = Player { feed, ports, calls: calls.clone(), mono: Arc::clone(&mono), gain: 1.0 };
    let (lost, ports_changed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(true)));
    let notifications = Notifications {
        rate,
        lost: Arc::clone(&lost),
        ports_changed: Arc::clone(&ports_changed),
        status: Arc::clone(status),
    };
    let client = client.activate_async(notifications, player).map_err(error)?;
    let mut stream = JackStream {
        client,
        _calls: calls,
        device: device.map(str::to_owned),
        own_ports,
        playback_ports: [None, None],
        mono,
        ports_changed,
        block,
        status: Arc::clone(status),
        faults: faults.clone(),
    };
    stream.maintain();
    // The block size is logged before the first callback sets it.
    let frames = (f64::from(block) * f64::from(SAMPLE_RATE) / f64::from(rate)).ceil() as u32;
    let _ = status.block_frames.compare_exchange(0, frames, Relaxed, Relaxed);
    Ok(OpenStream { stream: Box::new(stream), name, lost })
}

/// Returns the name of the JACK client to which [`start`] would connect.
pub(super) fn find(device: Option<&str>) -> Result<String, AudioError> {
    let (_calls, client) = jack_clients::open(SEARCH_CLIENT).map_err(AudioError::Jack)?;
    let ports = playback_ports(&client, device)?;
    let first = ports.first().ok_or_else(|| AudioError::Jack("there is no playback port".to_owned()))?;
    Ok(format!("JACK: {}", client_of(first)))
}

/// Returns the clients to which [`start`] can connect, each with its number of channels, and the server's sample rate.
pub(in crate::output::device) fn outputs() -> Result<(Vec<(String, usize)>, u32), AudioError> {
    let (_calls, client) = jack_clients::open(SEARCH_CLIENT).map_err(AudioError::Jack)?;
    let mut outputs: Vec<(String, usize)> = Vec::new();
    for port in client.ports(None, AUDIO, PortFlags::IS_INPUT) {
        match outputs.iter_mut().find(|(name, _)| name == client_of(&port)) {
            Some((_, channels)) => *channels += 1,
            None => outputs.push((client_of(&port).to_owned(), 1)),
        }
    }
    Ok((outputs, client.sample_rate()))
}

/// Returns the playback ports of the sound cards or, if `device` is given, those of the first client with `device` in its
/// name or in an alias of one of its ports. The aliases identify ALSA cards, whose client is always called `system`.
///
/// # Errors
/// If there is no such client.
fn playback_ports(client: &Client, device: Option<&str>) -> Result<Vec<String>, AudioError> {
    let Some(device) = device else {
        return Ok(client.ports(None, AUDIO, PortFlags::IS_INPUT | PortFlags::IS_PHYSICAL));
    };
    let mut ports = client.ports(None, AUDIO, PortFlags::IS_INPUT);
    let contains = |name: &str| name.to_lowercase().contains(&device.to_lowercase());
    let aliases = |port: &String| client.port_by_name(port).and_then(|port| port.aliases().ok()).unwrap_or_default();
    let is_match = |port: &&String| contains(client_of(port)) || aliases(port).iter().any(|alias| contains(alias));
    let Some(found) = ports.iter().find(is_match).map(|port| client_of(port).to_owned()) else {
        let mut clients: Vec<_> = ports.iter().map(|port| client_of(port)).collect();
        clients.dedup();
        let available = if clients.is_empty() { "none".to_owned() } else { clients.join(", ") };
        return Err(AudioError::NoDevice { host: "JACK", requested: device.to_owned(), available });
    };
    ports.retain(|port| client_of(port) == found);
    Ok(ports)
}

/// Returns the client's part of a port's full name; the names of PipeWire's clients may contain colons.
fn client_of(port: &str) -> &str {
    port.rsplit_once(':').map_or(port, |(client, _)| client)
}

/// Returns the output's name.
fn label(client: &Client) -> String {
    format!("JACK: {}, {} Hz, {} frames per block", client.name(), client.sample_rate(), client.buffer_size())
}

struct JackStream {
    client: AsyncClient<Notifications, Player>,
    /// Declared after the client, which it must outlive.
    _calls: Calls,
    /// Part of the name of the client to connect to, or of an alias of one of its ports.
    device: Option<String>,
    /// Melos's ports, and the playback ports to which they were last connected.
    own_ports: [String; 2],
    playback_ports: [Option<String>; 2],
    /// Whether both channels go to one playback port, each at half gain.
    mono: Arc<AtomicBool>,
    /// Set when ports appear or disappear.
    ports_changed: Arc<AtomicBool>,
    /// The block size shown in the output's name.
    block: u32,
    status: Arc<OutputStatus>,
    faults: SyncSender<Fault>,
}

impl Stream for JackStream {
    /// Updates the block size in the output's name, and connects to new playback ports. While the playback ports stay
    /// the same, connections changed by a patchbay are left alone.
    fn maintain(&mut self) {
        let block = self.client.as_client().buffer_size();
        if block != self.block {
            self.block = block;
            self.status.set_name(label(self.client.as_client()));
        }
        if !self.ports_changed.swap(false, Relaxed) {
            return;
        }
        let client = self.client.as_client();
        // While the requested client is gone, there are no playback ports.
        let outputs = playback_ports(client, self.device.as_deref()).unwrap_or_default();
        let left = outputs.first();
        let playback_ports = [left.cloned(), outputs.get(1).or(left).cloned()];
        for ((own, old), new) in self.own_ports.iter().zip(&self.playback_ports).zip(&playback_ports) {
            if old == new {
                continue;
            }
            if let Some(old) = old.as_ref().filter(|old| outputs.contains(old)) {
                let _ = client.disconnect_ports_by_name(own, old);
            }
            if let Some(new) = new
                && let Err(error) = client.connect_ports_by_name(own, new)
            {
                let _ = self.faults.try_send(Fault::Notice(error.to_string()));
            }
        }
        self.mono.store(playback_ports[0].is_some() && playback_ports[0] == playback_ports[1], Relaxed);
        self.playback_ports = playback_ports;
    }
}

struct Player {
    feed: Feed,
    ports: [Port<AudioOut>; 2],
    calls: Calls,
    mono: Arc<AtomicBool>,
    /// The gain of both channels.
    gain: f32,
}

impl jack::ProcessHandler for Player {
    fn process(&mut self, _: &Client, scope: &ProcessScope) -> Control {
        self.calls.increment();
        let [left, right] = &mut self.ports;
        let (left, right) = (left.as_mut_slice(scope), right.as_mut_slice(scope));
        self.feed.announce(left.len(), 0);
        let target_gain = if self.mono.load(Relaxed) { 0.5 } else { 1.0 };
        let mut stereo = [0.0; 2 * QUANTUM];
        for (left, right) in left.chunks_mut(QUANTUM).zip(right.chunks_mut(QUANTUM)) {
            let stereo = &mut stereo[..2 * left.len()];
            self.feed.fill(stereo);
            for ((left, right), frame) in left.iter_mut().zip(right).zip(stereo.chunks_exact(2)) {
                self.gain += (target_gain - self.gain).clamp(-GAIN_STEP, GAIN_STEP);
                (*left, *right) = (self.gain * frame[0], self.gain * frame[1]);
            }
        }
        Control::Continue
    }
}

struct Notifications {
    /// The sample rate at which the stream was opened, in hertz.
    rate: u32,
    lost: Arc<AtomicBool>,
    ports_changed: Arc<AtomicBool>,
    status: Arc<OutputStatus>,
}

impl jack::NotificationHandler for Notifications {
    #[expect(unsafe_code, reason = "required by the trait; a signal handler may only store a flag")]
    unsafe fn shutdown(&mut self, _: ClientStatus, _: &str) {
        self.lost.store(true, Relaxed);
    }

    fn sample_rate(&mut self, _: &Client, rate: u32) -> Control {
        // PipeWire can change its rate while playing; the stream is then reopened at the new rate.
        if rate != self.rate {
            self.lost.store(true, Relaxed);
        }
        Control::Continue
    }

    fn port_registration(&mut self, _: &Client, _: PortId, _: bool) {
        self.ports_changed.store(true, Relaxed);
    }

    fn xrun(&mut self, _: &Client) -> Control {
        self.status.losses.add(Loss::Xruns, 1);
        Control::Continue
    }
}
