//! MIDI out: messages with their moment, on their way to the port `melos:midi_out`.

use std::fmt;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use ringbuf::HeapProd;
use ringbuf::traits::Producer;

use super::Message;
use crate::event::health::{Loss, Losses};

/// Messages that may wait for the port; seconds of dense playing.
pub(super) const ROOM: usize = 1024;

/// A message, and when it is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timed {
    pub(super) at: Instant,
    bytes: [u8; 3],
    length: usize,
}

impl Timed {
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
    /// To JACK's process callback, which neither waits nor locks.
    Ring(HeapProd<Timed>),
    /// To a thread that sends each when its time has come.
    Queue(SyncSender<Timed>),
}

impl Route {
    /// Hands a message over; whether there was room.
    pub(super) fn push(&mut self, timed: Timed) -> bool {
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

/// The way out. Clones share it; used by control threads only, never by an audio callback.
#[derive(Debug, Clone)]
pub struct MidiOut {
    /// `None` while there is no MIDI system.
    route: Arc<Mutex<Option<Route>>>,
    losses: Arc<Losses>,
}

impl MidiOut {
    pub(super) fn new(losses: Arc<Losses>) -> Self {
        Self { route: Arc::default(), losses }
    }

    /// Sends a message at a moment; at once when that has passed. Moments must not fall from call to call. Never waits:
    /// without room the message is lost and counted, without a MIDI system nobody listens and it is forgotten.
    pub fn send(&self, at: Instant, message: Message) {
        let timed = Timed::new(at, message);
        let mut route = self.route.lock().unwrap_or_else(PoisonError::into_inner);
        if !route.as_mut().is_none_or(|route| route.push(timed)) {
            self.losses.add(Loss::MidiOut, 1);
        }
    }

    /// Takes another route from now on; what waits on the old one is forgotten with it.
    pub(super) fn reroute(&self, route: Option<Route>) {
        *self.route.lock().unwrap_or_else(PoisonError::into_inner) = route;
    }
}
