//! The latest arguments of every method, and which of them each listener has received.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use rosc::{OscMessage, OscType};

use super::methods::{METHODS, NOTE, TROUBLE, path_of, stream_method};
use crate::event::Notice;
use crate::event::parameter::{Param, TABLE, Value};
use crate::remote::osc::current_troubles::CurrentTroubles;
use crate::remote::osc::feedback::ECHO_GUARD;
use crate::remote::osc::message;

/// The readable values.
#[derive(Debug, Clone)]
pub(super) struct Values {
    /// The latest arguments of every method, by its index; `None` for a trigger, and for a stream without a message.
    pub(super) arguments: Vec<Option<Vec<OscType>>>,
    /// The current choices, such as preset names, by the index of their method.
    pub(super) choices: BTreeMap<usize, Vec<String>>,
}

/// The readable values, and what else is sent to listeners.
#[derive(Debug)]
pub(super) struct ValueCache {
    values: Values,
    /// Number of changes of each method so far, counted from 1; the difference from a listener's version is the number of
    /// messages that the listener has missed.
    versions: Vec<u64>,
    /// The current chord, sent to listeners; the readable value is the lead chord.
    current_chord: Option<Vec<OscType>>,
    /// The latest messages, oldest first, of the streams of which listeners receive every message, by method; the notes of a
    /// chord, for example, arrive together.
    latest: BTreeMap<usize, VecDeque<OscMessage>>,
    troubles: CurrentTroubles,
    /// The latest refusals, oldest first: the client, and why its event was refused.
    refusals: VecDeque<(SocketAddr, String)>,
    /// Number of refusals so far.
    refused: u64,
}

/// The streams of which listeners receive every message, not only the newest.
const COMPLETE_STREAMS: [&str; 2] = [NOTE, TROUBLE];
/// Maximum number of messages of such a stream, or of refusals, that are kept for clients.
const MAX_LATEST: usize = 64;

impl ValueCache {
    /// Creates a cache with all parameters at their defaults, and no messages in the streams.
    pub(super) fn new() -> Self {
        let defaults = TABLE.iter().map(|spec| arguments(spec.param, &spec.param.default_value()));
        let streams = std::iter::repeat_n(None, METHODS - TABLE.len());
        let values = Values { arguments: defaults.chain(streams).collect(), choices: BTreeMap::new() };
        let latest = COMPLETE_STREAMS.iter().filter_map(|path| Some((stream_method(path)?, VecDeque::new()))).collect();
        let troubles = CurrentTroubles::default();
        let (current_chord, refusals, refused) = (None, VecDeque::new(), 0);
        let mut cache = Self { values, versions: vec![1; METHODS], current_chord, latest, troubles, refusals, refused };
        cache.set_trouble();
        cache
    }

    /// Returns the readable values.
    pub(super) fn values(&self) -> &Values {
        &self.values
    }

    /// Sets the current choices of a parameter.
    pub(super) fn set_choices(&mut self, param: Param, choices: Vec<String>) {
        self.values.choices.insert(param as usize, choices);
    }

    /// Processes a notice.
    pub(super) fn update(&mut self, notice: &Notice) {
        match notice {
            Notice::Value(param @ Param::Chord, value) if self.current_chord.is_some() => {
                self.values.arguments[*param as usize] = arguments(*param, value);
            }
            Notice::Value(param, value) => self.set(*param as usize, arguments(*param, value)),
            Notice::Refused { client, reason } => {
                push_bounded(&mut self.refusals, (*client, reason.clone()));
                self.refused += 1;
            }
            Notice::Chord(chord, _) => {
                self.current_chord = Some(vec![OscType::String(chord.to_string())]);
                self.versions[Param::Chord as usize] += 1;
            }
            _ => {
                let Some(message) = message::stream(notice) else { return };
                let Some(method) = stream_method(&message.addr) else { return };
                if let Some(latest) = self.latest.get_mut(&method) {
                    push_bounded(latest, message.clone());
                }
                self.values.arguments[method] = Some(message.args);
                self.versions[method] += 1;
                if let Notice::Trouble { part, reason } = notice {
                    self.troubles.update(*part, reason);
                    self.set_trouble();
                }
            }
        }
    }

    /// Makes the readable value of the troubles one of the current ones.
    fn set_trouble(&mut self) {
        let current = self.troubles.query().pop();
        if let Some((method, OscMessage { args, .. })) = stream_method(TROUBLE).zip(current) {
            self.values.arguments[method] = Some(args);
        }
    }

    fn set(&mut self, method: usize, arguments: Option<Vec<OscType>>) {
        if self.values.arguments[method] != arguments {
            self.values.arguments[method] = arguments;
            self.versions[method] += 1;
        }
    }

    /// Returns the message to send to the listeners to a method.
    fn listener_message(&self, method: usize) -> Option<OscMessage> {
        match &self.current_chord {
            Some(chord) if method == Param::Chord as usize => {
                Some(OscMessage { addr: path_of(method), args: chord.clone() })
            }
            _ => self.message(method),
        }
    }

    /// Returns what to send to a listener that has received the messages of a method up to a version, 0 if it has just
    /// started to listen.
    fn messages_since(&self, method: usize, version: u64) -> Vec<OscMessage> {
        if version == 0 && stream_method(TROUBLE) == Some(method) {
            return self.troubles.messages().collect();
        }
        let Some(latest) = self.latest.get(&method) else {
            return self.listener_message(method).into_iter().collect();
        };
        let missed = usize::try_from(self.versions[method] - version).unwrap_or(usize::MAX);
        latest.iter().skip(latest.len().saturating_sub(missed)).cloned().collect()
    }

    /// Returns why events of a client were refused after the first `known` refusals, and the number of refusals so far.
    pub(super) fn refusals_since(&self, known: u64, client: SocketAddr) -> (Vec<OscMessage>, u64) {
        let new = usize::try_from(self.refused - known).unwrap_or(usize::MAX);
        let new = self.refusals.iter().skip(self.refusals.len().saturating_sub(new));
        let own = new.filter(|(refused, _)| *refused == client).map(|(_, reason)| message::error(reason));
        (own.collect(), self.refused)
    }

    /// Returns the reply to a query: a method's latest message, if any, or a message for each current trouble.
    pub(super) fn query(&self, method: usize) -> Vec<OscMessage> {
        if stream_method(TROUBLE) == Some(method) {
            return self.troubles.query();
        }
        self.message(method).into_iter().collect()
    }

    /// Returns a method's latest message, if any.
    fn message(&self, method: usize) -> Option<OscMessage> {
        Some(OscMessage { addr: path_of(method), args: self.values.arguments[method].clone()? })
    }
}

/// Adds to the latest [`MAX_LATEST`] items.
fn push_bounded<T>(latest: &mut VecDeque<T>, item: T) {
    if latest.len() == MAX_LATEST {
        latest.pop_front();
    }
    latest.push_back(item);
}

/// Converts a value to the type that the tree declares for its parameter; returns `None` for a trigger.
fn arguments(param: Param, value: &Value) -> Option<Vec<OscType>> {
    Some(vec![param.to_oscquery(value)?])
}

/// The methods that a client listens to.
#[derive(Debug, Default)]
pub(super) struct ListenSet {
    /// Keyed by method and by whether the client listens to its `/value` leaf.
    methods: BTreeMap<(usize, bool), ListenState>,
}

#[derive(Debug, Default)]
struct ListenState {
    /// The version last sent.
    version: u64,
    /// The last value that the client itself has set, which is not echoed; empty if Melos does not report it as the client
    /// has sent it.
    own: Option<Vec<OscType>>,
    /// When feedback resumes.
    quiet_until: Option<Instant>,
}

impl ListenSet {
    /// Starts listening to a method. A parameter's current value or the current troubles are sent first; any other stream
    /// starts with its next message, since an old beat is useless.
    pub(super) fn listen(&mut self, method: usize, is_leaf: bool, cache: &ValueCache) {
        let is_state = method < TABLE.len() || stream_method(TROUBLE) == Some(method);
        let version = if is_state { 0 } else { cache.versions[method] };
        self.methods.insert((method, is_leaf), ListenState { version, ..ListenState::default() });
    }

    /// Stops listening to a method.
    pub(super) fn ignore(&mut self, method: usize, is_leaf: bool) {
        self.methods.remove(&(method, is_leaf));
    }

    /// Returns whether the client listens to nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.methods.is_empty()
    }

    /// Records that the client itself has set a parameter.
    pub(super) fn record_own_change(&mut self, param: Param, value: &Value, now: Instant) {
        for state in self.states(param) {
            state.own = arguments(param, value);
            state.quiet_until = Some(now + ECHO_GUARD);
        }
    }

    /// Records that the client does not know the value of a parameter that it has just set, because Melos does not report it
    /// as the client has sent it.
    pub(super) fn set_unknown(&mut self, param: Param) {
        for state in self.states(param) {
            state.own = Some(Vec::new());
        }
    }

    /// Returns the states of the addresses of a parameter to which the client listens.
    fn states(&mut self, param: Param) -> impl Iterator<Item = &mut ListenState> {
        self.methods.range_mut((param as usize, false)..=(param as usize, true)).map(|(_, state)| state)
    }

    /// Returns the messages to send to the client now, and marks them as sent.
    pub(super) fn take_due(&mut self, cache: &ValueCache, now: Instant) -> Vec<OscMessage> {
        let mut messages = Vec::new();
        for ((method, is_leaf), state) in &mut self.methods {
            let quiet = state.quiet_until.is_some_and(|until| until > now);
            let (version, newest) = (state.version, cache.versions[*method]);
            if quiet || version == newest && state.own.is_none() {
                continue;
            }
            state.version = newest;
            // The value that the client has set may have been refused or replaced.
            let own = state.own.take();
            if own.is_none() || own != cache.values.arguments[*method] {
                let due = cache.messages_since(*method, version);
                messages.extend(due.into_iter().map(|message| message::at_leaf(message, *is_leaf)));
            }
        }
        messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Part;

    fn number(value: f32) -> Notice {
        Notice::Value(Param::Reverb, Value::Number(value))
    }

    fn sent(listening: &mut ListenSet, cache: &ValueCache, now: Instant) -> Vec<Vec<OscType>> {
        listening.take_due(cache, now).into_iter().map(|message| message.args).collect()
    }

    #[test]
    fn the_newest_value_wins_and_is_sent_once() {
        let (mut cache, mut listening, now) = (ValueCache::new(), ListenSet::default(), Instant::now());
        listening.listen(Param::Reverb as usize, false, &cache);
        assert_eq!(sent(&mut listening, &cache, now), [[OscType::Float(0.25)]]);
        for value in [0.5, 0.75] {
            cache.update(&number(value));
        }
        assert_eq!(sent(&mut listening, &cache, now), [[OscType::Float(0.75)]]);
        cache.update(&number(0.75));
        assert!(sent(&mut listening, &cache, now).is_empty());
    }

    #[test]
    fn a_client_gets_others_changes_but_not_its_own() {
        let (mut cache, mut listening, now) = (ValueCache::new(), ListenSet::default(), Instant::now());
        listening.listen(Param::Reverb as usize, false, &cache);
        listening.take_due(&cache, now);
        listening.record_own_change(Param::Reverb, &Value::Number(0.5), now);
        cache.update(&number(0.5));
        assert!(sent(&mut listening, &cache, now + ECHO_GUARD).is_empty());
        listening.record_own_change(Param::Reverb, &Value::Number(0.6), now);
        cache.update(&number(0.7));
        let early = sent(&mut listening, &cache, now);
        assert!(early.is_empty(), "nothing should be sent while the client's fader may still be moving");
        assert_eq!(sent(&mut listening, &cache, now + ECHO_GUARD), [[OscType::Float(0.7)]]);
    }

    #[test]
    fn a_client_is_told_if_its_value_was_refused_or_changed() {
        let (mut cache, mut listening, now) = (ValueCache::new(), ListenSet::default(), Instant::now());
        let key = Param::Key;
        listening.listen(key as usize, false, &cache);
        let text = |text: &str| vec![OscType::String(text.to_owned())];
        assert_eq!(sent(&mut listening, &cache, now), [text("C")]);
        listening.record_own_change(key, &Value::Choice(6), now);
        assert_eq!(sent(&mut listening, &cache, now), [] as [Vec<OscType>; 0]);
        assert_eq!(sent(&mut listening, &cache, now + ECHO_GUARD), [text("C")], "the value was refused");
        assert_eq!(sent(&mut listening, &cache, now + ECHO_GUARD), [] as [Vec<OscType>; 0]);
        listening.record_own_change(key, &Value::Choice(6), now);
        listening.set_unknown(key);
        cache.update(&Notice::Value(key, Value::Choice(6)));
        assert_eq!(sent(&mut listening, &cache, now + ECHO_GUARD), [text("F#")], "the client has sent Gb");
        // A value that changes nothing, such as 5 for a valence that is already 1.
        listening.record_own_change(key, &Value::Choice(6), now);
        listening.set_unknown(key);
        assert_eq!(sent(&mut listening, &cache, now + ECHO_GUARD), [text("F#")]);
    }

    #[test]
    fn every_current_trouble_is_reported() {
        let (mut cache, mut listening, now) = (ValueCache::new(), ListenSet::default(), Instant::now());
        let trouble = stream_method(TROUBLE).unwrap();
        let pair = |part: &str, reason: &str| [part, reason].map(|text| OscType::String(text.to_owned())).to_vec();
        let read = |cache: &ValueCache| {
            let replies = cache.query(trouble).into_iter().map(|message| message.args).collect::<Vec<_>>();
            assert_eq!(cache.values().arguments[trouble].as_ref(), replies.last());
            replies
        };
        assert_eq!(read(&cache), [pair("", "")]);
        listening.listen(trouble, false, &cache);
        assert_eq!(sent(&mut listening, &cache, now), [] as [Vec<OscType>; 0]);
        let mut update = |part, reason: &str| {
            cache.update(&Notice::Trouble { part, reason: reason.to_owned() });
            read(&cache)
        };
        let (state, log) = (pair("state", "the disk is full"), pair("log", "it cannot be written"));
        assert_eq!(update(Part::State, "the disk is full"), std::slice::from_ref(&state));
        assert_eq!(update(Part::Log, "it cannot be written"), [state.clone(), log.clone()]);
        assert_eq!(update(Part::Log, ""), std::slice::from_ref(&state), "the other trouble remains");
        assert_eq!(sent(&mut listening, &cache, now), [state.clone(), log, pair("log", "")]);
        listening.listen(trouble, false, &cache);
        assert_eq!(sent(&mut listening, &cache, now), [state]);
        cache.update(&Notice::Trouble { part: Part::State, reason: String::new() });
        assert_eq!(read(&cache), [pair("", "")]);
    }

    #[test]
    fn each_client_is_told_of_its_own_refusals() {
        let mut cache = ValueCache::new();
        let [one, other] = [1, 2].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let mut refuse = |client, count: usize| {
            (0..count).for_each(|n| cache.update(&Notice::Refused { client, reason: n.to_string() }));
            cache.refused
        };
        let before = refuse(one, 1);
        refuse(other, 1);
        refuse(one, 2);
        let (messages, known) = cache.refusals_since(before, one);
        assert_eq!(messages, [message::error("0"), message::error("1")]);
        assert_eq!(cache.refusals_since(known, one), (Vec::new(), known));
        assert_eq!(cache.refusals_since(before, other).0, [message::error("0")]);
        (0..100).for_each(|n| cache.update(&Notice::Refused { client: one, reason: n.to_string() }));
        assert_eq!(cache.refusals_since(known, one).0.len(), MAX_LATEST);
    }

    #[test]
    fn only_new_onsets_are_sent() {
        let (mut cache, mut listening, now) = (ValueCache::new(), ListenSet::default(), Instant::now());
        let onset = Notice::Onset { strength: 0.5 };
        cache.update(&onset);
        listening.listen(stream_method("/melos/onset").unwrap(), false, &cache);
        assert!(sent(&mut listening, &cache, now).is_empty());
        for _ in 0..2 {
            cache.update(&onset);
            assert_eq!(sent(&mut listening, &cache, now), [[OscType::Float(0.5)]]);
        }
    }

    #[test]
    fn all_notes_of_a_chord_arrive() {
        let (mut cache, mut listening, now) = (ValueCache::new(), ListenSet::default(), Instant::now());
        let note = |note| Notice::Note { note, velocity: 64, seconds: 0.5, melody: false };
        cache.update(&note(48));
        listening.listen(stream_method(NOTE).unwrap(), false, &cache);
        (0..3).for_each(|step| cache.update(&note(60 + step)));
        let pitches: Vec<_> = sent(&mut listening, &cache, now).into_iter().map(|args| args[0].clone()).collect();
        assert_eq!(pitches, [60, 61, 62].map(OscType::Int));
        (0..100).for_each(|step| cache.update(&note(step)));
        assert_eq!(sent(&mut listening, &cache, now).len(), MAX_LATEST);
    }

    #[test]
    fn the_lead_chord_is_read_and_the_current_one_is_sent() {
        let (mut cache, mut listening, now) = (ValueCache::new(), ListenSet::default(), Instant::now());
        let chord = Param::Chord as usize;
        let text = |text: &str| vec![OscType::String(text.to_owned())];
        listening.listen(chord, false, &cache);
        assert_eq!(sent(&mut listening, &cache, now), [text("auto")]);
        let key = crate::music::theory::Key { tonic: 9, mode: crate::music::theory::Mode::Minor };
        cache.update(&Notice::Chord(crate::music::theory::Chord::parse("Am7").unwrap(), key));
        assert_eq!(sent(&mut listening, &cache, now), [text("Am7")]);
        assert_eq!(cache.values().arguments[chord], Some(text("auto")));
        cache.update(&Notice::Value(Param::Chord, Value::Text("C".to_owned())));
        assert_eq!(cache.values().arguments[chord], Some(text("C")));
        assert_eq!(sent(&mut listening, &cache, now), [] as [Vec<OscType>; 0]);
    }
}
