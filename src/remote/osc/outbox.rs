//! What leaves: encoded, in one bounded queue to the task that sends, and in which amount.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use rosc::{OscMessage, OscPacket, encoder};
use tokio::sync::mpsc;

use super::fault::Counters;
use crate::event::health::Loss;

/// Datagrams that may wait for the network: the full state for every subscriber.
const WAITING: usize = 8192;
/// Bytes of replies that may leave in a second, and at once.
const REPLY_BYTES: f64 = 512.0 * 1024.0;

/// A message on its way, and where to.
pub(super) type Datagram = (SocketAddr, Vec<u8>);

/// The way out of the receiving task. Never waits: what does not fit is left out and counted.
#[derive(Debug)]
pub(super) struct Outbox {
    queue: mpsc::Sender<Datagram>,
    counters: Arc<Counters>,
    /// Bytes of replies that may leave now.
    replies_left: f64,
    filled: Instant,
}

impl Outbox {
    /// The way out, and its other end.
    pub(super) fn new(counters: Arc<Counters>, now: Instant) -> (Self, mpsc::Receiver<Datagram>) {
        let (queue, waiting) = mpsc::channel(WAITING);
        (Self { queue, counters, replies_left: REPLY_BYTES, filled: now }, waiting)
    }

    /// Sends a message; returns whether it is on its way.
    pub(super) fn send(&self, to: SocketAddr, message: OscMessage) -> bool {
        encode(message).is_some_and(|bytes| self.pass_on(to, bytes))
    }

    /// Sends replies to one datagram: all of them, or none where they are more than `most` bytes or than a second may bring.
    pub(super) fn reply(&mut self, to: SocketAddr, messages: Vec<OscMessage>, most: usize, now: Instant) -> bool {
        let datagrams: Vec<_> = messages.into_iter().filter_map(encode).collect();
        let bytes: usize = datagrams.iter().map(Vec::len).sum();
        let gained = now.saturating_duration_since(self.filled).as_secs_f64() * REPLY_BYTES;
        (self.replies_left, self.filled) = ((self.replies_left + gained).min(REPLY_BYTES), now);
        if bytes > most || bytes as f64 > self.replies_left {
            self.counters.lost(Loss::OscUnsent, datagrams.len() as u64);
            return false;
        }
        self.replies_left -= bytes as f64;
        let mut sent = true;
        for bytes in datagrams {
            sent &= self.pass_on(to, bytes);
        }
        sent
    }

    fn pass_on(&self, to: SocketAddr, bytes: Vec<u8>) -> bool {
        let sent = self.queue.try_send((to, bytes)).is_ok();
        if !sent {
            self.counters.lost(Loss::OscUnsent, 1);
        }
        sent
    }
}

fn encode(message: OscMessage) -> Option<Vec<u8>> {
    encoder::encode(&OscPacket::Message(message)).ok()
}
