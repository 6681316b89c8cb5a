//! The UDP socket and the task that serves it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use rosc::{OscPacket, encoder};
use thiserror::Error;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::decode::{Decoded, Request, decode};
use super::fault::Said;
use super::feedback::{Feedback, INTERVAL, Outgoing};
use super::time::Now;
use crate::event::health::{Loss, Losses};
use crate::event::{ControlEvent, Inbox, Incoming, Notice, Source};

/// Notices that may wait for the task; more than a busy second.
const NOTICES: usize = 4096;

/// Why the server cannot start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OscError {
    /// The port cannot be bound.
    #[error(
        "OSC cannot listen on {address} ({source}); is another program using the port? Choose one with --osc, or osc.port in melos.toml"
    )]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// The running server; ends when dropped.
#[derive(Debug)]
pub struct OscServer {
    address: SocketAddr,
    received: Arc<AtomicU64>,
    losses: Arc<Losses>,
    notices: mpsc::Sender<Notice>,
    task: JoinHandle<()>,
}

impl OscServer {
    /// Listens on `address` (port 0 takes any free one) and puts what is asked for into `inbox`. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start(address: SocketAddr, inbox: Arc<Inbox>) -> Result<Self, OscError> {
        let fail = |source| OscError::Bind { address, source };
        let socket = UdpSocket::bind(address).await.map_err(fail)?;
        let address = socket.local_addr().map_err(fail)?;
        let (received, losses) = (Arc::new(AtomicU64::new(0)), Arc::clone(inbox.losses()));
        let (notices, waiting) = mpsc::channel(NOTICES);
        let connection = Connection {
            socket,
            inbox,
            received: Arc::clone(&received),
            feedback: Feedback::new(),
            said: Said::default(),
        };
        let task = tokio::spawn(connection.serve(waiting));
        Ok(Self { address, received, losses, notices, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Datagrams received so far.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }

    /// Tells listeners something. Never waits: when listeners cannot be served fast enough the notice is dropped and
    /// counted as unsent. At the start every value that differs from its default must be told once.
    pub fn tell(&self, notice: Notice) {
        if self.notices.try_send(notice).is_err() {
            self.losses.add(Loss::OscUnsent, 1);
        }
    }
}

impl Drop for OscServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Connection {
    socket: UdpSocket,
    inbox: Arc<Inbox>,
    received: Arc<AtomicU64>,
    feedback: Feedback,
    said: Said,
}

impl Connection {
    async fn serve(mut self, mut notices: mpsc::Receiver<Notice>) {
        let mut datagram = vec![0; usize::from(u16::MAX)];
        let mut tick = interval(INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut out = Vec::new();
        loop {
            tokio::select! {
                received = self.socket.recv_from(&mut datagram) => match received {
                    Ok((length, from)) => self.receive(&datagram[..length], from, &mut out),
                    // An earlier reply met a closed port; nothing is wrong with this socket.
                    Err(error) => tracing::debug!(%error, "OSC receive"),
                },
                notice = notices.recv() => match notice {
                    Some(notice) => self.feedback.notice(notice, &mut out),
                    None => return,
                },
                now = tick.tick() => self.feedback.tick(now.into_std(), &mut out),
            }
            self.send(&mut out).await;
        }
    }

    fn receive(&mut self, datagram: &[u8], from: SocketAddr, out: &mut Vec<Outgoing>) {
        self.received.fetch_add(1, Relaxed);
        let now = Now::take();
        let Decoded { requests, faults, clipped, late } =
            decode(datagram, now).unwrap_or_else(|fault| Decoded { faults: vec![fault], ..Decoded::default() });
        self.lost(Loss::OscLate, late);
        for fault in faults {
            self.lost(Loss::OscRefused, 1);
            self.said.once(from, &fault);
        }
        for what in clipped {
            self.said.clipped(from, &what);
        }
        for request in requests {
            self.take(request, from, now.monotonic, out);
        }
    }

    fn take(&mut self, request: Request, from: SocketAddr, now: Instant, out: &mut Vec<Outgoing>) {
        let at = |port: Option<u16>| SocketAddr::new(from.ip(), port.unwrap_or(from.port()));
        match request {
            Request::Set(param, value, due) => {
                self.feedback.heard(from, param, &value, due.unwrap_or(now));
                let event = ControlEvent::Set(param, value);
                self.inbox.push(Incoming { event, due, source: Source::Osc(from) });
            }
            Request::NextBar(param, value, due) => {
                let event = ControlEvent::NextBar(param, value);
                self.inbox.push(Incoming { event, due, source: Source::Osc(from) });
            }
            Request::Read(param) => out.extend(self.feedback.read(param).map(|message| (from, message))),
            Request::State => self.feedback.state(from, out),
            Request::Subscribe(port) => {
                self.feedback.subscribe(from, at(port), out);
                tracing::info!(to = %at(port), "OSC feedback on");
            }
            Request::Learn(request) => self.inbox.learn(request, from),
            Request::Unsubscribe(port) => {
                self.feedback.unsubscribe(at(port));
                tracing::info!(to = %at(port), "OSC feedback off");
            }
        }
    }

    fn lost(&self, loss: Loss, more: u64) {
        self.inbox.losses().add(loss, more);
    }

    async fn send(&self, out: &mut Vec<Outgoing>) {
        for (to, message) in out.drain(..) {
            let Ok(bytes) = encoder::encode(&OscPacket::Message(message)) else { continue };
            if self.socket.send_to(&bytes, to).await.is_err() {
                self.lost(Loss::OscUnsent, 1);
            }
        }
    }
}
