//! The interface to a MIDI system, and the sender of its events.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use ringbuf::traits::{Consumer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

use super::device::{Device, DeviceId, MidiError, MidiEvent, OWN_PORT};
use super::{Message, MidiFeedback, MidiOut, Parser};
use crate::event::Wake;
use crate::event::health::{Loss, Losses};

/// Capacity of a callback's message ring.
const RING_CAPACITY: usize = 1024;

/// A MIDI system that is searched for devices at intervals.
pub(super) trait Backend: Default {
    /// Connects new devices and drops those that have disappeared.
    fn search(&mut self, sender: &mut Sender) -> Result<(), MidiError>;

    /// Disconnects everything.
    fn disconnect(&mut self, sender: &mut Sender);

    /// Returns whether the system reported a change since the last search.
    fn has_changed(&self) -> bool {
        false
    }
}

/// A message received in JACK's callback.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReceivedMessage {
    pub(super) device: DeviceId,
    pub(super) at: Instant,
    pub(super) message: Message,
}

/// Sends events from the search thread and from callbacks that may block briefly.
#[derive(Clone)]
pub(super) struct Sender {
    events: SyncSender<MidiEvent>,
    wake: Wake,
    /// Messages received in JACK's callback.
    received: Arc<Mutex<Option<HeapCons<ReceivedMessage>>>>,
    losses: Arc<Losses>,
    pub(super) out: MidiOut,
    pub(super) feedback: MidiFeedback,
    next_device: Arc<AtomicU32>,
}

impl Sender {
    /// Creates a sender to `events` that wakes their reader with `wake`.
    pub(super) fn new(events: SyncSender<MidiEvent>, wake: Wake, losses: Arc<Losses>) -> Self {
        Self {
            events,
            wake,
            received: Arc::default(),
            out: MidiOut::new(Arc::clone(&losses)),
            feedback: MidiFeedback::new(Arc::clone(&losses)),
            losses,
            next_device: Arc::default(),
        }
    }

    /// Announces a new device and returns its id. Waits until the queue has room, because an announcement must not be
    /// lost.
    pub(super) fn announce_connected(&mut self, name: &str) -> DeviceId {
        let id = DeviceId(self.next_device.fetch_add(1, Ordering::Relaxed));
        if name != OWN_PORT {
            tracing::info!(name, "MIDI device connected");
        }
        self.announce(MidiEvent::Connected(Device { id, name: name.to_owned() }));
        id
    }

    /// Announces that a device has disconnected.
    pub(super) fn announce_disconnected(&self, id: DeviceId, name: &str) {
        // The device's earlier messages must arrive first.
        self.forward_received();
        if name != OWN_PORT {
            tracing::info!(name, "MIDI device disconnected");
        }
        self.announce(MidiEvent::Disconnected(id));
    }

    /// Announces that a device receives feedback.
    pub(super) fn announce_feedback(&self, id: DeviceId) {
        self.announce(MidiEvent::FeedbackReady(id));
    }

    fn announce(&self, event: MidiEvent) {
        let _ = self.events.send(event);
        self.wake.notify();
    }

    /// Opens a ring for messages from a real-time callback. It replaces the previous ring, whose messages are forwarded
    /// first.
    pub(super) fn open_ring(&self) -> HeapProd<ReceivedMessage> {
        let (ring, received) = HeapRb::new(RING_CAPACITY).split();
        self.forward_received();
        *self.received.lock().unwrap_or_else(PoisonError::into_inner) = Some(received);
        ring
    }

    /// Returns the handle that wakes the reader of the events.
    pub(super) const fn wake(&self) -> &Wake {
        &self.wake
    }

    /// Returns the counters of lost messages.
    pub(super) const fn losses(&self) -> &Arc<Losses> {
        &self.losses
    }

    /// Forwards the messages in the ring.
    pub(super) fn forward_received(&self) {
        if let Some(received) = &mut *self.received.lock().unwrap_or_else(PoisonError::into_inner) {
            for ReceivedMessage { device, at, message } in received.pop_iter() {
                self.forward(device, at, message);
            }
        }
    }

    /// Forwards a message received in a callback. Never blocks; if the queue is full, drops and counts the message.
    pub(super) fn forward(&self, device: DeviceId, at: Instant, message: Message) {
        if let Err(TrySendError::Full(_)) = self.events.try_send(MidiEvent::Sent { device, at, message }) {
            self.losses.add(Loss::MidiIn, 1);
        }
        self.wake.notify();
    }

    /// Parses bytes received in a callback and forwards the messages.
    pub(super) fn forward_bytes(&self, parser: &mut Parser, device: DeviceId, at: Instant, bytes: &[u8]) {
        for message in bytes.iter().filter_map(|byte| parser.feed(*byte)) {
            self.forward(device, at, message);
        }
    }
}
