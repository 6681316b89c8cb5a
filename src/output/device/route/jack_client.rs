//! Output through Melos's own JACK client, whose name and ports stay the same, so that patchbays remember them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::SyncSender;

use jack::{AsyncClient, AudioOut, Client, ClientStatus, Control, Port, PortFlags, PortId, ProcessScope};

use super::{AudioError, Fault, Running, Stream};
use crate::engine::QUANTUM;
use crate::event::health::Loss;
use crate::output::device::engine_slot::EngineSlot;
use crate::output::device::feed::Feed;
use crate::output::device::status::OutputStatus;
use crate::output::jack_clients::{self, Calls};

/// The client's name; its ports are `melos-audio:left` and `melos-audio:right`.
const CLIENT: &str = "melos-audio";
const PORTS: [&str; 2] = ["left", "right"];
/// Change of gain per frame when the number of playback ports changes: 10 ms from full to half.
const SHARE_STEP: f32 = 0.5 / 480.0;

/// Starts playing at the server's rate and block size, connected to the first two playback ports, or with both channels
/// to the only one.
pub(super) fn start(
    slot: Arc<EngineSlot>,
    status: &Arc<OutputStatus>,
    faults: &SyncSender<Fault>,
) -> Result<Running, AudioError> {
    let error = |error: jack::Error| AudioError::Jack(error.to_string());
    let (calls, client) = jack_clients::open(CLIENT).map_err(AudioError::Jack)?;
    let [left, right] = PORTS.map(|name| client.register_port(name, AudioOut::default()));
    let ports = [left.map_err(error)?, right.map_err(error)?];
    let names = [ports[0].name().map_err(error)?, ports[1].name().map_err(error)?];
    let (rate, block, name) = (client.sample_rate(), client.buffer_size(), label(&client));
    let mono = Arc::new(AtomicBool::new(false));
    let feed = Feed::new(slot, rate, 2, Arc::clone(status));
    let player = Player { feed, ports, calls: calls.clone(), mono: Arc::clone(&mono), share: 1.0 };
    let (lost, news) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(true)));
    let watcher = Watcher { rate, lost: Arc::clone(&lost), news: Arc::clone(&news), status: Arc::clone(status) };
    let client = client.activate_async(watcher, player).map_err(error)?;
    let mut stream = JackStream {
        client,
        _calls: calls,
        names,
        sinks: [None, None],
        mono,
        news,
        block,
        status: Arc::clone(status),
        faults: faults.clone(),
    };
    stream.maintain();
    Ok(Running { stream: Box::new(stream), name, lost })
}

/// The output's name.
fn label(client: &Client) -> String {
    format!("JACK: {}, {} Hz, {} frames per block", client.name(), client.sample_rate(), client.buffer_size())
}

struct JackStream {
    client: AsyncClient<Watcher, Player>,
    /// Must outlive the client, so it is declared after it.
    _calls: Calls,
    /// Melos's ports, and the playback ports that they were connected to.
    names: [String; 2],
    sinks: [Option<String>; 2],
    /// Whether both go to one port, each at half its level.
    mono: Arc<AtomicBool>,
    /// Set when ports appear or disappear.
    news: Arc<AtomicBool>,
    /// The block size in the output's name.
    block: u32,
    status: Arc<OutputStatus>,
    faults: SyncSender<Fault>,
}

impl Stream for JackStream {
    /// Follows changes of the block size, and connects to new playback ports. If the ports are the same as before,
    /// changes made by a patchbay are kept.
    fn maintain(&mut self) {
        let block = self.client.as_client().buffer_size();
        if block != self.block {
            self.block = block;
            self.status.set_name(label(self.client.as_client()));
        }
        if !self.news.swap(false, Relaxed) {
            return;
        }
        let client = self.client.as_client();
        let outputs = client.ports(None, Some("audio"), PortFlags::IS_INPUT | PortFlags::IS_PHYSICAL);
        let left = outputs.first();
        let sinks = [left.cloned(), outputs.get(1).or(left).cloned()];
        for ((ours, old), new) in self.names.iter().zip(&self.sinks).zip(&sinks) {
            if old == new {
                continue;
            }
            if let Some(old) = old.as_ref().filter(|old| outputs.contains(old)) {
                let _ = client.disconnect_ports_by_name(ours, old);
            }
            if let Some(new) = new
                && let Err(error) = client.connect_ports_by_name(ours, new)
            {
                let _ = self.faults.try_send(Fault::Notice(error.to_string()));
            }
        }
        self.mono.store(sinks[0].is_some() && sinks[0] == sinks[1], Relaxed);
        self.sinks = sinks;
    }
}

struct Player {
    feed: Feed,
    ports: [Port<AudioOut>; 2],
    calls: Calls,
    mono: Arc<AtomicBool>,
    /// The gain of each port.
    share: f32,
}

impl jack::ProcessHandler for Player {
    fn process(&mut self, _: &Client, scope: &ProcessScope) -> Control {
        self.calls.count();
        let [left, right] = &mut self.ports;
        let (left, right) = (left.as_mut_slice(scope), right.as_mut_slice(scope));
        self.feed.announce(left.len(), 0);
        let target = if self.mono.load(Relaxed) { 0.5 } else { 1.0 };
        let mut stereo = [0.0; 2 * QUANTUM];
        for (left, right) in left.chunks_mut(QUANTUM).zip(right.chunks_mut(QUANTUM)) {
            let stereo = &mut stereo[..2 * left.len()];
            self.feed.fill(stereo);
            for ((left, right), frame) in left.iter_mut().zip(right).zip(stereo.chunks_exact(2)) {
                self.share += (target - self.share).clamp(-SHARE_STEP, SHARE_STEP);
                (*left, *right) = (self.share * frame[0], self.share * frame[1]);
            }
        }
        Control::Continue
    }
}

struct Watcher {
    /// The rate for which the stream was opened.
    rate: u32,
    lost: Arc<AtomicBool>,
    news: Arc<AtomicBool>,
    status: Arc<OutputStatus>,
}

impl jack::NotificationHandler for Watcher {
    #[expect(unsafe_code, reason = "required by the trait; a signal handler may only store a flag")]
    unsafe fn shutdown(&mut self, _: ClientStatus, _: &str) {
        self.lost.store(true, Relaxed);
    }

    fn sample_rate(&mut self, _: &Client, rate: u32) -> Control {
        // PipeWire changes its rate while playing; the stream is opened again with the new one.
        if rate != self.rate {
            self.lost.store(true, Relaxed);
        }
        Control::Continue
    }

    fn port_registration(&mut self, _: &Client, _: PortId, _: bool) {
        self.news.store(true, Relaxed);
    }

    fn xrun(&mut self, _: &Client) -> Control {
        self.status.losses.add(Loss::Xruns, 1);
        Control::Continue
    }
}
