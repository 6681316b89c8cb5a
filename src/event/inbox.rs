//! The one bounded queue between all control sources and the daemon.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{ControlEvent, Incoming, LearnRequest};
use crate::event::health::{Loss, Losses};
use crate::event::parameter::Value;

/// Most events that may wait; several times the number of parameters, so that coalesced events always fit.
const CAPACITY: usize = 4096;
/// Most requests to MIDI learn that may wait.
const LEARN_CAPACITY: usize = 16;

/// Events that wait for the daemon: in order, the newest value of a parameter wins, never full of old values.
///
/// A flood on one fader costs one slot, because a waiting value of the same parameter is replaced. Triggers, texts and events
/// scheduled for later are never replaced. Locked for moments only, by control threads; not for the audio callback.
#[derive(Debug)]
pub struct Inbox {
    losses: Arc<Losses>,
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Incoming>,
    learn: VecDeque<(LearnRequest, SocketAddr)>,
}

impl Inbox {
    /// An empty one that counts what it refuses.
    #[must_use]
    pub fn new(losses: Arc<Losses>) -> Self {
        Self { losses, waiting: Mutex::default(), arrived: Condvar::new() }
    }

    /// What was lost, here and wherever else these are counted.
    #[must_use]
    pub fn losses(&self) -> &Arc<Losses> {
        &self.losses
    }

    /// Adds an event; wakes [`Inbox::wait`]. Returns false, and counts, when the box is full of scheduled events.
    pub fn push(&self, incoming: Incoming) -> bool {
        let mut waiting = self.lock();
        if incoming.due.is_none() {
            waiting.events.retain(|old| old.due.is_some() || !replaces(&incoming.event, &old.event));
        }
        let fits = waiting.events.len() < CAPACITY;
        if fits {
            waiting.events.push_back(incoming);
        } else {
            self.losses.add(Loss::Events, 1);
        }
        drop(waiting);
        self.arrived.notify_one();
        fits
    }

    /// Asks something of MIDI learn; `from` gets the answer. Of too many requests the oldest is left out.
    pub fn learn(&self, request: LearnRequest, from: SocketAddr) {
        let learn = &mut self.lock().learn;
        if learn.len() == LEARN_CAPACITY {
            learn.pop_front();
            self.losses.add(Loss::Events, 1);
        }
        learn.push_back((request, from));
    }

    /// The oldest request to MIDI learn and who gets the answer, once.
    pub fn take_learn(&self) -> Option<(LearnRequest, SocketAddr)> {
        self.lock().learn.pop_front()
    }

    /// Moves everything that waits to the end of `out`, oldest first.
    pub fn drain(&self, out: &mut Vec<Incoming>) {
        out.extend(self.lock().events.drain(..));
    }

    /// Blocks the daemon until something waits, at most for `timeout`.
    pub fn wait(&self, timeout: Duration) {
        let waiting = self.lock();
        let _ = self
            .arrived
            .wait_timeout_while(waiting, timeout, |waiting| waiting.events.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // A source that panicked while pushing left the queue itself intact.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether `new` makes a waiting `old` pointless.
fn replaces(new: &ControlEvent, old: &ControlEvent) -> bool {
    match (new, old) {
        // Each trigger and each name counts: "next preset" twice means the one after the next.
        (ControlEvent::Set(_, Value::Trigger | Value::Text(_)), _) => false,
        (ControlEvent::Morph(_) | ControlEvent::SceneValue { .. }, _) => false,
        (ControlEvent::Set(new, _), ControlEvent::Set(old, _)) => new == old,
        (ControlEvent::NextBar(new, _), ControlEvent::NextBar(old, _)) => new == old,
        _ => std::mem::discriminant(new) == std::mem::discriminant(old),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::event::Source;
    use crate::event::parameter::Param;

    fn set(param: Param, value: f32, due: Option<Instant>) -> Incoming {
        Incoming { event: ControlEvent::Set(param, Value::Number(value)), due, source: Source::Other }
    }

    #[test]
    fn the_newest_value_wins_and_keeps_its_place_in_time() {
        let inbox = Inbox::new(Arc::default());
        for step in 0..10_000u16 {
            assert!(inbox.push(set(Param::Valence, f32::from(step), None)));
            if step == 5_000 {
                inbox.push(set(Param::Arousal, 1.0, None));
            }
        }
        let mut out = Vec::new();
        inbox.drain(&mut out);
        assert_eq!(out, [set(Param::Arousal, 1.0, None), set(Param::Valence, 9_999.0, None)]);
    }

    #[test]
    fn every_trigger_counts() {
        let inbox = Inbox::new(Arc::default());
        let next =
            Incoming { event: ControlEvent::Set(Param::PresetNext, Value::Trigger), due: None, source: Source::Other };
        inbox.push(next.clone());
        inbox.push(next);
        let mut out = Vec::new();
        inbox.drain(&mut out);
        assert_eq!(out.len(), 2);
    }

    #[test]
    fn scheduled_events_stay_until_the_box_is_full() {
        let inbox = Inbox::new(Arc::default());
        let due = Some(Instant::now());
        for _ in 0..CAPACITY {
            assert!(inbox.push(set(Param::Valence, 0.0, due)));
        }
        assert!(!inbox.push(set(Param::Valence, 1.0, due)));
        assert_eq!(inbox.losses().count(Loss::Events), 1);
        let mut out = Vec::new();
        inbox.drain(&mut out);
        assert_eq!(out.len(), CAPACITY);
    }
}
