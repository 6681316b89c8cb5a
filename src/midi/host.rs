//! The thread that looks for devices, once a second, on the MIDI system chosen at run time.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ringbuf::traits::{Consumer, Split};
use ringbuf::{HeapCons, HeapRb};
use thiserror::Error;

use crate::threads;

use super::jack::Ear;
use super::{Message, MidiEvent, MidiFeedback, MidiOut, Parser, alsa, jack};
use crate::event::Wake;
use crate::event::health::{Loss, Losses};

/// How often devices are looked for.
const SEARCH_INTERVAL: Duration = Duration::from_secs(1);
/// How long it takes at most to notice that something has changed, or that the end has come.
const NOTICE_INTERVAL: Duration = Duration::from_millis(50);

/// How long the search may take to end; a server that hangs must not keep the process from ending.
const LAST: Duration = Duration::from_secs(1);
/// Messages that may wait between two looks at a callback's ring.
const HEARD: usize = 1024;

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

impl MidiSystem {
    /// The system that belongs to what carries the sound, given in the words of
    /// [`crate::output::device::OutputStatus::name`]: JACK beside JACK, otherwise ALSA.
    #[must_use]
    pub fn beside(output: &str) -> Self {
        if output.starts_with("JACK") { Self::Jack } else { Self::Alsa }
    }
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
pub struct MidiIn {
    stop: Arc<AtomicBool>,
    /// Whether JACK is to carry it, else ALSA.
    on_jack: Arc<AtomicBool>,
    sender: Sender,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for MidiIn {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("MidiIn").field("system", &self.system()).finish_non_exhaustive()
    }
}

impl MidiIn {
    /// Starts looking for devices; what they do goes to `events`, whose reader is woken. A system that is not there is
    /// waited for.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(
        system: MidiSystem,
        events: SyncSender<MidiEvent>,
        wake: Wake,
        losses: Arc<Losses>,
    ) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let on_jack = Arc::new(AtomicBool::new(system == MidiSystem::Jack));
        let sender = Sender {
            events,
            wake,
            heard: Arc::default(),
            out: MidiOut::new(Arc::clone(&losses)),
            feedback: MidiFeedback::new(Arc::clone(&losses)),
            losses,
            next_device: Arc::default(),
        };
        let (stopped, wanted, mut own) = (Arc::clone(&stop), Arc::clone(&on_jack), sender.clone());
        let thread = threads::spawn_steady("melos-midi", move || {
            let wants = |jack| !stopped.load(Ordering::Relaxed) && wanted.load(Ordering::Relaxed) == jack;
            while !stopped.load(Ordering::Relaxed) {
                search::<alsa::Alsa>(|| wants(false), &mut own);
                search::<jack::Jack>(|| wants(true), &mut own);
            }
        })?;
        Ok(Self { stop, on_jack, sender, thread: Some(thread) })
    }

    /// Goes over to another system: devices of the old one go, those of the new one come. Does not wait.
    pub fn switch(&self, system: MidiSystem) {
        self.on_jack.store(system == MidiSystem::Jack, Ordering::Relaxed);
    }

    /// The system that carries MIDI, or is about to.
    #[must_use]
    pub fn system(&self) -> MidiSystem {
        if self.on_jack.load(Ordering::Relaxed) { MidiSystem::Jack } else { MidiSystem::Alsa }
    }

    /// Hands on what callbacks have heard: to be called right before the events are read, so that nothing waits for the
    /// search, which does the same twenty times a second.
    pub fn gather(&self) {
        self.sender.gather();
    }

    /// The way out, on the same system.
    #[must_use]
    pub const fn out(&self) -> &MidiOut {
        &self.sender.out
    }

    /// The ways back to the devices.
    #[must_use]
    pub const fn feedback(&self) -> &MidiFeedback {
        &self.sender.feedback
    }
}

impl Drop for MidiIn {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let begun = Instant::now();
        while self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) && begun.elapsed() < LAST {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A MIDI system that can be searched again and again.
pub(super) trait Search: Default {
    /// Connects what has come, lets go what has gone.
    fn search(&mut self, sender: &mut Sender) -> Result<(), MidiError>;

    /// Lets go of everything.
    fn leave(&mut self, sender: &mut Sender);

    /// Whether the system said that something has changed since the last search.
    fn has_news(&self) -> bool {
        false
    }
}

fn search<S: Search>(goes_on: impl Fn() -> bool, sender: &mut Sender) {
    let mut system = S::default();
    let mut said = None;
    let mut next = Instant::now();
    while goes_on() {
        sender.gather();
        if Instant::now() >= next || system.has_news() {
            next = Instant::now() + SEARCH_INTERVAL;
            let error = system.search(sender).err();
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
    system.leave(sender);
}

/// What JACK's callback has heard.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heard {
    pub(super) device: DeviceId,
    pub(super) at: Instant,
    pub(super) message: Message,
}

/// Where events go, from the search thread and from callbacks that may wait a moment.
#[derive(Clone)]
pub(super) struct Sender {
    events: SyncSender<MidiEvent>,
    wake: Wake,
    /// What the callback that may not wait has heard.
    heard: Arc<Mutex<Option<HeapCons<Heard>>>>,
    losses: Arc<Losses>,
    pub(super) out: MidiOut,
    pub(super) feedback: MidiFeedback,
    next_device: Arc<AtomicU32>,
}

impl Sender {
    /// Announces a device. Waits for room: an announcement must not get lost.
    pub(super) fn came(&mut self, name: &str) -> DeviceId {
        let id = DeviceId(self.next_device.fetch_add(1, Ordering::Relaxed));
        tracing::info!(name, "MIDI device");
        self.announce(MidiEvent::Came(Device { id, name: name.to_owned() }));
        id
    }

    /// Announces that a device is gone.
    pub(super) fn went(&self, id: DeviceId, name: &str) {
        // What it sent before comes before.
        self.gather();
        tracing::info!(name, "MIDI device gone");
        self.announce(MidiEvent::Went(id));
    }

    /// Announces that somebody hears what the device is told.
    pub(super) fn hears(&self, id: DeviceId) {
        self.announce(MidiEvent::Hears(id));
    }

    fn announce(&self, event: MidiEvent) {
        let _ = self.events.send(event);
        self.wake.ring();
    }

    /// An ear for a callback that may not wait, in place of the one before.
    pub(super) fn ear(&self) -> Ear {
        let (ring, heard) = HeapRb::new(HEARD).split();
        self.gather();
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(heard);
        Ear::new(ring, self.wake.clone(), Arc::clone(&self.losses))
    }

    fn gather(&self) {
        if let Some(heard) = &mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner) {
            for Heard { device, at, message } in heard.pop_iter() {
                self.sent(device, at, message);
            }
        }
    }

    /// Sends a message on from a callback; never waits, a full channel is counted.
    pub(super) fn sent(&self, device: DeviceId, at: Instant, message: Message) {
        if let Err(TrySendError::Full(_)) = self.events.try_send(MidiEvent::Sent { device, at, message }) {
            self.losses.add(Loss::MidiIn, 1);
        }
        self.wake.ring();
    }

    /// Parses bytes in a callback and sends the messages on.
    pub(super) fn bytes(&self, parser: &mut Parser, device: DeviceId, at: Instant, bytes: &[u8]) {
        for message in bytes.iter().filter_map(|byte| parser.feed(*byte)) {
            self.sent(device, at, message);
        }
    }
}
