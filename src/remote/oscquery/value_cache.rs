//! The latest arguments of every method, and which of them each listener has received.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use rosc::{OscMessage, OscType};

use super::methods::{METHODS, NOTE, path_of, stream_method};
use crate::event::Notice;
use crate::event::parameter::{Param, TABLE, Value};
use crate::remote::osc::feedback::ECHO_GUARD;
use crate::remote::osc::{LEAF, message};

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
    /// The latest notes, oldest first; several are kept because the notes of a chord arrive together.
    notes: VecDeque<Vec<OscType>>,
}

/// Maximum number of notes sent to a listener at once.
const MAX_NOTES: usize = 64;

impl ValueCache {
    /// Creates a cache with all parameters at their defaults, and no messages in the streams.
    pub(super) fn new() -> Self {
        let defaults = TABLE.iter().map(|spec| arguments(spec.param, &spec.param.default_value()));
        let streams = std::iter::repeat_n(None, METHODS - TABLE.len());
        let values = Values { arguments: defaults.chain(streams).collect(), choices: BTreeMap::new() };
        Self { values, versions: vec![1; METHODS], current_chord: None, notes: VecDeque::new() }
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
            Notice::Chord(chord, _) => {
                self.current_chord = Some(vec![OscType::String(chord.to_string())]);
                self.versions[Param::Chord as usize] += 1;
            }
            _ => {
                let Some(OscMessage { addr, args }) = message::stream(notice) else { return };
                let Some(method) = stream_method(&addr) else { return };
                if addr == NOTE {
                    if self.notes.len() == MAX_NOTES {
                        self.notes.pop_front();
                    }
                    self.notes.push_back(args.clone());
                }
                self.values.arguments[method] = Some(args);
                self.versions[method] += 1;
            }
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

    /// Returns the newest `count` notes, or as many as are kept, oldest first.
    fn newest_notes(&self, count: u64) -> impl Iterator<Item = OscMessage> {
        let skipped = self.notes.len().saturating_sub(usize::try_from(count).unwrap_or(usize::MAX));
        self.notes.iter().skip(skipped).map(|args| OscMessage { addr: NOTE.to_owned(), args: args.clone() })
    }

    /// Returns a method's latest message, if any.
    pub(super) fn message(&self, method: usize) -> Option<OscMessage> {
        Some(OscMessage { addr: path_of(method), args: self.values.arguments[method].clone()? })
    }
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
    /// The last value that the client itself has set, which is not echoed.
    own: Option<Vec<OscType>>,
    /// When feedback resumes.
    quiet_until: Option<Instant>,
}

impl ListenSet {
    /// Starts listening to a method. A parameter's current value is sent first; a stream starts with its next message,
    /// since an old beat is useless.
    pub(super) fn listen(&mut self, method: usize, is_leaf: bool, cache: &ValueCache) {
        let version = if method < TABLE.len() { 0 } else { cache.versions[method] };
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
        for is_leaf in [false, true] {
            if let Some(state) = self.methods.get_mut(&(param as usize, is_leaf)) {
                state.own = arguments(param, value);
                state.quiet_until = Some(now + ECHO_GUARD);
            }
        }
    }

    /// Returns the messages to send to the client now, and marks them as sent.
    pub(super) fn take_due(&mut self, cache: &ValueCache, now: Instant) -> Vec<OscMessage> {
        let mut messages = Vec::new();
        for ((method, is_leaf), state) in &mut self.methods {
            let quiet = state.quiet_until.is_some_and(|until| until > now);
            if quiet || state.version == cache.versions[*method] {
                continue;
            }
            let missed = cache.versions[*method] - std::mem::replace(&mut state.version, cache.versions[*method]);
            if stream_method(NOTE) == Some(*method) {
                messages.extend(cache.newest_notes(missed));
                continue;
            }
            let own = state.own.take();
            if own.is_none() || own != cache.values.arguments[*method] {
                messages.extend(cache.listener_message(*method).map(|mut message| {
                    message.addr.push_str(if *is_leaf { LEAF } else { "" });
                    message
                }));
            }
        }
        messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(sent(&mut listening, &cache, now).len(), MAX_NOTES);
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
