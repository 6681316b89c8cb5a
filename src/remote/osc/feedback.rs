//! Feedback to subscribers: their leases, the values each has received, and what must not be echoed.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rosc::{OscMessage, OscType};
use thiserror::Error;

use super::access::{Access, Purpose};
use super::current_troubles::CurrentTroubles;
use super::message;
use super::outbox::Outbox;
use crate::event::Notice;
use crate::event::parameter::{Param, TABLE, Value};

/// Minimum interval between two messages of a parameter or a paced stream, which allows at most 30 a second.
pub(in crate::remote) const INTERVAL: Duration = Duration::from_micros(33_400);

/// Maximum number of subscribers in total, and per remote host; further ones are refused.
pub(super) const MAX_SUBSCRIBERS: usize = 64;
const MAX_PER_HOST: usize = 16;

/// How long a subscription lasts after the last datagram from its client.
pub(super) const LEASE: Duration = Duration::from_secs(60);
/// Time between the warning to a client and the expiry of its subscription.
const EXPIRY_WARNING: Duration = Duration::from_secs(10);

/// Time for which a client that has just set a parameter gets no feedback on that parameter: values still in transit
/// would pull a moving fader back.
pub(in crate::remote) const ECHO_GUARD: Duration = Duration::from_millis(250);

/// A subscription to changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscription {
    /// The address from which the client subscribed.
    pub from: SocketAddr,
    /// The address to send to.
    pub to: SocketAddr,
}

/// Why a subscription is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum TooManySubscribers {
    #[error("there are already {MAX_SUBSCRIBERS} subscribers; /melos/subscribers lists them")]
    InTotal,
    #[error("there are already {MAX_PER_HOST} subscribers on the client's host; /melos/subscribers lists them")]
    OnHost,
}

/// The current values, and which of them each subscriber has received.
#[derive(Debug)]
pub(super) struct Feedback {
    values: Vec<Value>,
    chord: Option<OscMessage>,
    troubles: CurrentTroubles,
    /// The streams, in the order of [`message::STREAMS`].
    streams: [Stream; message::STREAMS.len()],
    subscribers: Vec<Subscriber>,
    /// Subscriptions from the previous run, until there are values to send.
    restored: Vec<Subscription>,
    /// Whether any notice has arrived; until then, the values are defaults and may not be current.
    values_known: bool,
}

/// A stream's newest message, and whether it has yet to be sent.
#[derive(Debug, Default)]
struct Stream {
    newest: Option<OscMessage>,
    unsent: bool,
}

#[derive(Debug)]
struct Subscriber {
    subscription: Subscription,
    /// When the subscription expires unless renewed.
    expiry: Instant,
    /// Whether the client has been warned of the expiry.
    warned: bool,
    /// Per parameter: the value last sent to or set by the client.
    known: Vec<Option<Value>>,
    /// Per parameter: the values sent within the last [`ECHO_GUARD`], and when.
    sent: Vec<Vec<(Instant, Value)>>,
    /// Per parameter: when feedback resumes.
    quiet_until: Vec<Option<Instant>>,
}

impl Subscriber {
    fn new(subscription: Subscription, now: Instant) -> Self {
        let count = TABLE.len();
        let (known, sent, quiet_until) = (vec![None; count], vec![Vec::new(); count], vec![None; count]);
        Self { subscription, expiry: now + LEASE, warned: false, known, sent, quiet_until }
    }

    /// Returns whether feedback for a parameter is suppressed, usually because the client has just set it.
    fn is_quiet(&self, index: usize, now: Instant) -> bool {
        self.quiet_until[index].is_some_and(|until| until > now)
    }

    /// Records that a value was sent.
    fn record_sent(&mut self, index: usize, value: &Value, now: Instant) {
        self.known[index] = Some(value.clone());
        self.sent[index].retain(|(sent, _)| now.saturating_duration_since(*sent) < ECHO_GUARD);
        self.sent[index].push((now, value.clone()));
    }

    fn belongs_to(&self, client: SocketAddr) -> bool {
        self.subscription.from == client || self.subscription.to == client
    }
}

impl Feedback {
    pub(super) fn new() -> Self {
        Self {
            values: TABLE.iter().map(|spec| spec.param.default_value()).collect(),
            chord: None,
            troubles: CurrentTroubles::default(),
            streams: Default::default(),
            subscribers: Vec::new(),
            restored: Vec::new(),
            values_known: false,
        }
    }

    /// Adds or renews a subscriber and sends it the full state, except values that it has just set.
    ///
    /// # Errors
    /// When there are too many subscribers; the existing ones stay.
    pub(super) fn subscribe(
        &mut self,
        from: SocketAddr,
        to: SocketAddr,
        now: Instant,
        out: &mut Outbox,
    ) -> Result<(), TooManySubscribers> {
        let previous = self.subscribers.iter().position(|subscriber| subscriber.subscription.to == to);
        let previous = previous.map(|index| self.subscribers.remove(index));
        let ip = to.ip().to_canonical();
        let on_host =
            self.subscribers.iter().filter(|subscriber| subscriber.subscription.to.ip().to_canonical() == ip).count();
        if self.subscribers.len() >= MAX_SUBSCRIBERS {
            return Err(TooManySubscribers::InTotal);
        }
        if !ip.is_loopback() && on_host >= MAX_PER_HOST {
            return Err(TooManySubscribers::OnHost);
        }
        let mut subscriber = Subscriber::new(Subscription { from, to }, now);
        // A client that renews while moving a fader must not get an old value.
        subscriber.quiet_until = previous.map_or(subscriber.quiet_until, |previous| previous.quiet_until);
        let to_send: Vec<_> = (0..TABLE.len()).filter(|index| !subscriber.is_quiet(*index, now)).collect();
        let values = to_send.iter().filter_map(|index| self.read(TABLE[*index].param));
        // If the state exceeds the rate limit for replies, its values are sent with the next tick.
        if out.reply(to, values.chain(self.current_state()).collect(), usize::MAX, now) {
            for index in to_send {
                subscriber.record_sent(index, &self.values[index], now);
            }
        }
        self.subscribers.push(subscriber);
        Ok(())
    }

    /// Restores subscriptions from the previous run; they start once the current values are known.
    pub(super) fn restore(&mut self, subscriptions: Vec<Subscription>) {
        self.restored = subscriptions;
        self.restored.truncate(MAX_SUBSCRIBERS);
    }

    fn start_restored(&mut self, now: Instant) {
        for subscription in std::mem::take(&mut self.restored) {
            if self.subscribers.len() < MAX_SUBSCRIBERS && !self.subscribes(subscription.to) {
                let mut subscriber = Subscriber::new(subscription, now);
                // Wait until the current values of all parameters have arrived, not only the first.
                subscriber.quiet_until.fill(Some(now + ECHO_GUARD));
                self.subscribers.push(subscriber);
            }
        }
    }

    /// Ends a subscription; returns whether there was one.
    pub(super) fn unsubscribe(&mut self, to: SocketAddr) -> bool {
        let before = self.subscribers.len() + self.restored.len();
        self.subscribers.retain(|subscriber| subscriber.subscription.to != to);
        self.restored.retain(|subscription| subscription.to != to);
        self.subscribers.len() + self.restored.len() < before
    }

    /// Returns whether an address is subscribed.
    pub(super) fn subscribes(&self, to: SocketAddr) -> bool {
        self.subscribers.iter().any(|subscriber| subscriber.subscription.to == to)
    }

    /// Returns the current subscriptions, including those yet to be restored.
    pub(super) fn subscriptions(&self) -> Vec<Subscription> {
        self.subscribers.iter().map(|subscriber| subscriber.subscription).chain(self.restored.iter().copied()).collect()
    }

    /// Returns a message with the subscribers' addresses and remaining seconds, in pairs.
    pub(super) fn list(&self, now: Instant) -> OscMessage {
        let pair = |subscriber: &Subscriber| {
            let left = subscriber.expiry.saturating_duration_since(now).as_secs();
            [OscType::String(subscriber.subscription.to.to_string()), OscType::Int(left as i32)]
        };
        message::message("/melos/subscribers", self.subscribers.iter().flat_map(pair).collect())
    }

    /// Renews a client's subscriptions after it has sent a datagram.
    pub(super) fn renew(&mut self, client: SocketAddr, now: Instant) {
        for subscriber in self.subscribers.iter_mut().filter(|subscriber| subscriber.belongs_to(client)) {
            (subscriber.expiry, subscriber.warned) = (now + LEASE, false);
        }
    }

    /// Warns clients whose subscription or verification is about to expire, and ends expired subscriptions.
    pub(super) fn expire(&mut self, now: Instant, access: &Access, out: &Outbox) {
        let send_expiry = |to: SocketAddr, left: Duration| {
            out.send(to, message::message("/melos/subscription/expires", vec![OscType::Int(left.as_secs() as i32)]));
        };
        self.subscribers.retain_mut(|subscriber| {
            let to = subscriber.subscription.to;
            let verified_until = access.expiry(to);
            let expiry = verified_until.unwrap_or(subscriber.expiry).min(subscriber.expiry);
            let left = expiry.saturating_duration_since(now);
            if left.is_zero() {
                send_expiry(to, left);
                tracing::info!(%to, "OSC subscription expired");
                return false;
            }
            if left <= EXPIRY_WARNING && !subscriber.warned {
                subscriber.warned = true;
                send_expiry(to, left);
                if verified_until.is_some_and(|until| until <= now + EXPIRY_WARNING) {
                    out.send(to, message::confirm(access.token(Purpose::Subscribe, to, now)));
                }
            }
            true
        });
    }

    /// Returns whether a client returns a value that it has just been sent, as a program does that sends on whatever it
    /// receives. Otherwise, the tempo and the lead chord, for example, would be fixed by being reported.
    pub(super) fn is_echo(&self, from: SocketAddr, param: Param, value: &Value, now: Instant) -> bool {
        let mut belonging = self.subscribers.iter().filter(|subscriber| subscriber.belongs_to(from));
        belonging.any(|subscriber| {
            let is_echo =
                |(at, sent): &(Instant, Value)| sent == value && now.saturating_duration_since(*at) < ECHO_GUARD;
            subscriber.sent[param as usize].iter().any(is_echo)
        })
    }

    /// Records that a client has set a parameter.
    pub(super) fn set_by_client(&mut self, from: SocketAddr, param: Param, value: &Value, now: Instant) {
        for subscriber in self.subscribers.iter_mut().filter(|subscriber| subscriber.belongs_to(from)) {
            subscriber.known[param as usize] = Some(value.clone());
            subscriber.sent[param as usize].clear();
            subscriber.quiet_until[param as usize] = Some(now + ECHO_GUARD);
        }
    }

    /// Records that a client does not know the value of a parameter, because Melos does not report it as the client has sent
    /// it; the client gets the value once feedback resumes.
    pub(super) fn set_unknown(&mut self, from: SocketAddr, param: Param) {
        for subscriber in self.subscribers.iter_mut().filter(|subscriber| subscriber.belongs_to(from)) {
            subscriber.known[param as usize] = None;
        }
    }

    /// Tells a client why something that it has sent was refused, if it is subscribed.
    pub(super) fn send_error(&self, client: SocketAddr, reason: &str, out: &Outbox) {
        for subscriber in self.subscribers.iter().filter(|subscriber| subscriber.belongs_to(client)) {
            out.send(subscriber.subscription.to, message::error(reason));
        }
    }

    /// Returns a message with a parameter's value; `None` for triggers.
    pub(super) fn read(&self, param: Param) -> Option<OscMessage> {
        message::value(param, &self.values[param as usize])
    }

    /// Returns the reply to a query of a stream: its newest message, or a message for each current trouble.
    pub(super) fn query(&self, stream: usize) -> Vec<OscMessage> {
        match message::STREAMS[stream] {
            message::TROUBLE => self.troubles.query(),
            _ => self.streams[stream].newest.clone().into_iter().collect(),
        }
    }

    /// Returns the messages of the full state.
    pub(super) fn full_state(&self) -> impl Iterator<Item = OscMessage> {
        TABLE.iter().filter_map(|spec| self.read(spec.param)).chain(self.current_state())
    }

    /// Returns messages with the current chord and troubles, and the newest state of each stream that represents a state, not
    /// events.
    fn current_state(&self) -> impl Iterator<Item = OscMessage> {
        let states = message::STREAMS.iter().zip(&self.streams).filter(|(address, _)| is_paced(address));
        let states = states.filter_map(|(_, stream)| stream.newest.clone());
        self.chord.clone().into_iter().chain(states).chain(self.troubles.messages())
    }

    /// Processes a notice. Values, levels, moods and health are sent with [`Feedback::tick`], everything else at once.
    pub(super) fn process_notice(&mut self, notice: Notice, out: &Outbox) {
        self.values_known = true;
        let stream = message::stream(&notice);
        match notice {
            Notice::Value(param, value) => self.values[param as usize] = value,
            Notice::Refused { client, reason } => self.send_error(client, &reason, out),
            Notice::Learned { to: Some(to), param, block } => {
                out.send(to, message::learned(param, block));
            }
            Notice::Chord(..) => {
                self.chord.clone_from(&stream);
                self.send_all(stream.as_ref(), out);
            }
            Notice::Trouble { part, reason } => {
                self.troubles.update(part, &reason);
                self.send_all(stream.as_ref(), out);
            }
            _ => {
                let Some(message) = stream else { return };
                let Some(index) = message::STREAMS.iter().position(|address| *address == message.addr) else { return };
                let paced = is_paced(message::STREAMS[index]);
                if !paced {
                    self.send_all(Some(&message), out);
                }
                self.streams[index] = Stream { newest: Some(message), unsent: paced };
            }
        }
    }

    /// Sends what has changed since the last tick; called every [`INTERVAL`].
    pub(super) fn tick(&mut self, now: Instant, out: &Outbox) {
        if self.values_known {
            self.start_restored(now);
        }
        for subscriber in &mut self.subscribers {
            for (index, value) in self.values.iter().enumerate() {
                let quiet = subscriber.is_quiet(index, now);
                let param = TABLE[index].param;
                // The initial value at this address is the lead chord; after it, only the current chord is sent there.
                let is_replaced = param == Param::Chord && subscriber.known[index].is_some();
                if quiet || is_replaced || subscriber.known[index].as_ref() == Some(value) {
                    continue;
                }
                // A value that cannot be sent now is sent with the next tick.
                if message::value(param, value).is_none_or(|message| out.send(subscriber.subscription.to, message)) {
                    subscriber.record_sent(index, value, now);
                }
            }
        }
        for index in 0..self.streams.len() {
            if std::mem::take(&mut self.streams[index].unsent) {
                self.send_all(self.streams[index].newest.as_ref(), out);
            }
        }
    }

    fn send_all(&self, message: Option<&OscMessage>, out: &Outbox) {
        let Some(message) = message else { return };
        for subscriber in &self.subscribers {
            out.send(subscriber.subscription.to, message.clone());
        }
    }
}

/// Returns whether a stream represents a state, which is sent at intervals, rather than events, which are sent at once.
fn is_paced(address: &str) -> bool {
    matches!(address, "/melos/level" | "/melos/mood" | "/melos/health")
}

#[cfg(test)]
mod tests;
