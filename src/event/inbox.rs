//! The bounded queue through which all control events reach the performance thread.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{ControlEvent, Incoming, LearnRequest, Wake, supersede};
use crate::event::health::{Loss, Losses};
use crate::event::parameter::{Param, Value};

/// Number of events at which the queue is full. Values are still accepted: each then replaces all pending values of its
/// parameter.
const CAPACITY: usize = 4096;
/// Maximum number of events scheduled for later, so that immediate events always have room.
const MAX_DEFERRED: usize = CAPACITY / 4;
/// Maximum number of events from OSC clients, so that controllers and the page always have room.
const MAX_FROM_OSC: usize = CAPACITY * 3 / 4;
/// Maximum number of pending MIDI learn requests.
const LEARN_CAPACITY: usize = 16;

/// Bounded queue of control events for the performance thread, in order; a newer value replaces a pending one.
///
/// A flood from one fader occupies one slot, because each value replaces a pending one of the same parameter. Scheduled
/// events, texts that are set at once, triggers other than panic, modulations, morphs and changes to stored scenes are
/// never replaced. While there is room, values that a later request depends on are kept too: a scene stores the values
/// sent before the store request, and a mood uses the glide time set before it. Of the notes that a performer plays, none is
/// replaced; their releases always fit. The lock is held only briefly, but the
/// audio callback must not take it.
#[derive(Debug)]
pub struct Inbox {
    losses: Arc<Losses>,
    queue: Mutex<Queue>,
    wake: Wake,
}

#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<Incoming>,
    /// Number of events scheduled for later.
    deferred: usize,
    /// Number of events from OSC clients.
    from_osc: usize,
    learn: VecDeque<(LearnRequest, Option<SocketAddr>)>,
}

impl Inbox {
    /// Creates an empty queue that counts refused events in `losses`.
    #[must_use]
    pub fn new(losses: Arc<Losses>) -> Self {
        Self { losses, queue: Mutex::default(), wake: Wake::default() }
    }

    /// Returns the loss counters.
    #[must_use]
    pub fn losses(&self) -> &Arc<Losses> {
        &self.losses
    }

    /// Returns the handle that wakes the thread that drains the inbox, for sources with their own queues.
    #[must_use]
    pub const fn wake(&self) -> &Wake {
        &self.wake
    }

    /// Adds an event and wakes the thread that drains the inbox. Returns false, and counts the loss, when there is no
    /// room for its kind.
    pub fn push(&self, incoming: Incoming) -> bool {
        let fits = self.add(incoming);
        self.wake.notify();
        fits
    }

    /// Adds an event like [`Inbox::push`], but wakes no thread; for the thread that drains the inbox.
    pub fn add(&self, incoming: Incoming) -> bool {
        let fits = self.lock().push(incoming);
        self.losses.add(Loss::Events, u64::from(!fits));
        fits
    }

    /// Queues a MIDI learn request; the reply is sent to `from`, if given, over UDP. If too many are pending, drops the
    /// oldest and counts the loss.
    pub fn learn(&self, request: LearnRequest, from: Option<SocketAddr>) {
        let mut queue = self.lock();
        let learn = &mut queue.learn;
        if learn.len() == LEARN_CAPACITY {
            learn.pop_front();
            self.losses.add(Loss::Events, 1);
        }
        learn.push_back((request, from));
        drop(queue);
        self.wake.notify();
    }

    /// Removes the oldest MIDI learn request and returns it with the address for the reply.
    pub fn take_learn(&self) -> Option<(LearnRequest, Option<SocketAddr>)> {
        self.lock().learn.pop_front()
    }

    /// Moves all pending events to the end of `out`, oldest first.
    pub fn drain(&self, out: &mut Vec<Incoming>) {
        let mut queue = self.lock();
        (queue.deferred, queue.from_osc) = (0, 0);
        out.extend(queue.events.drain(..));
    }

    /// Blocks the performance thread until something arrives, for at most `timeout`; see [`Wake::wait`].
    pub fn wait(&self, timeout: Duration) {
        self.wake.wait(timeout);
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // A panic while pushing leaves the queue intact.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Adds an event if there is room for its kind.
    fn push(&mut self, incoming: Incoming) -> bool {
        let (deferred, from_osc) = (incoming.due.is_some(), incoming.source.client().is_some());
        let has_room = |queue: &Self| queue.events.len() < CAPACITY && (!from_osc || queue.from_osc < MAX_FROM_OSC);
        if !deferred {
            let event = &incoming.event;
            let may_grow = has_room(self);
            let Self { events, from_osc, .. } = self;
            supersede(
                events,
                |old| may_grow && old.due.is_none() && (accumulates(old) || must_keep_order(event, &old.event)),
                |old| {
                    let replaced = old.due.is_none() && replaces(event, &old.event);
                    *from_osc -= usize::from(replaced && old.source.client().is_some());
                    replaced
                },
            );
        }
        let fits = !accumulates(&incoming) || has_room(self) && (!deferred || self.deferred < MAX_DEFERRED);
        if fits {
            self.deferred += usize::from(deferred);
            self.from_osc += usize::from(from_osc);
            self.events.push_back(incoming);
        }
        fits
    }
}

/// Returns whether any number of events like this one can be pending. All other events always fit, because in a full
/// queue, at most one of them per parameter stays pending.
fn accumulates(incoming: &Incoming) -> bool {
    let is_kept = match &incoming.event {
        ControlEvent::Set(param, _) | ControlEvent::NextBar(param, _) if param.keeps_all_requests() => true,
        ControlEvent::Set(_, Value::Text(_))
        | ControlEvent::Morph(_)
        | ControlEvent::SceneValue { .. }
        | ControlEvent::RenameScene { .. }
        | ControlEvent::Modulate(..) => true,
        // A release always fits, so that no note hangs.
        ControlEvent::PlayNote { velocity, .. } => *velocity > 0,
        _ => false,
    };
    incoming.due.is_some() || is_kept
}

/// Returns whether one of two settings decides how the other takes effect.
fn must_keep_order(new: &ControlEvent, old: &ControlEvent) -> bool {
    let param = |event: &ControlEvent| match event {
        ControlEvent::Set(param, _) | ControlEvent::NextBar(param, _) => Some(*param),
        _ => None,
    };
    match (new, old) {
        (ControlEvent::PlayNote { note: new, .. }, ControlEvent::PlayNote { note: old, .. }) => new == old,
        _ => matches!((param(new), param(old)), (Some(new), Some(old)) if new.keeps_order_with(old)),
    }
}

/// Returns whether `new` replaces a pending `old`.
fn replaces(new: &ControlEvent, old: &ControlEvent) -> bool {
    match (new, old) {
        (ControlEvent::Set(Param::Panic, _), _) => new == old,
        (ControlEvent::Set(_, Value::Trigger | Value::Text(_)), _) => false,
        (ControlEvent::NextBar(param, _), _) if param.keeps_all_requests() => false,
        (
            ControlEvent::Morph(_)
            | ControlEvent::SceneValue { .. }
            | ControlEvent::RenameScene { .. }
            | ControlEvent::Modulate(..),
            _,
        ) => false,
        (ControlEvent::PlayNote { velocity, .. }, _) => *velocity == 0 && new == old,
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

    fn set(param: Param, value: f32, due: Option<Instant>) -> Incoming {
        Incoming { event: ControlEvent::Set(param, Value::Number(value)), due, source: Source::Other }
    }

    #[test]
    fn a_newer_value_replaces_a_pending_one_and_moves_to_the_end() {
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
    fn a_value_is_not_replaced_across_a_request_that_depends_on_it() {
        let inbox = Inbox::new(Arc::default());
        let store = Incoming {
            event: ControlEvent::Set(Param::SceneStore, Value::Text("cave".to_owned())),
            due: None,
            source: Source::Other,
        };
        let sent = [
            set(Param::Reverb, 0.5, None),
            set(Param::Reverb, 0.9, None),
            store.clone(),
            set(Param::Reverb, 0.1, None),
            set(Param::Reverb, 0.2, None),
        ];
        assert!(sent.into_iter().all(|event| inbox.push(event)));
        let mut out = Vec::new();
        inbox.drain(&mut out);
        assert_eq!(out, [set(Param::Reverb, 0.9, None), store.clone(), set(Param::Reverb, 0.2, None)]);
        // In a full queue, the newest value still fits, because it replaces older ones anywhere in the queue.
        for step in 0..2 * CAPACITY {
            assert!(inbox.push(set(Param::Reverb, step as f32, None)));
            inbox.push(store.clone());
        }
        out.clear();
        inbox.drain(&mut out);
        assert!(out.len() <= CAPACITY + 1, "{}", out.len());
        assert!(out.contains(&set(Param::Reverb, (2 * CAPACITY - 1) as f32, None)));
    }

    #[test]
    fn a_value_that_affects_others_keeps_its_position_among_them() {
        let inbox = Inbox::new(Arc::default());
        // A bundle that glides to a mood over ten seconds and records with pre-roll, then resets both options.
        let sent = [
            set(Param::Glide, 10.0, None),
            set(Param::Valence, -1.0, None),
            set(Param::Glide, 0.0, None),
            set(Param::RecordPreRoll, 5.0, None),
            set(Param::Record, 1.0, None),
            set(Param::RecordPreRoll, 0.0, None),
        ];
        assert!(sent.iter().all(|event| inbox.push(event.clone())));
        let mut out = Vec::new();
        inbox.drain(&mut out);
        assert_eq!(out, sent);
        // Moving faders occupy bounded space, even when one affects the other.
        for step in 0..2 * CAPACITY {
            assert!(inbox.push(set(Param::Glide, step as f32, None)) && inbox.push(set(Param::Glide, 0.5, None)));
            assert!(inbox.push(set(Param::Valence, step as f32, None)));
        }
        out.clear();
        inbox.drain(&mut out);
        assert!(out.len() <= CAPACITY + 1, "{}", out.len());
        assert_eq!(out.last(), Some(&set(Param::Valence, (2 * CAPACITY - 1) as f32, None)));
    }

    #[test]
    fn next_bar_requests_keep_triggers_and_order() {
        let inbox = Inbox::new(Arc::default());
        let at_bar =
            |param, value| Incoming { event: ControlEvent::NextBar(param, value), due: None, source: Source::Other };
        let name = |name: &str| Value::Text(name.to_owned());
        let sent = [
            at_bar(Param::PresetNext, Value::Trigger),
            at_bar(Param::PresetNext, Value::Trigger),
            at_bar(Param::Reverb, Value::Number(0.5)),
            at_bar(Param::SceneStore, name("dry")),
            at_bar(Param::Reverb, Value::Number(0.9)),
            at_bar(Param::SceneStore, name("wet")),
        ];
        assert!(sent.iter().all(|event| inbox.push(event.clone())));
        let mut out = Vec::new();
        inbox.drain(&mut out);
        assert_eq!(out, sent);
    }

    #[test]
    fn every_trigger_is_kept() {
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
    fn scheduled_events_leave_room_for_immediate_ones() {
        let inbox = Inbox::new(Arc::default());
        let due = Some(Instant::now());
        let accepted = (0..CAPACITY).filter(|_| inbox.push(set(Param::Valence, 0.0, due))).count();
        assert_eq!((accepted, inbox.losses().count(Loss::Events)), (MAX_DEFERRED, (CAPACITY - MAX_DEFERRED) as u64));
        let panic = Incoming {
            event: ControlEvent::Set(Param::Panic, Value::Trigger),
            due: None,
            source: Source::Osc("127.0.0.1:9".parse().unwrap()),
        };
        assert!(inbox.push(panic));
        let mut out = Vec::new();
        inbox.drain(&mut out);
        assert_eq!(out.len(), MAX_DEFERRED + 1);
        assert!(inbox.push(set(Param::Valence, 1.0, due)), "there should be room again");
    }

    #[test]
    fn osc_leaves_room_for_controllers() {
        let inbox = Inbox::new(Arc::default());
        let next = |source| Incoming { event: ControlEvent::Set(Param::PresetNext, Value::Trigger), due: None, source };
        let osc = Source::Osc("10.0.0.1:57120".parse().unwrap());
        assert_eq!((0..2 * CAPACITY).filter(|_| inbox.push(next(osc.clone()))).count(), MAX_FROM_OSC);
        assert!(inbox.push(next(Source::Midi)) && inbox.push(next(Source::Other)));
        // With the queue full, a panic and a switch still fit.
        while inbox.push(next(Source::Other)) {}
        for (param, value) in [(Param::Panic, Value::Trigger), (Param::Play, Value::Toggle(false))] {
            assert!(inbox.push(Incoming { event: ControlEvent::Set(param, value), due: None, source: osc.clone() }));
        }
        // A replaced value frees its slot.
        let mut out = Vec::new();
        inbox.drain(&mut out);
        for step in 0..2 * CAPACITY {
            let event = ControlEvent::Set(Param::Valence, Value::Number(step as f32));
            assert!(inbox.push(Incoming { event, due: None, source: osc.clone() }));
        }
    }
}
