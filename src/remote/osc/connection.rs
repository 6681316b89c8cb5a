//! Processes datagrams, notices and timer ticks, independently of the sockets.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use rosc::{OscMessage, OscType};
use tokio::sync::mpsc;

use super::access::{Access, MAX_AMPLIFICATION, Purpose};
use super::buttons::Buttons;
use super::decode::{Decoded, Request, decode};
use super::fault::{Counters, Fault, FaultLog};
use super::feedback::{Feedback, LEASE, Subscription};
use super::message;
use super::outbox::{Datagram, Outbox};
use super::sockets::is_own;
use super::time::Now;
use crate::event::health::Loss;
use crate::event::parameter::{Param, Value};
use crate::event::{ControlEvent, Inbox, Incoming, Notice, Source};

/// Maximum number of a ping's arguments that are returned.
const PING_ARGUMENTS: usize = 4;

/// The clients known when the server starts.
#[derive(Debug, Clone, Default)]
pub struct Clients {
    /// Hosts that need no address verification.
    pub trusted: Vec<IpAddr>,
    /// Subscriptions from the previous run; each starts with a full lease.
    pub subscriptions: Vec<Subscription>,
}

/// The state of the receiving task, which serves all clients.
pub(super) struct Connection {
    /// The address on which the server listens.
    own: SocketAddr,
    inbox: Arc<Inbox>,
    counters: Arc<Counters>,
    access: Access,
    feedback: Feedback,
    buttons: Buttons,
    fault_log: FaultLog,
    outbox: Outbox,
}

/// The replies that a datagram requests. Each is sent once, however often it is requested, so the number of replies to
/// one datagram is bounded.
#[derive(Default)]
struct RequestedReplies {
    state: bool,
    /// Parameters, each with whether the client uses the second address.
    reads: BTreeSet<(Param, bool)>,
    streams: BTreeSet<usize>,
    subscribers: bool,
    pong: Option<Vec<OscType>>,
}

impl Connection {
    /// Creates a connection of a server that listens on `own`, and the receiver of its outgoing datagrams.
    pub(super) fn new(
        own: SocketAddr,
        inbox: Arc<Inbox>,
        counters: Arc<Counters>,
        mut clients: Clients,
        now: Instant,
    ) -> (Self, mpsc::Receiver<Datagram>) {
        let (outbox, outgoing) = Outbox::new(Arc::clone(&counters), now);
        clients.subscriptions.retain(|subscription| !is_own(subscription.to, own));
        let mut access = Access::new(clients.trusted, now);
        let mut feedback = Feedback::new();
        for subscription in &clients.subscriptions {
            access.mark_verified(subscription.to, now);
        }
        feedback.restore(clients.subscriptions);
        let (buttons, fault_log) = Default::default();
        (Self { own, inbox, counters, access, feedback, buttons, fault_log, outbox }, outgoing)
    }

    /// Processes a datagram.
    pub(super) fn receive(&mut self, datagram: &[u8], from: SocketAddr) {
        self.receive_at(datagram, from, Now::read());
    }

    pub(super) fn receive_at(&mut self, datagram: &[u8], from: SocketAddr, now: Now) {
        self.counters.count_received();
        if is_own(from, self.own) {
            return self.refuse(from, &Fault::Own, now.monotonic);
        }
        self.feedback.renew(from, now.monotonic);
        let Decoded { requests, faults, clamped, adjusted, late } = decode(datagram, now);
        if late > 0 {
            self.counters.count_lost(Loss::OscLate, late);
            self.fault_log.log_late(from, now.monotonic);
        }
        for fault in faults {
            self.refuse(from, &fault, now.monotonic);
        }
        for message in clamped {
            self.fault_log.log_clamped(from, &message, now.monotonic);
        }
        let mut requested = RequestedReplies::default();
        for request in requests {
            self.process(request, from, now.monotonic, datagram.len(), &mut requested);
        }
        for param in adjusted {
            self.feedback.set_unknown(from, param);
        }
        self.reply(requested, from, now.monotonic, datagram.len());
    }

    /// Counts and logs a fault, and tells the client if it is subscribed.
    fn refuse(&mut self, from: SocketAddr, fault: &Fault, now: Instant) {
        self.counters.count_lost(Loss::OscRefused, 1);
        if self.fault_log.log_fault(from, fault, now) {
            self.feedback.send_error(from, &fault.to_string(), &self.outbox);
        }
    }

    fn process(
        &mut self,
        request: Request,
        from: SocketAddr,
        now: Instant,
        bytes: usize,
        requested: &mut RequestedReplies,
    ) {
        let with_port = |port: Option<u16>| {
            let mut address = from;
            address.set_port(port.unwrap_or(from.port()));
            address
        };
        match request {
            Request::Control(ControlEvent::Set(param, Value::Trigger), _) if !self.buttons.press(from, param, now) => {}
            Request::Release(param) => self.buttons.release(from, param),
            Request::Control(ControlEvent::Set(param, value), _) if self.feedback.is_echo(from, param, &value, now) => {
            }
            Request::Control(event, due) => {
                if let ControlEvent::Set(param, value) = &event {
                    self.feedback.set_by_client(from, *param, value, due.unwrap_or(now));
                }
                if !self.inbox.push(Incoming { event, due, source: Source::Osc(from) }) {
                    self.counters.count_lost(Loss::OscRefused, 1);
                }
            }
            Request::Read { param, is_leaf } => drop(requested.reads.insert((param, is_leaf))),
            Request::ReadStream(stream) => drop(requested.streams.insert(stream)),
            Request::State => requested.state = true,
            Request::Subscribers => requested.subscribers = true,
            Request::Ping(mut arguments) => {
                arguments.truncate(PING_ARGUMENTS);
                requested.pong = Some(arguments);
            }
            Request::Subscribe(port) => {
                let to = with_port(port);
                if is_own(to, self.own) {
                    let error = format!(
                        "/melos/subscribe: port {} is that of Melos itself; send the port on which the client receives",
                        to.port()
                    );
                    self.refuse(from, &Fault::Invalid(error.clone()), now);
                    let limit = self.reply_limit(from, bytes, now);
                    self.outbox.reply(from, vec![message::error(error)], limit, now);
                } else if self.access.is_verified(to, now) {
                    self.subscribe(from, to, now);
                } else {
                    self.request_confirmation(Purpose::Subscribe, to, bytes, now);
                }
            }
            Request::Confirm(token) => match self.access.confirm(from, &token, now) {
                Some((Purpose::Subscribe, to)) if self.feedback.subscribes(to) => self.feedback.renew(to, now),
                Some((Purpose::Subscribe, to)) => self.subscribe(from, to, now),
                Some((Purpose::Read, to)) => {
                    self.outbox.reply(to, self.feedback.full_state().collect(), usize::MAX, now);
                }
                None => self.counters.count_lost(Loss::OscRefused, 1),
            },
            Request::Learn(request) => self.inbox.learn(request, Some(from)),
            Request::Unsubscribe(port) => {
                if self.feedback.unsubscribe(with_port(port)) {
                    tracing::info!(to = %with_port(port), "OSC subscription ended");
                }
            }
        }
    }

    fn subscribe(&mut self, from: SocketAddr, to: SocketAddr, now: Instant) {
        let renewed = self.feedback.subscribes(to);
        match self.feedback.subscribe(from, to, now, &mut self.outbox) {
            Ok(()) if renewed => {}
            Ok(()) => {
                let seconds = LEASE.as_secs();
                tracing::info!(%to, "OSC subscription started; expires {seconds} s after the client's last message");
            }
            Err(error) => {
                self.counters.count_lost(Loss::OscRefused, 1);
                self.outbox.send(to, message::error(error));
            }
        }
    }

    /// Sends a token to an address, which the client there must return.
    fn request_confirmation(&mut self, purpose: Purpose, to: SocketAddr, bytes: usize, now: Instant) {
        let request = message::confirm(self.access.token(purpose, to, now));
        self.outbox.reply(to, vec![request], bytes * MAX_AMPLIFICATION, now);
    }

    /// Returns how many bytes may be sent in reply to a datagram of `bytes` bytes.
    fn reply_limit(&self, to: SocketAddr, bytes: usize, now: Instant) -> usize {
        if self.access.is_verified(to, now) { usize::MAX } else { bytes * MAX_AMPLIFICATION }
    }

    /// Sends the replies to a datagram of `bytes` bytes.
    fn reply(&mut self, requested: RequestedReplies, to: SocketAddr, now: Instant, bytes: usize) {
        let mut replies: Vec<OscMessage> = Vec::new();
        if requested.state {
            replies.extend(self.feedback.full_state());
        } else {
            let read = |(param, is_leaf)| Some(message::at_leaf(self.feedback.read(param)?, is_leaf));
            replies.extend(requested.reads.into_iter().filter_map(read));
            replies.extend(requested.streams.into_iter().flat_map(|stream| self.feedback.query(stream)));
        }
        if requested.subscribers {
            replies.push(self.feedback.list(now));
        }
        replies.extend(requested.pong.map(|arguments| message::message("/melos/pong", arguments)));
        if replies.is_empty() {
            return;
        }
        let limit = self.reply_limit(to, bytes, now);
        if !self.outbox.reply(to, replies, limit, now) && limit < usize::MAX {
            self.request_confirmation(Purpose::Read, to, bytes, now);
        }
    }

    /// Processes a notice.
    pub(super) fn process_notice(&mut self, notice: Notice) {
        // The learned block is larger than the request, so it is sent only to a verified client.
        if let Notice::Learned { to: Some(to), .. } = notice
            && !self.access.is_verified(to, Instant::now())
        {
            self.counters.count_lost(Loss::OscUnsent, 1);
            return;
        }
        self.feedback.process_notice(notice, &self.outbox);
    }

    /// Sends changes and ends expired subscriptions; called every [`super::feedback::INTERVAL`].
    pub(super) fn tick(&mut self, now: Instant) {
        self.feedback.tick(now, &self.outbox);
        self.feedback.expire(now, &self.access, &self.outbox);
    }

    /// Returns the current subscriptions.
    pub(super) fn subscriptions(&self) -> Vec<Subscription> {
        self.feedback.subscriptions()
    }
}

#[cfg(test)]
mod tests;
