//! Encodes outgoing messages and queues them for the sending task; limits the rate of replies.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use rosc::{OscMessage, OscPacket, encoder};
use tokio::sync::mpsc;

use super::fault::Counters;
use crate::event::health::Loss;

/// Queue capacity in datagrams: enough to send the full state to every subscriber.
const QUEUE_CAPACITY: usize = 8192;
/// Maximum number of bytes of replies per second, and in one burst.
const REPLY_BYTES: f64 = 512.0 * 1024.0;

/// An encoded message and its destination.
pub(super) type Datagram = (SocketAddr, Vec<u8>);

/// Queues messages from the receiving task. Never waits: messages that do not fit are dropped and counted.
#[derive(Debug)]
pub(super) struct Outbox {
    queue: mpsc::Sender<Datagram>,
    counters: Arc<Counters>,
    /// Bytes of replies that may be sent now.
    reply_budget: f64,
    refilled: Instant,
}

impl Outbox {
    /// Creates an outbox and the receiver of its datagrams.
    pub(super) fn new(counters: Arc<Counters>, now: Instant) -> (Self, mpsc::Receiver<Datagram>) {
        let (queue, receiver) = mpsc::channel(QUEUE_CAPACITY);
        (Self { queue, counters, reply_budget: REPLY_BYTES, refilled: now }, receiver)
    }

    /// Queues a message; returns false if it cannot be queued.
    pub(super) fn send(&self, to: SocketAddr, message: OscMessage) -> bool {
        encode(message).is_some_and(|bytes| self.enqueue(to, bytes))
    }

    /// Queues the replies to one datagram, or none of them if together they exceed `limit` bytes or the rate limit.
    /// Returns whether all were queued.
    pub(super) fn reply(&mut self, to: SocketAddr, messages: Vec<OscMessage>, limit: usize, now: Instant) -> bool {
        let datagrams: Vec<_> = messages.into_iter().filter_map(encode).collect();
        let bytes: usize = datagrams.iter().map(Vec::len).sum();
        let refill = now.saturating_duration_since(self.refilled).as_secs_f64() * REPLY_BYTES;
        (self.reply_budget, self.refilled) = ((self.reply_budget + refill).min(REPLY_BYTES), now);
        if bytes > limit || bytes as f64 > self.reply_budget {
            self.counters.count_lost(Loss::OscUnsent, datagrams.len() as u64);
            return false;
        }
        self.reply_budget -= bytes as f64;
        let mut sent = true;
        for bytes in datagrams {
            sent &= self.enqueue(to, bytes);
        }
        sent
    }

    fn enqueue(&self, to: SocketAddr, bytes: Vec<u8>) -> bool {
        let sent = self.queue.try_send((to, bytes)).is_ok();
        if !sent {
            self.counters.count_lost(Loss::OscUnsent, 1);
        }
        sent
    }
}

fn encode(message: OscMessage) -> Option<Vec<u8>> {
    encoder::encode(&OscPacket::Message(message)).ok()
}
