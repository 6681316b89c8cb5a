//! Decodes datagrams into requests.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Instant;

use rosc::{OscMessage, OscType};

use super::fault::{self, Fault};
use super::message::STREAMS;
use super::time::{Now, When, when};
use super::{address, argument, bundle, incoming};
use crate::event::parameter::{Input, Kind, Param, TABLE, Value, key_and_mode};
use crate::event::{ControlEvent, LearnRequest};
use crate::music::emotion::Emotion;
use crate::music::plan::PlayedNote;
use crate::quote::{quoted, shown};

/// Prefix of a parameter's id in messages that set it at the next bar line.
const NEXT_BAR: &str = "next/bar/";

/// A client's request.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Apply an event, immediately or at a given time.
    Control(ControlEvent, Option<Instant>),
    /// The button of a trigger was released.
    Release(Param),
    /// Return a parameter's value.
    Read {
        /// The parameter.
        param: Param,
        /// Whether the client uses the parameter's second address, which ends in `/value`.
        is_leaf: bool,
    },
    /// Return the newest message of a stream, given by its index in `message::STREAMS`.
    ReadStream(usize),
    /// Return the full state.
    State,
    /// Subscribe the sender, or a port on its host.
    Subscribe(Option<u16>),
    /// Cancel a subscription.
    Unsubscribe(Option<u16>),
    /// Return the subscribers.
    Subscribers,
    /// Return these arguments in a `/melos/pong`.
    Ping(Vec<OscType>),
    /// Verify an address with the token that was sent to it.
    Confirm(String),
    /// Start or cancel MIDI learn, or forget learned controls.
    Learn(LearnRequest),
}

/// The requests in a datagram, and its faults.
#[derive(Debug, Default, PartialEq)]
pub struct Decoded {
    /// The requests, in the order of the datagram.
    pub requests: Vec<Request>,
    /// Why parts of the datagram were skipped.
    pub faults: Vec<Fault>,
    /// Descriptions of numbers that were clamped to their parameter's range or rounded.
    pub clamped: Vec<String>,
    /// Parameters whose value differs from the argument, or was not sent to the parameter's own address; the client cannot
    /// know it until it is told.
    pub adjusted: BTreeSet<Param>,
    /// Number of bundles that arrived late.
    pub late: u64,
}

/// Decodes a datagram. Parts that are malformed or invalid are skipped and reported as faults.
#[must_use]
pub fn decode(datagram: &[u8], now: Now) -> Decoded {
    let mut decoded = Decoded::default();
    if datagram.len() > fault::MAX_BYTES {
        decoded.faults.push(Fault::Oversized(datagram.len()));
    } else {
        decoded.read_packet(datagram, When::AtOnce, fault::MAX_DEPTH, now);
    }
    decoded
}

impl Decoded {
    fn read_packet(&mut self, packet: &[u8], enclosing: When, depth_left: usize, now: Now) {
        let read = if bundle::is_bundle(packet) {
            self.read_bundle(packet, enclosing, depth_left, now)
        } else {
            incoming::message(packet).and_then(|message| self.read_message(&message, enclosing))
        };
        self.faults.extend(read.err());
    }

    fn read_bundle(&mut self, packet: &[u8], enclosing: When, depth_left: usize, now: Now) -> Result<(), Fault> {
        let depth_left = depth_left.checked_sub(1).ok_or(Fault::TooDeep)?;
        let (tag, mut elements) = bundle::split(packet)?;
        let tagged = when(tag, now)?;
        self.late += u64::from(tagged == When::Late);
        // OSC 1.0: an inner bundle must not precede the enclosing one.
        let due = match (enclosing, tagged) {
            (When::At(outer), When::At(inner)) => When::At(outer.max(inner)),
            (When::At(outer), _) => When::At(outer),
            _ => tagged,
        };
        while !elements.is_empty() {
            let (element, after) = bundle::element(elements)?;
            // With an empty element, nothing is lost.
            if !element.is_empty() {
                self.read_packet(element, due, depth_left, now);
            }
            elements = after;
        }
        Ok(())
    }

    fn read_message(&mut self, message: &OscMessage, when: When) -> Result<(), Fault> {
        if message.args.iter().any(not_finite) {
            return Err(Fault::NotFinite(shown(&message.addr)));
        }
        let due = if let When::At(instant) = when { Some(instant) } else { None };
        let address = address::resolve_leaf(&message.addr);
        let request = match address.strip_prefix("/melos/").unwrap_or_default() {
            // What a Melos that subscribes to another one is told. To answer it could go on without end.
            "error" => return Ok(()),
            "state" => Request::State,
            "subscribe" => Request::Subscribe(port(message)?),
            "unsubscribe" => Request::Unsubscribe(port(message)?),
            "subscribers" => Request::Subscribers,
            "ping" => Request::Ping(message.args.iter().filter(|argument| is_plain(argument)).cloned().collect()),
            "confirm" => Request::Confirm(token(message)?),
            "scene/rename" => rename_scene(message, due)?,
            "play/note" => play_note(message, due)?,
            "learn" => Request::Learn(LearnRequest::Control(learn_target(message)?)),
            "learn/cancel" => Request::Learn(LearnRequest::Cancel),
            "learn/forget" => Request::Learn(LearnRequest::Forget(learn_target(message)?)),
            id => {
                return match (id.strip_prefix(NEXT_BAR), STREAMS.iter().position(|stream| *stream == address)) {
                    (Some(id), _) => self.read_next_bar(message, id, due),
                    (None, Some(stream)) if message.args.is_empty() => {
                        self.requests.push(Request::ReadStream(stream));
                        Ok(())
                    }
                    (None, Some(_)) => Err(Fault::Invalid(format!(
                        "{}: read-only; send it without arguments to query it",
                        message.addr
                    ))),
                    (None, None) => self.read_parameters(message, address, due),
                };
            }
        };
        self.requests.push(request);
        Ok(())
    }

    fn read_next_bar(&mut self, message: &OscMessage, id: &str, due: Option<Instant>) -> Result<(), Fault> {
        let first = self.requests.len();
        self.read_parameters(message, address::resolve_leaf(&format!("/melos/{id}")), due)?;
        let requests = self.requests.split_off(first);
        self.requests.extend(requests.into_iter().map(at_next_bar).collect::<Result<Vec<_>, _>>()?);
        Ok(())
    }

    /// Adds a message's requests for one parameter, or for all parameters that match a pattern.
    fn read_parameters(&mut self, message: &OscMessage, address: &str, due: Option<Instant>) -> Result<(), Fault> {
        if address::is_pattern(address) {
            return self.read_pattern(message, address, due);
        }
        let param = address.strip_prefix("/melos/").and_then(Param::from_id);
        let param = param.ok_or_else(|| Fault::Unknown(shown(&message.addr)))?;
        if param == Param::Emotion
            && let Some(weights) = argument::weights(&message.args)
        {
            return self.read_weights(&weights, due);
        }
        if param == Param::Chord && message.args.len() > 1 {
            let expected = "expected one chord; a chord and a key are what Melos sends to subscribers";
            return Err(Fault::Invalid(format!("{}: {expected}", message.addr)));
        }
        let mut argument = single(param, &message.args)?;
        if let Some(OscType::String(text)) = argument.as_deref()
            && let Some(settings) = key_and_mode(param, text)
        {
            self.adjusted.extend(settings.iter().map(|(param, _)| *param));
            self.requests.extend(settings.map(|(param, value)| set(param, value, due)));
            return Ok(());
        }
        // Only here, and not for patterns, is a number a name: `/melos/* 1` is meant for parameters that are numbers.
        if matches!(param.spec().kind, Kind::Text { .. })
            && let Some(name) = argument.as_deref().and_then(argument::name)
        {
            argument = Some(Cow::Owned(OscType::String(name)));
        }
        let is_leaf = address.len() < message.addr.len();
        let request = match argument {
            None if param.spec().kind != Kind::Trigger => Request::Read { param, is_leaf },
            argument => self.request(param, argument.as_deref(), due)?,
        };
        self.requests.push(request);
        Ok(())
    }

    /// Adds requests for the weights of several emotions, or none if one of them is invalid.
    fn read_weights(&mut self, weights: &[(&str, &OscType)], due: Option<Instant>) -> Result<(), Fault> {
        let requests = weights.iter().map(|(name, weight)| {
            let emotion = Emotion::from_name(name).ok_or_else(|| {
                let known = Emotion::ALL.map(Emotion::name).join(", ");
                Fault::Invalid(format!("/melos/emotion: there is no emotion {}; choose from {known}", quoted(name)))
            })?;
            let param = Param::emotion_weight(emotion);
            let request = self.request(param, Some(weight), due)?;
            self.adjusted.insert(param);
            Ok(request)
        });
        let requests = requests.collect::<Result<Vec<_>, _>>()?;
        self.requests.extend(requests);
        Ok(())
    }

    /// Adds requests for all matching parameters that accept the arguments; returns a fault if there are none.
    fn read_pattern(&mut self, message: &OscMessage, pattern: &str, due: Option<Instant>) -> Result<(), Fault> {
        let mut accepted = false;
        let mut fault = Fault::Unknown(shown(&message.addr));
        let clamped = self.clamped.len();
        let candidates = TABLE.iter().filter(|spec| spec.kind != Kind::Trigger);
        for spec in candidates.filter(|spec| address::matches(pattern, &format!("/melos/{}", spec.id))) {
            let param = spec.param;
            let request = match single(param, &message.args) {
                Ok(None) => Ok(Request::Read { param, is_leaf: false }),
                Ok(argument) => self.request(param, argument.as_deref(), due),
                Err(invalid) => Err(invalid),
            };
            match request {
                Ok(request) => {
                    if !message.args.is_empty() {
                        self.adjusted.insert(param);
                    }
                    self.requests.push(request);
                    accepted = true;
                }
                Err(invalid) => fault = invalid,
            }
        }
        // A pattern covers parameters with different ranges, so clamping is expected and not reported.
        self.clamped.truncate(clamped);
        if accepted { Ok(()) } else { Err(fault) }
    }

    /// Returns the request that sets one parameter; without an argument, it fires a trigger.
    fn request(&mut self, param: Param, argument: Option<&OscType>, due: Option<Instant>) -> Result<Request, Fault> {
        let invalid = |error: String| Fault::Invalid(format!("/melos/{error}"));
        let Some(argument) = argument else { return Ok(set(param, Value::Trigger, due)) };
        let input = match argument::input(argument) {
            Some(Input::Text(text)) => param.input_from_text(text),
            Some(input) => input,
            None => {
                let id = param.spec().id;
                return Err(invalid(format!("{id}: an argument of this type is not supported; send a number or text")));
            }
        };
        let value = match param.fit_within(input) {
            Ok(value) => value,
            Err(out_of_range) => {
                let nearest = param.fit(input).map_err(|error| invalid(error.to_string()))?;
                let is_in_range = matches!(input, Input::Number(number) if param.spec().kind.contains(number as f32));
                let how = if is_in_range { "rounded" } else { "clamped" };
                self.clamped.push(format!("/melos/{out_of_range}; {how}"));
                self.adjusted.insert(param);
                nearest
            }
        };
        let Some(value) = value else { return Ok(Request::Release(param)) };
        if !argument::is_exactly(argument, param, &value) {
            self.adjusted.insert(param);
        }
        Ok(set(param, value, due))
    }
}

/// Defers a request to the next bar line; a read cannot be deferred.
fn at_next_bar(request: Request) -> Result<Request, Fault> {
    match request {
        Request::Control(ControlEvent::Set(param, value), due) => {
            Ok(Request::Control(ControlEvent::NextBar(param, value), due))
        }
        Request::Read { param, .. } => Err(Fault::Invalid(format!(
            "/melos/{NEXT_BAR}{}: expected a value to set at the next bar",
            param.spec().id
        ))),
        other => Ok(other),
    }
}

const fn set(param: Param, value: Value, due: Option<Instant>) -> Request {
    Request::Control(ControlEvent::Set(param, value), due)
}

/// Returns the argument of a message that sets one value; `None` if it has none. Several arguments are the words of one
/// text, because some programs, such as Max and Pure Data, split a text at its spaces.
fn single(param: Param, args: &[OscType]) -> Result<Option<Cow<'_, OscType>>, Fault> {
    match args {
        [] => Ok(None),
        [only] => Ok(Some(Cow::Borrowed(only))),
        // Whatever else a button sends, it is meant to fire.
        [first, ..] if param.spec().kind == Kind::Trigger => Ok(Some(Cow::Borrowed(first))),
        words => {
            let words = words.iter().map(argument::name).collect::<Option<Vec<_>>>().ok_or_else(|| {
                Fault::Invalid(format!("/melos/{}: expected one value, got {}", param.spec().id, args.len()))
            })?;
            Ok(Some(Cow::Owned(OscType::String(words.join(" ")))))
        }
    }
}

/// Reads the old and the new name of a scene.
fn rename_scene(message: &OscMessage, due: Option<Instant>) -> Result<Request, Fault> {
    let name = |param: Param, argument: &OscType| match param.fit(Input::Text(&argument::name(argument)?)) {
        Ok(Some(Value::Text(name))) if !name.is_empty() => Some(name),
        _ => None,
    };
    let names = match message.args.as_slice() {
        [from, to] => name(Param::Scene, from).zip(name(Param::SceneStore, to)),
        _ => None,
    };
    let expected = || {
        let names = "a scene's old and new name, such as \"verse\" \"intro\", the new one without control characters";
        format!("{}: expected {names}", message.addr)
    };
    let (from, to) = names.ok_or_else(|| Fault::Invalid(expected()))?;
    Ok(Request::Control(ControlEvent::RenameScene { from, to }, due))
}

/// Reads a MIDI note number and a velocity.
fn play_note(message: &OscMessage, due: Option<Instant>) -> Result<Request, Fault> {
    let number = |argument: &OscType| u8::try_from(argument::whole_number(argument)?).ok();
    match message.args.iter().map(number).collect::<Vec<_>>()[..] {
        [Some(note), Some(velocity @ 0..=127)] if PlayedNote::KEYS.contains(&note) => {
            Ok(Request::Control(ControlEvent::PlayNote { note, velocity }, due))
        }
        _ => Err(Fault::Invalid(format!(
            "{}: expected a MIDI note number from 21 to 108 and a velocity from 0 to 127, such as 60 90",
            message.addr
        ))),
    }
}

/// Reads the parameter whose control is to be learned or forgotten.
fn learn_target(message: &OscMessage) -> Result<Param, Fault> {
    let expected = || Fault::Invalid(format!("{}: expected a parameter, such as \"valence\"", message.addr));
    let [name] = message.args.as_slice() else { return Err(expected()) };
    let name = argument::name(name).ok_or_else(expected)?;
    let id = address::resolve_leaf(name.trim());
    let unknown = || {
        let quoted = quoted(&name);
        Fault::Invalid(format!("{}: there is no parameter {quoted}; see docs/parameters.md for the list", message.addr))
    };
    Param::from_id(id.strip_prefix("/melos/").unwrap_or(id)).ok_or_else(unknown)
}

fn port(message: &OscMessage) -> Result<Option<u16>, Fault> {
    let port = |argument| u16::try_from(argument::whole_number(argument)?).ok();
    match message.args.as_slice() {
        [] => Ok(None),
        [argument] if let Some(port @ 1..) = port(argument) => Ok(Some(port)),
        _ => Err(Fault::Invalid(format!("{}: expected a port from 1 to 65535", message.addr))),
    }
}

/// Reads the token that a client returns to verify its address.
fn token(message: &OscMessage) -> Result<String, Fault> {
    let expected = || format!("{0}: expected the token from the {0} message that Melos sent", message.addr);
    let [token] = message.args.as_slice() else { return Err(Fault::Invalid(expected())) };
    let token = argument::name(token).ok_or_else(|| Fault::Invalid(expected()))?;
    Ok(token.trim().to_owned())
}

/// Returns whether every client can read an argument of this type.
const fn is_plain(argument: &OscType) -> bool {
    matches!(argument, OscType::Int(_) | OscType::Float(_) | OscType::String(_))
}

fn not_finite(argument: &OscType) -> bool {
    match argument {
        OscType::Float(number) => !number.is_finite(),
        OscType::Double(number) => !number.is_finite(),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
