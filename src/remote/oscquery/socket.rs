//! One WebSocket client: LISTEN and IGNORE as JSON text, OSC packets as binary both ways.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::ws::{Message, WebSocket};
use rosc::{OscMessage, OscPacket, encoder};
use serde::Deserialize;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::Shared;
use super::known::Listening;
use crate::event::health::Loss;
use crate::event::parameter::TABLE;
use crate::event::{ControlEvent, Incoming, Source};
use crate::remote::osc::fault::Said;
use crate::remote::osc::feedback::INTERVAL;
use crate::remote::osc::{Decoded, Now, Request, decode};

/// A client that takes nothing for this long is gone. Nothing piles up meanwhile: only newest values are kept.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a client asks for in text.
#[derive(Debug, Deserialize)]
#[serde(tag = "COMMAND", content = "DATA", rename_all = "UPPERCASE")]
enum Command {
    Listen(String),
    Ignore(String),
}

/// Serves a client until it leaves.
pub(super) async fn serve(mut socket: WebSocket, client: SocketAddr, shared: Arc<Shared>) {
    let mut session = Session { client, shared, listening: Listening::default(), said: Said::default() };
    let mut tick = interval(INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let messages = tokio::select! {
            received = socket.recv() => match received {
                Some(Ok(message)) => session.receive(&message),
                Some(Err(_)) | None => return,
            },
            now = tick.tick() => session.listening.due(&session.shared.known(), now.into_std()),
        };
        for message in messages {
            let Ok(bytes) = encoder::encode(&OscPacket::Message(message)) else { continue };
            if !matches!(timeout(PATIENCE, socket.send(Message::Binary(bytes.into()))).await, Ok(Ok(()))) {
                return;
            }
        }
    }
}

struct Session {
    client: SocketAddr,
    shared: Arc<Shared>,
    listening: Listening,
    said: Said,
}

impl Session {
    /// Takes a message; returns what is to be replied.
    fn receive(&mut self, message: &Message) -> Vec<OscMessage> {
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
        let Some(method) = self.shared.root.find(path).and_then(|node| node.method) else {
            tracing::debug!(client = %self.client, path, "OSCQuery: there is no such method");
            return;
        };
        match command {
            Command::Listen(_) => self.listening.listen(method, &self.shared.known()),
            Command::Ignore(_) => self.listening.ignore(method),
        }
    }

    fn packet(&mut self, packet: &[u8]) -> Vec<OscMessage> {
        let now = Now::take();
        let Decoded { requests, faults, clipped, late } =
            decode(packet, now).unwrap_or_else(|fault| Decoded { faults: vec![fault], ..Decoded::default() });
        self.shared.inbox.losses().add(Loss::OscRefused, faults.len() as u64);
        self.shared.inbox.losses().add(Loss::OscLate, late);
        for fault in &faults {
            self.said.once(self.client, fault);
        }
        for what in &clipped {
            self.said.clipped(self.client, what);
        }
        requests.into_iter().flat_map(|request| self.take(request, now.monotonic)).collect()
    }

    fn take(&mut self, request: Request, now: Instant) -> Vec<OscMessage> {
        match request {
            Request::Set(param, value, due) => {
                self.listening.heard(param, &value, due.unwrap_or(now));
                let event = ControlEvent::Set(param, value);
                self.shared.inbox.push(Incoming { event, due, source: Source::Osc(self.client) });
                Vec::new()
            }
            Request::NextBar(param, value, due) => {
                let event = ControlEvent::NextBar(param, value);
                self.shared.inbox.push(Incoming { event, due, source: Source::Osc(self.client) });
                Vec::new()
            }
            Request::Read(param) => self.shared.known().message(param as usize).into_iter().collect(),
            Request::State => {
                let known = self.shared.known();
                (0..TABLE.len()).filter_map(|method| known.message(method)).collect()
            }
            // These are for UDP; here LISTEN and IGNORE say the same, and learning has no address to answer.
            Request::Subscribe(_) | Request::Unsubscribe(_) | Request::Learn(_) => Vec::new(),
        }
    }
}
