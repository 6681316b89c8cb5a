//! The thread that searches for devices on the MIDI system chosen at run time.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ringbuf::traits::{Consumer, Split};
use ringbuf::{HeapCons, HeapRb};
use thiserror::Error;

use crate::threads;

use super::jack::Forwarder;
use super::{Message, MidiEvent, MidiFeedback, MidiOut, Parser, alsa, jack};
use crate::event::Wake;
use crate::event::health::{Loss, Losses};

/// Interval between device searches.
const SEARCH_INTERVAL: Duration = Duration::from_secs(1);
/// Maximum delay in noticing a change or the end.
const NOTICE_INTERVAL: Duration = Duration::from_millis(50);

/// Time for the search to end; a hung server must not keep the process alive.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);
/// Capacity of a callback's message ring.
const RING_CAPACITY: usize = 1024;

/// A MIDI system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MidiSystem {
    /// The ALSA sequencer: every device in both directions, and the ports `melos:midi_in` and `melos:midi_out` for
    /// other programs.
    Alsa,
    /// A JACK server: one port `melos:midi_out`, and for each of four devices an input and a feedback port:
    /// `melos:midi_in` and `melos:feedback`, `melos:midi_in_2` and `melos:feedback_2`, and so on. Hardware is connected
    /// automatically; other programs connect themselves.
    Jack,
}

impl MidiSystem {
    /// The system that suits an audio output, given by its [`crate::output::device::OutputStatus::name`]: JACK for
    /// JACK, otherwise ALSA.
    #[must_use]
    pub fn beside(output: &str) -> Self {
        if output.starts_with("JACK") { Self::Jack } else { Self::Alsa }
    }
}

/// Identifies a device while Melos runs; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(pub u32);

/// A connected device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its id in [`MidiEvent::Sent`].
    pub id: DeviceId,
    /// The port's name according to the system; under JACK the names of everything connected to Melos's port.
    pub name: String,
}

/// Why MIDI is unavailable.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MidiError {
    /// The ALSA sequencer is missing.
    #[error("cannot open the ALSA sequencer ({0}); is the kernel module snd-seq loaded?")]
    Alsa(String),
    /// There is no JACK server.
    #[error("no JACK server is running ({0})")]
    Jack(String),
}

/// The names of all MIDI sources.
///
/// # Errors
/// When the system cannot be queried.
pub fn sources(system: MidiSystem) -> Result<Vec<String>, MidiError> {
    match system {
        MidiSystem::Alsa => alsa::sources(),
        MidiSystem::Jack => jack::sources(),
    }
}

/// The MIDI connection, both ways; closed when dropped.
pub struct MidiIn {
    stop: Arc<AtomicBool>,
    /// Whether to use JACK instead of ALSA.
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
    /// Starts searching for devices; their events go to `events`, whose reader is woken. Waits for a system that is not
    /// available yet.
    ///
    /// # Errors
    /// When no thread can be started.
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

    /// Switches to another system: its devices replace the old one's. Does not block.
    pub fn switch(&self, system: MidiSystem) {
        self.on_jack.store(system == MidiSystem::Jack, Ordering::Relaxed);
    }

    /// The current system, or the one being switched to.
    #[must_use]
    pub fn system(&self) -> MidiSystem {
        if self.on_jack.load(Ordering::Relaxed) { MidiSystem::Jack } else { MidiSystem::Alsa }
    }

    /// Forwards messages received by callbacks. Call it right before reading the events, so that messages do not have
    /// to wait for the search thread, which does the same twenty times a second.
    pub fn gather(&self) {
        self.sender.gather();
    }

    /// The output on the same system.
    #[must_use]
    pub const fn out(&self) -> &MidiOut {
        &self.sender.out
    }

    /// Feedback to devices.
    #[must_use]
    pub const fn feedback(&self) -> &MidiFeedback {
        &self.sender.feedback
    }
}

impl Drop for MidiIn {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let begun = Instant::now();
        while self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) && begun.elapsed() < STOP_TIMEOUT {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A MIDI system that can be searched repeatedly.
pub(super) trait Search: Default {
    /// Connects new devices and drops those that are gone.
    fn search(&mut self, sender: &mut Sender) -> Result<(), MidiError>;

    /// Disconnects everything.
    fn leave(&mut self, sender: &mut Sender);

    /// Whether the system reported a change since the last search.
    fn has_news(&self) -> bool {
        false
    }
}

fn search<S: Search>(keep_running: impl Fn() -> bool, sender: &mut Sender) {
    let mut system = S::default();
    let mut said = None;
    let mut next = Instant::now();
    while keep_running() {
        sender.gather();
        if Instant::now() >= next || system.has_news() {
            next = Instant::now() + SEARCH_INTERVAL;
            let error = system.search(sender).err();
            if error != said {
                match &error {
                    Some(error) => tracing::warn!(%error, "MIDI is unavailable; retrying"),
                    None => tracing::info!("MIDI is available again"),
                }
                said = error;
            }
        }
        thread::sleep(NOTICE_INTERVAL);
    }
    system.leave(sender);
}

/// A message received in JACK's callback.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heard {
    pub(super) device: DeviceId,
    pub(super) at: Instant,
    pub(super) message: Message,
}

/// Sends events, from the search thread and from callbacks that may block briefly.
#[derive(Clone)]
pub(super) struct Sender {
    events: SyncSender<MidiEvent>,
    wake: Wake,
    /// Messages from the real-time callback.
    heard: Arc<Mutex<Option<HeapCons<Heard>>>>,
    losses: Arc<Losses>,
    pub(super) out: MidiOut,
    pub(super) feedback: MidiFeedback,
    next_device: Arc<AtomicU32>,
}

impl Sender {
    /// Announces a device. Waits for room: an announcement must not be lost.
    pub(super) fn came(&mut self, name: &str) -> DeviceId {
        let id = DeviceId(self.next_device.fetch_add(1, Ordering::Relaxed));
        tracing::info!(name, "MIDI device connected");
        self.announce(MidiEvent::Connected(Device { id, name: name.to_owned() }));
        id
    }

    /// Announces that a device has disconnected.
    pub(super) fn went(&self, id: DeviceId, name: &str) {
        // Its earlier messages come first.
        self.gather();
        tracing::info!(name, "MIDI device disconnected");
        self.announce(MidiEvent::Disconnected(id));
    }

    /// Announces that a device receives feedback.
    pub(super) fn hears(&self, id: DeviceId) {
        self.announce(MidiEvent::FeedbackReady(id));
    }

    fn announce(&self, event: MidiEvent) {
        let _ = self.events.send(event);
        self.wake.ring();
    }

    /// Creates a forwarder with a new ring for a real-time callback, replacing the previous one.
    pub(super) fn forwarder(&self) -> Forwarder {
        let (ring, heard) = HeapRb::new(RING_CAPACITY).split();
        self.gather();
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(heard);
        Forwarder::new(ring, self.wake.clone(), Arc::clone(&self.losses))
    }

    fn gather(&self) {
        if let Some(heard) = &mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner) {
            for Heard { device, at, message } in heard.pop_iter() {
                self.sent(device, at, message);
            }
        }
    }

    /// Forwards a message from a callback; never blocks, and counts overflow.
    pub(super) fn sent(&self, device: DeviceId, at: Instant, message: Message) {
        if let Err(TrySendError::Full(_)) = self.events.try_send(MidiEvent::Sent { device, at, message }) {
            self.losses.add(Loss::MidiIn, 1);
        }
        self.wake.ring();
    }

    /// Parses bytes in a callback and forwards the messages.
    pub(super) fn bytes(&self, parser: &mut Parser, device: DeviceId, at: Instant, bytes: &[u8]) {
        for message in bytes.iter().filter_map(|byte| parser.feed(*byte)) {
            self.sent(device, at, message);
        }
    }
}
