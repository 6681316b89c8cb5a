//! The way through JACK: a client of our own, so that its name and ports stay the same and patchbays can remember them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::SyncSender;

use jack::{AudioOut, Client, ClientStatus, Control, Port, PortFlags, ProcessScope};

use super::feed::Feed;
use super::home::Guest;
use super::route::{AudioError, Fault, Running};
use super::status::OutputStatus;
use crate::engine::QUANTUM;
use crate::event::health::Loss;
use crate::output::jack_clients::{self, Calls};

/// The client's name; its ports are `melos-audio:left` and `melos-audio:right`.
const CLIENT: &str = "melos-audio";
const PORTS: [&str; 2] = ["left", "right"];

/// Starts to play at the server's rate and block size, connected to the first two playback ports; on failure the engine
/// goes home.
pub(super) fn start(
    engine: Guest,
    status: &Arc<OutputStatus>,
    faults: &SyncSender<Fault>,
) -> Result<Running, AudioError> {
    let error = |error: jack::Error| AudioError::Jack(error.to_string());
    let (calls, client) = jack_clients::open(CLIENT).map_err(AudioError::Jack)?;
    let [left, right] = PORTS.map(|name| client.register_port(name, AudioOut::default()));
    let ports = [left.map_err(error)?, right.map_err(error)?];
    let names = [ports[0].name().map_err(error)?, ports[1].name().map_err(error)?];
    let (rate, block) = (client.sample_rate(), client.buffer_size());
    let name = format!("JACK: {}, {rate} Hz, {block} frames per block", client.name());
    let player = Player { feed: Feed::new(engine, rate, 2, Arc::clone(status)), ports, calls: calls.clone() };
    let lost = Arc::new(AtomicBool::new(false));
    let watcher = Watcher { lost: Arc::clone(&lost), status: Arc::clone(status) };
    let client = client.activate_async(watcher, player).map_err(error)?;
    let outputs = client.as_client().ports(None, Some("audio"), PortFlags::IS_INPUT | PortFlags::IS_PHYSICAL);
    for (ours, theirs) in names.iter().zip(&outputs) {
        if let Err(error) = client.as_client().connect_ports_by_name(ours, theirs) {
            let _ = faults.try_send(Fault::Notice(error.to_string()));
        }
    }
    // In this order: the calls are kept until the client is closed.
    Ok(Running { _stream: Box::new((client, calls)), name, lost })
}

struct Player {
    feed: Feed,
    ports: [Port<AudioOut>; 2],
    calls: Calls,
}

impl jack::ProcessHandler for Player {
    fn process(&mut self, _: &Client, scope: &ProcessScope) -> Control {
        self.calls.count();
        let [left, right] = &mut self.ports;
        let (left, right) = (left.as_mut_slice(scope), right.as_mut_slice(scope));
        self.feed.announce(left.len());
        let mut stereo = [0.0; 2 * QUANTUM];
        for (left, right) in left.chunks_mut(QUANTUM).zip(right.chunks_mut(QUANTUM)) {
            let stereo = &mut stereo[..2 * left.len()];
            self.feed.fill(stereo);
            for ((left, right), frame) in left.iter_mut().zip(right).zip(stereo.chunks_exact(2)) {
                (*left, *right) = (frame[0], frame[1]);
            }
        }
        Control::Continue
    }
}

struct Watcher {
    lost: Arc<AtomicBool>,
    status: Arc<OutputStatus>,
}

impl jack::NotificationHandler for Watcher {
    #[expect(unsafe_code, reason = "declared so by the trait; storing a flag is all a signal handler may do")]
    unsafe fn shutdown(&mut self, _: ClientStatus, _: &str) {
        self.lost.store(true, Relaxed);
    }

    fn xrun(&mut self, _: &Client) -> Control {
        self.status.losses.add(Loss::Xruns, 1);
        Control::Continue
    }
}
