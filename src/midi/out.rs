//! MIDI output: timed messages for the port `melos:midi_out`, and the routes that feedback uses too.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use ringbuf::HeapProd;
use ringbuf::traits::Producer;

use super::Message;
use crate::event::health::{Loss, Losses};

/// Capacity of a queue: several seconds of dense playing.
pub(super) const QUEUE_CAPACITY: usize = 1024;

/// A message and the time at which to send it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TimedMessage {
    pub(super) at: Instant,
    bytes: [u8; 3],
    length: usize,
}

impl TimedMessage {
    pub(super) fn new(at: Instant, message: Message) -> Self {
        let (bytes, length) = message.encode();
        Self { at, bytes, length }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// How messages reach the port.
pub(super) enum Route {
    /// Through a ring to JACK's process callback, which must not block.
    Ring(HeapProd<TimedMessage>),
    /// Through a queue to a thread that sends each message when it is due.
    Queue(SyncSender<TimedMessage>),
}

impl Route {
    /// Queues a message. Returns false if there is no room.
    pub(super) fn push(&mut self, timed: TimedMessage) -> bool {
        match self {
            Self::Ring(ring) => ring.try_push(timed).is_ok(),
            Self::Queue(queue) => queue.try_send(timed).is_ok(),
        }
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ring(_) => "Ring",
            Self::Queue(_) => "Queue",
        })
    }
}

/// The MIDI output, shared by all clones. For control threads only, never for an audio callback.
#[derive(Debug, Clone)]
pub struct MidiOut {
    /// `None` while no MIDI system is available.
    route: Arc<Mutex<Option<Route>>>,
    /// Whether instruments may have missed messages since [`MidiOut::take_missed`] last asked.
    missed: Arc<AtomicBool>,
    losses: Arc<Losses>,
}

impl MidiOut {
    pub(super) fn new(losses: Arc<Losses>) -> Self {
        Self { route: Arc::default(), missed: Arc::default(), losses }
    }

    /// Sends a message at time `at`, or immediately if that has passed. Times must not decrease from call to call.
    /// Never blocks: if the queue is full, the message is dropped and counted; without a MIDI system, it is ignored.
    pub fn send(&self, at: Instant, message: Message) {
        let timed = TimedMessage::new(at, message);
        let mut route = self.route.lock().unwrap_or_else(PoisonError::into_inner);
        if !route.as_mut().is_none_or(|route| route.push(timed)) {
            self.losses.add(Loss::MidiOut, 1);
        }
    }

    /// Returns whether instruments may have missed messages since the last call.
    #[must_use]
    pub fn take_missed(&self) -> bool {
        self.missed.swap(false, Relaxed)
    }

    /// Records that instruments have connected to a port that had none.
    pub(super) fn report_connected(&self) {
        self.missed.store(true, Relaxed);
    }

    /// Switches to another route. Messages queued on the old one may be lost.
    pub(super) fn reroute(&self, route: Option<Route>) {
        let is_open = route.is_some();
        *self.route.lock().unwrap_or_else(PoisonError::into_inner) = route;
        if is_open {
            self.missed.store(true, Relaxed);
        }
    }
}
