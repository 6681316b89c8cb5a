//! MIDI control as one thing: devices in, mappings from a folder, events into the inbox.

use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::{Learn, LiveMappings, Mapping};
use crate::check::{Library, Problem};
use crate::control::midi::{MidiEvent, MidiIn, MidiSystem};
use crate::control::{ControlEvent, Inbox, Incoming, Source};
use crate::parameter::{Param, Value};

/// Messages that may wait; a busy second of several devices.
const WAITING: usize = 4096;
/// How late values and other mappings may be learnt; messages are taken at once.
const GLANCE: Duration = Duration::from_millis(10);

/// MIDI control; ends when dropped.
#[derive(Debug)]
pub struct MidiControl {
    midi: MidiIn,
    library: Mutex<Library<Mapping>>,
    notes: Arc<Mutex<Notes>>,
}

/// What the thread is to learn at its next glance.
#[derive(Debug, Default)]
struct Notes {
    values: Vec<(Param, Value)>,
    mappings: Option<Vec<Mapping>>,
    learn: Option<(Param, SyncSender<String>)>,
}

impl MidiControl {
    /// Starts with the mappings of a folder; gives what is wrong in them too. `frame` tells where a moment lies on the
    /// performance's time line, for the beats of an external clock.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(
        system: MidiSystem,
        folder: &Path,
        inbox: Arc<Inbox>,
        frame: impl Fn(Instant) -> u64 + Send + 'static,
    ) -> io::Result<(Self, Vec<Problem>)> {
        let (library, problems) = Library::open(folder, Mapping::read);
        let live = LiveMappings::new(library.values().cloned().collect());
        let notes = Arc::new(Mutex::new(Notes::default()));
        let (sender, events) = sync_channel(WAITING);
        let midi = MidiIn::start(system, sender)?;
        let worker = Worker { live, inbox, notes: Arc::clone(&notes), learning: None };
        thread::Builder::new().name("melos-mapping".to_owned()).spawn(move || worker.run(&events, frame))?;
        Ok((Self { midi, library: Mutex::new(library), notes }, problems))
    }

    /// Reads the folder again; a file that has gone bad keeps its last good state. Gives what is wrong.
    pub fn reload(&self) -> Vec<Problem> {
        let mut library = self.library.lock().unwrap_or_else(PoisonError::into_inner);
        let reloaded = library.reload();
        if !reloaded.changed.is_empty() {
            self.note(|notes| notes.mappings = Some(library.values().cloned().collect()));
        }
        reloaded.problems
    }

    /// Tells that a parameter has a value now, from whomever; must be told of every change, for soft takeover.
    pub fn value(&self, param: Param, value: Value) {
        self.note(|notes| {
            // Bounded by the number of parameters: the newest wins.
            notes.values.retain(|(other, _)| *other != param);
            notes.values.push((param, value));
        });
    }

    /// Learns the next control that is moved; its `[[bind]]` block goes to `block`. Until then nothing else changes.
    pub fn learn(&self, param: Param, block: SyncSender<String>) {
        self.note(|notes| notes.learn = Some((param, block)));
    }

    /// Messages lost because they came too fast.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.midi.dropped()
    }

    fn note(&self, note: impl FnOnce(&mut Notes)) {
        note(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

struct Worker {
    live: LiveMappings,
    inbox: Arc<Inbox>,
    notes: Arc<Mutex<Notes>>,
    learning: Option<Learning>,
}

struct Learning {
    learn: Learn,
    block: SyncSender<String>,
    heard: Option<Instant>,
}

impl Worker {
    fn run(mut self, events: &Receiver<MidiEvent>, frame: impl Fn(Instant) -> u64) {
        let mut out = Vec::new();
        loop {
            let event = events.recv_timeout(GLANCE);
            // Before the event, so that it meets the values as they are.
            self.glance(&mut out);
            match event {
                Ok(MidiEvent::Sent { message, .. }) if self.learning.is_some() => self.hear(message),
                Ok(event) => self.live.midi(event, &frame, &mut out),
                Err(RecvTimeoutError::Timeout) => self.stop_learning_when_quiet(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
            for event in out.drain(..) {
                self.push(event);
            }
        }
    }

    fn push(&self, event: ControlEvent) {
        if !self.inbox.push(Incoming { event, due: None, source: Source::Midi }) {
            tracing::warn!("too much control at once; a MIDI message was lost");
        }
    }

    fn glance(&mut self, out: &mut Vec<ControlEvent>) {
        let notes = std::mem::take(&mut *self.notes.lock().unwrap_or_else(PoisonError::into_inner));
        for (param, value) in notes.values {
            self.live.value(param, &value);
        }
        if let Some(mappings) = notes.mappings {
            self.live.set_mappings(mappings, out);
        }
        if let Some((param, block)) = notes.learn {
            self.learning = Some(Learning { learn: Learn::new(param), block, heard: None });
        }
    }

    fn hear(&mut self, message: crate::control::midi::Message) {
        let Some(learning) = &mut self.learning else { return };
        let enough = learning.learn.hear(message);
        learning.heard = Some(Instant::now());
        if enough {
            self.finish_learning();
        }
    }

    fn stop_learning_when_quiet(&mut self) {
        let heard = self.learning.as_ref().and_then(|learning| learning.heard);
        if heard.is_some_and(|heard| heard.elapsed() >= super::learn::REST) {
            self.finish_learning();
        }
    }

    fn finish_learning(&mut self) {
        let Some(Learning { learn, block, .. }) = self.learning.take() else { return };
        if let Some(text) = learn.block() {
            // Whoever asked may have lost interest.
            let _ = block.try_send(text);
        }
    }
}
