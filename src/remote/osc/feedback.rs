//! Who is told what: subscribers, the values they know, and what must not be echoed.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rosc::OscMessage;

use super::message;
use crate::event::Notice;
use crate::event::parameter::{Param, TABLE, Value};

/// Values and levels are sent at most this often: 30 times a second.
pub(in crate::remote) const INTERVAL: Duration = Duration::from_micros(33_400);

/// Most subscribers; the oldest makes room.
const MAX_SUBSCRIBERS: usize = 64;

/// After a client has set a parameter it is not told that parameter's value for this long: while a fader moves, values
/// still on their way through would pull it back.
pub(in crate::remote) const QUIET: Duration = Duration::from_millis(250);

/// Where a message goes.
pub(super) type Outgoing = (SocketAddr, OscMessage);

/// What listeners know, and what they are to be told next.
#[derive(Debug)]
pub(super) struct Feedback {
    values: Vec<Value>,
    chord: Option<OscMessage>,
    /// The streams that are sent at intervals: level, mood, health.
    paced: [Paced; 3],
    subscribers: VecDeque<Subscriber>,
}

/// The newest message of a stream.
#[derive(Debug, Default)]
struct Paced {
    newest: Option<OscMessage>,
    unsent: bool,
}

#[derive(Debug)]
struct Subscriber {
    /// Where its requests come from.
    from: SocketAddr,
    /// Where messages to it go.
    to: SocketAddr,
    /// Per parameter: the value it was last sent or has set itself.
    known: Vec<Option<Value>>,
    /// Per parameter: when it may be told again.
    quiet_until: Vec<Option<Instant>>,
}

impl Subscriber {
    fn is(&self, client: SocketAddr) -> bool {
        self.from == client || self.to == client
    }
}

impl Feedback {
    pub(super) fn new() -> Self {
        Self {
            values: TABLE.iter().map(|spec| spec.param.default_value()).collect(),
            chord: None,
            paced: Default::default(),
            subscribers: VecDeque::new(),
        }
    }

    /// Adds or renews a subscriber and sends it everything.
    pub(super) fn subscribe(&mut self, from: SocketAddr, to: SocketAddr, out: &mut Vec<Outgoing>) {
        self.unsubscribe(to);
        if self.subscribers.len() == MAX_SUBSCRIBERS {
            self.subscribers.pop_front();
        }
        self.subscribers.push_back(Subscriber {
            from,
            to,
            known: self.values.iter().cloned().map(Some).collect(),
            quiet_until: vec![None; TABLE.len()],
        });
        self.state(to, out);
    }

    pub(super) fn unsubscribe(&mut self, to: SocketAddr) {
        self.subscribers.retain(|subscriber| subscriber.to != to);
    }

    /// A client has set a parameter itself.
    pub(super) fn heard(&mut self, from: SocketAddr, param: Param, value: &Value, now: Instant) {
        for subscriber in self.subscribers.iter_mut().filter(|subscriber| subscriber.is(from)) {
            subscriber.known[param as usize] = Some(value.clone());
            subscriber.quiet_until[param as usize] = Some(now + QUIET);
        }
    }

    /// A parameter's value, as a reply.
    pub(super) fn read(&self, param: Param) -> Option<OscMessage> {
        message::value(param, &self.values[param as usize])
    }

    /// Everything there is to know.
    pub(super) fn state(&self, to: SocketAddr, out: &mut Vec<Outgoing>) {
        out.extend(TABLE.iter().filter_map(|spec| Some((to, self.read(spec.param)?))));
        out.extend(self.chord.clone().map(|chord| (to, chord)));
        out.extend(self.paced.iter().filter_map(|stream| Some((to, stream.newest.clone()?))));
    }

    /// Takes a notice; beats, bars, chords and onsets go out at once, the rest with [`Feedback::tick`].
    pub(super) fn notice(&mut self, notice: Notice, out: &mut Vec<Outgoing>) {
        let stream = message::stream(&notice);
        match notice {
            Notice::Value(param, value) => self.values[param as usize] = value,
            Notice::Learned { to, param, block } => out.push((to, message::learned(param, block))),
            Notice::Level { .. } => self.paced[0] = Paced { newest: stream, unsent: true },
            Notice::Mood(_) => self.paced[1] = Paced { newest: stream, unsent: true },
            Notice::Health(_) => self.paced[2] = Paced { newest: stream, unsent: true },
            Notice::Chord(..) => {
                self.chord.clone_from(&stream);
                self.send_all(stream, out);
            }
            Notice::Beat { .. } | Notice::Bar { .. } | Notice::Onset { .. } => self.send_all(stream, out),
        }
    }

    /// Sends what has changed since the last tick; called every [`INTERVAL`].
    pub(super) fn tick(&mut self, now: Instant, out: &mut Vec<Outgoing>) {
        for subscriber in &mut self.subscribers {
            for (index, value) in self.values.iter().enumerate() {
                let quiet = subscriber.quiet_until[index].is_some_and(|until| until > now);
                let param = TABLE[index].param;
                // Subscribers hear at this address which chord sounds.
                if quiet || param == Param::Chord || subscriber.known[index].as_ref() == Some(value) {
                    continue;
                }
                subscriber.known[index] = Some(value.clone());
                out.extend(message::value(param, value).map(|message| (subscriber.to, message)));
            }
        }
        for index in 0..self.paced.len() {
            if std::mem::take(&mut self.paced[index].unsent) {
                self.send_all(self.paced[index].newest.clone(), out);
            }
        }
    }

    fn send_all(&self, message: Option<OscMessage>, out: &mut Vec<Outgoing>) {
        let Some(message) = message else { return };
        out.extend(self.subscribers.iter().map(|subscriber| (subscriber.to, message.clone())));
    }
}

#[cfg(test)]
mod tests;
