//! The thread that looks for devices, once a second, on the MIDI system chosen at run time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use thiserror::Error;

use super::{Message, MidiEvent, MidiFeedback, MidiOut, Parser, alsa, jack};
use crate::event::health::{Loss, Losses};

/// How often devices are looked for.
const SEARCH_INTERVAL: Duration = Duration::from_secs(1);
/// How long it takes at most to notice that something has changed, or that the end has come.
const NOTICE_INTERVAL: Duration = Duration::from_millis(50);

/// What carries MIDI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MidiSystem {
    /// The ALSA sequencer: every device, there and back, and ports `melos:midi_in` and `melos:midi_out` for other programs.
    Alsa,
    /// A JACK server: one port `melos:midi_out`, and for each of four devices a port that receives and one that tells it
    /// what it stands at: `melos:midi_in` and `melos:feedback`, `melos:midi_in_2` and `melos:feedback_2`, and so on. Hardware
    /// is connected, other programs connect themselves.
    Jack,
}

/// Tells devices apart while Melos runs; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(pub u32);

/// A device that can send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// For [`MidiEvent::Sent`].
    pub id: DeviceId,
    /// The port's name as the system gives it; under JACK the names of everything connected to its port.
    pub name: String,
}

/// Why MIDI cannot be had just now.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MidiError {
    /// The ALSA sequencer is missing.
    #[error("the ALSA sequencer cannot be opened ({0}); is the kernel module snd-seq loaded?")]
    Alsa(String),
    /// There is no JACK server.
    #[error("no JACK server answers ({0})")]
    Jack(String),
}

/// The names of everything that can send.
///
/// # Errors
/// When the system cannot be asked.
pub fn sources(system: MidiSystem) -> Result<Vec<String>, MidiError> {
    match system {
        MidiSystem::Alsa => alsa::sources(),
        MidiSystem::Jack => jack::sources(),
    }
}

/// MIDI in, and the way out; ends when dropped.
#[derive(Debug)]
pub struct MidiIn {
    stop: Arc<AtomicBool>,
    out: MidiOut,
    feedback: MidiFeedback,
    thread: Option<JoinHandle<()>>,
}

impl MidiIn {
    /// Starts looking for devices; what they do goes to `events`. A system that is not there is waited for.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(system: MidiSystem, events: SyncSender<MidiEvent>, losses: Arc<Losses>) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (out, feedback) = (MidiOut::new(Arc::clone(&losses)), MidiFeedback::new(Arc::clone(&losses)));
        let sender = Sender { events, losses, out: out.clone(), feedback: feedback.clone(), next_device: 0 };
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new().name("melos-midi".to_owned()).spawn(move || match system {
            MidiSystem::Alsa => search::<alsa::Alsa>(&stopped, sender),
            MidiSystem::Jack => search::<jack::Jack>(&stopped, sender),
        })?;
        Ok(Self { stop, out, feedback, thread: Some(thread) })
    }

    /// The way out, on the same system.
    #[must_use]
    pub const fn out(&self) -> &MidiOut {
        &self.out
    }

    /// The ways back to the devices.
    #[must_use]
    pub const fn feedback(&self) -> &MidiFeedback {
        &self.feedback
    }
}

impl Drop for MidiIn {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic in there has been printed; there is nothing left to end.
            let _ = thread.join();
        }
    }
}

/// A MIDI system that can be searched again and again.
pub(super) trait Search: Default {
    /// Connects what has come, lets go what has gone.
    fn search(&mut self, sender: &mut Sender) -> Result<(), MidiError>;

    /// Whether the system said that something has changed since the last search.
    fn has_news(&self) -> bool {
        false
    }
}

fn search<S: Search>(stop: &AtomicBool, mut sender: Sender) {
    let mut system = S::default();
    let mut said = None;
    let mut next = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        if Instant::now() >= next || system.has_news() {
            next = Instant::now() + SEARCH_INTERVAL;
            let error = system.search(&mut sender).err();
            if error != said {
                match &error {
                    Some(error) => tracing::warn!(%error, "MIDI waits"),
                    None => tracing::info!("MIDI is back"),
                }
                said = error;
            }
        }
        thread::sleep(NOTICE_INTERVAL);
    }
}

/// Where events go, from the search thread and from callbacks alike.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    events: SyncSender<MidiEvent>,
    losses: Arc<Losses>,
    pub(super) out: MidiOut,
    pub(super) feedback: MidiFeedback,
    next_device: u32,
}

impl Sender {
    /// Announces a device. Waits for room: an announcement must not get lost.
    pub(super) fn came(&mut self, name: &str) -> DeviceId {
        let id = DeviceId(self.next_device);
        self.next_device += 1;
        tracing::info!(name, "MIDI device");
        let _ = self.events.send(MidiEvent::Came(Device { id, name: name.to_owned() }));
        id
    }

    /// Announces that a device is gone.
    pub(super) fn went(&self, id: DeviceId, name: &str) {
        tracing::info!(name, "MIDI device gone");
        let _ = self.events.send(MidiEvent::Went(id));
    }

    /// Announces that somebody hears what the device is told.
    pub(super) fn hears(&self, id: DeviceId) {
        let _ = self.events.send(MidiEvent::Hears(id));
    }

    /// Sends a message on from a callback; never waits, a full channel is counted.
    pub(super) fn sent(&self, device: DeviceId, at: Instant, message: Message) {
        if let Err(TrySendError::Full(_)) = self.events.try_send(MidiEvent::Sent { device, at, message }) {
            self.losses.add(Loss::MidiIn, 1);
        }
    }

    /// Parses bytes in a callback and sends the messages on.
    pub(super) fn bytes(&self, parser: &mut Parser, device: DeviceId, at: Instant, bytes: &[u8]) {
        for message in bytes.iter().filter_map(|byte| parser.feed(*byte)) {
            self.sent(device, at, message);
        }
    }
}
