//! A WebSocket client: LISTEN and IGNORE as JSON text, OSC packets as binary in both directions.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use rosc::{OscMessage, OscPacket, OscType, encoder};
use serde::Deserialize;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::Shared;
use super::methods::stream_method;
use super::slots::Slot;
use super::value_cache::ListenSet;
use crate::event::health::Loss;
use crate::event::parameter::{TABLE, Value};
use crate::event::{ControlEvent, Incoming, Source};
use crate::remote::osc::buttons::Buttons;
use crate::remote::osc::fault::{FaultLog, MAX_BYTES};
use crate::remote::osc::feedback::INTERVAL;
use crate::remote::osc::{Decoded, Fault, Now, Request, decode, message};

/// Time after which a client that reads nothing is disconnected. Little accumulates in the meantime, because only the
/// newest value of each method and the latest notes are kept.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// Ping interval; a client silent for twice as long is disconnected.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// Maximum number of pings and pongs from a client per [`PING_INTERVAL`].
const MAX_PINGS: u32 = 100;
/// Maximum number of bytes waiting to be sent to a client.
const MAX_BUFFERED: usize = 256 * 1024;

/// Limits how much a client can cause the WebSocket to buffer.
pub(super) fn limit_buffers(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    let upgrade = upgrade.max_message_size(MAX_BYTES).max_frame_size(MAX_BYTES);
    upgrade.read_buffer_size(MAX_BYTES).write_buffer_size(0).max_write_buffer_size(MAX_BUFFERED)
}

/// A command, sent as text.
#[derive(Debug, Deserialize)]
#[serde(tag = "COMMAND", content = "DATA", rename_all = "UPPERCASE")]
enum Command {
    Listen(String),
    Ignore(String),
}

/// Serves a client until it disconnects, breaks a limit or is evicted.
pub(super) async fn serve(mut socket: WebSocket, client: SocketAddr, slot: Slot, shared: Arc<Shared>) {
    let mut session = Session::new(client, shared);
    let (mut tick, mut ping_timer) = (interval(INTERVAL), interval(PING_INTERVAL));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ping_timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut last_message, mut pings) = (Instant::now(), 0);
    loop {
        let messages = tokio::select! {
            received = socket.recv() => match received {
                Some(Ok(message)) => {
                    last_message = Instant::now();
                    pings += u32::from(matches!(message, Message::Ping(_) | Message::Pong(_)));
                    if pings > MAX_PINGS {
                        return;
                    }
                    let replies = session.receive(&message);
                    slot.set_idle(session.listening.is_empty(), last_message);
                    encoded(replies)
                }
                Some(Err(_)) | None => return,
            },
            now = tick.tick() => encoded(session.take_due(now.into_std())),
            _ = ping_timer.tick() => {
                if last_message.elapsed() > 2 * PING_INTERVAL {
                    return;
                }
                pings = 0;
                vec![Message::Ping(axum::body::Bytes::new())]
            }
            () = slot.evicted() => return,
        };
        let sending = async {
            for message in messages {
                socket.send(message).await?;
            }
            Ok::<_, axum::Error>(())
        };
        if !matches!(timeout(SEND_TIMEOUT, sending).await, Ok(Ok(()))) {
            return;
        }
    }
}

fn encoded(messages: Vec<OscMessage>) -> Vec<Message> {
    let packets = messages.into_iter().filter_map(|message| encoder::encode(&OscPacket::Message(message)).ok());
    packets.map(|bytes| Message::Binary(bytes.into())).collect()
}

/// A client's state: what it listens to, and the shared data that its messages act on.
#[derive(Debug)]
pub(super) struct Session {
    client: SocketAddr,
    pub(super) shared: Arc<Shared>,
    listening: ListenSet,
    buttons: Buttons,
    fault_log: FaultLog,
    /// Number of refusals of which the client has been told if they concern it.
    known_refusals: u64,
}

impl Session {
    pub(super) fn new(client: SocketAddr, shared: Arc<Shared>) -> Self {
        let (listening, buttons, fault_log) = Default::default();
        let known_refusals = shared.cache().refusals_since(0, client).1;
        Self { client, shared, listening, buttons, fault_log, known_refusals }
    }

    /// Returns the messages to send now: changes to which the client listens, and why its events were refused.
    fn take_due(&mut self, now: Instant) -> Vec<OscMessage> {
        let cache = self.shared.cache();
        let (mut messages, refused) = cache.refusals_since(self.known_refusals, self.client);
        self.known_refusals = refused;
        messages.extend(self.listening.take_due(&cache, now));
        messages
    }

    /// Processes a message; returns the replies.
    pub(super) fn receive(&mut self, message: &Message) -> Vec<OscMessage> {
        match message {
            Message::Text(text) => match serde_json::from_str(text) {
                Ok(command) => self.command(&command),
                Err(error) => tracing::debug!(client = %self.client, %error, "OSCQuery command ignored"),
            },
            Message::Binary(packet) => return self.packet(packet),
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => {}
        }
        Vec::new()
    }

    fn command(&mut self, command: &Command) {
        let (Command::Listen(path) | Command::Ignore(path)) = command;
        let target = self.shared.root.find(path).and_then(|node| Some((node.method?, node.is_leaf)));
        let Some((method, is_leaf)) = target else {
            tracing::debug!(client = %self.client, path, "OSCQuery command ignored: no such address");
            return;
        };
        match command {
            Command::Listen(_) => self.listening.listen(method, is_leaf, &self.shared.cache()),
            Command::Ignore(_) => self.listening.ignore(method, is_leaf),
        }
    }

    fn packet(&mut self, packet: &[u8]) -> Vec<OscMessage> {
        let now = Now::read();
        let Decoded { requests, faults, clamped, adjusted, late } = decode(packet, now);
        let counters = &self.shared.counters;
        counters.count_received();
        counters.count_lost(Loss::OscRefused, faults.len() as u64);
        counters.count_lost(Loss::OscLate, late);
        let mut messages = Vec::new();
        for fault in &faults {
            if self.fault_log.log_fault(self.client, fault, now.monotonic) {
                messages.push(message::error(fault));
            }
        }
        for message in &clamped {
            self.fault_log.log_clamped(self.client, message, now.monotonic);
        }
        let mut replies = Replies::default();
        for request in requests {
            self.process(request, now.monotonic, &mut replies);
        }
        for param in adjusted {
            self.listening.set_unknown(param);
        }
        let cache = self.shared.cache();
        let read =
            |(method, is_leaf)| cache.query(method).into_iter().map(move |message| message::at_leaf(message, is_leaf));
        messages.extend(replies.methods.into_iter().flat_map(read));
        messages.extend(replies.refused.then(|| message::error(Fault::OnlyUdp)));
        messages.extend(replies.pong.map(|args| OscMessage { addr: "/melos/pong".to_owned(), args }));
        messages
    }

    fn process(&mut self, request: Request, now: Instant, replies: &mut Replies) {
        match request {
            Request::Control(ControlEvent::Set(param, Value::Trigger), _)
                if !self.buttons.press(self.client, param, now) => {}
            Request::Release(param) => self.buttons.release(self.client, param),
            Request::Control(event, due) => {
                if let ControlEvent::Set(param, value) = &event {
                    self.listening.record_own_change(*param, value, due.unwrap_or(now));
                }
                if !self.shared.inbox.push(Incoming { event, due, source: Source::Osc(self.client) }) {
                    self.shared.counters.count_lost(Loss::OscRefused, 1);
                }
            }
            Request::Read { param, is_leaf } => drop(replies.methods.insert((param as usize, is_leaf))),
            Request::ReadStream(stream) => {
                replies.methods.extend(stream_method(message::STREAMS[stream]).map(|method| (method, false)));
            }
            Request::State => replies.methods.extend((0..TABLE.len()).map(|method| (method, false))),
            Request::Ping(arguments) => replies.pong = Some(arguments),
            // The result is sent to listeners to `/melos/learn`.
            Request::Learn(request) => self.shared.inbox.learn(request, None),
            Request::Subscribe(_) | Request::Unsubscribe(_) | Request::Subscribers | Request::Confirm(_) => {
                self.shared.counters.count_lost(Loss::OscRefused, 1);
                replies.refused |= self.fault_log.log_fault(self.client, &Fault::OnlyUdp, now);
            }
        }
    }
}

/// The replies to one packet; each is sent once, however often the packet requests it.
#[derive(Default)]
struct Replies {
    /// Methods, each with whether the client uses the second address.
    methods: BTreeSet<(usize, bool)>,
    pong: Option<Vec<OscType>>,
    /// Whether to say that the packet contains a request that only UDP clients need.
    refused: bool,
}
