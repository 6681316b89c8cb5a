//! A queue of events ordered by the frame at which they are due.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::Instant;

use crate::event::{Inbox, Incoming, Source};

/// Maximum number of scheduled events.
const MAX_SCHEDULED: usize = 4096;
/// Maximum number of scheduled events from one address, so that a sender whose clock is ahead cannot prevent others from
/// scheduling. Beyond it, an event replaces the latest one of its address if it is due sooner, so that it cannot prevent
/// other programs on its machine from scheduling either.
const MAX_PER_CLIENT: usize = MAX_SCHEDULED / 4;

/// The frame at which an event is due, and the number of events that arrived before it.
type Key = (u64, u64);

/// Events ordered by due frame, then by arrival. Only scheduled events are limited: the inbox bounds immediate events,
/// which are processed in the same iteration.
#[derive(Default)]
pub(super) struct Agenda {
    queue: BTreeMap<Key, Incoming>,
    /// Number of scheduled events, in total.
    scheduled: usize,
    /// The scheduled events of each address.
    scheduled_by: HashMap<Option<IpAddr>, BTreeSet<Key>>,
    /// Number of events that have arrived.
    arrived: u64,
    drained: Vec<Incoming>,
}

impl Agenda {
    /// Drains the inbox; `horizon_at` returns the horizon at a future time. Events without a time, or with a time in the
    /// past, are due at the current horizon. Returns the number of events refused for lack of room.
    pub(super) fn collect(&mut self, inbox: &Inbox, horizon: u64, horizon_at: impl Fn(Instant) -> u64) -> u64 {
        let mut drained = std::mem::take(&mut self.drained);
        inbox.drain(&mut drained);
        let mut refused = 0;
        for incoming in drained.drain(..) {
            let frame = incoming.due.map_or(horizon, |due| horizon_at(due).max(horizon));
            let key = (frame, self.arrived);
            self.arrived += 1;
            if incoming.due.is_some() {
                let has_room = self.make_room(&incoming.source, key);
                refused += u64::from(has_room != Room::Free);
                if has_room == Room::None {
                    continue;
                }
                self.scheduled_by.entry(address(&incoming.source)).or_default().insert(key);
                self.scheduled += 1;
            }
            self.queue.insert(key, incoming);
        }
        self.drained = drained;
        refused
    }

    /// Makes room for a scheduled event, if necessary by dropping the latest event of the same address.
    fn make_room(&mut self, source: &Source, key: Key) -> Room {
        let by_client = self.scheduled_by.get_mut(&address(source));
        let own = by_client.as_ref().map_or(0, |own| own.len());
        if self.scheduled < MAX_SCHEDULED && own < MAX_PER_CLIENT {
            return Room::Free;
        }
        let later = by_client.filter(|own| own.last().is_some_and(|latest| *latest > key));
        match later.and_then(BTreeSet::pop_last) {
            Some(latest) => {
                self.queue.remove(&latest);
                self.scheduled -= 1;
                Room::Freed
            }
            None => Room::None,
        }
    }

    /// Returns the frame of the next event.
    pub(super) fn next_frame(&self) -> Option<u64> {
        self.queue.first_key_value().map(|((frame, _), _)| *frame)
    }

    /// Removes and returns the next event due by a frame.
    pub(super) fn pop_due(&mut self, frame: u64) -> Option<Incoming> {
        let entry = self.queue.first_entry().filter(|entry| entry.key().0 <= frame)?;
        let (key, incoming) = entry.remove_entry();
        if incoming.due.is_some() {
            self.scheduled -= 1;
            let address = address(&incoming.source);
            if let Some(own) = self.scheduled_by.get_mut(&address) {
                own.remove(&key);
                if own.is_empty() {
                    self.scheduled_by.remove(&address);
                }
            }
        }
        Some(incoming)
    }
}

/// Whether there is room for another scheduled event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    /// There is.
    Free,
    /// There is, because another event was dropped.
    Freed,
    /// There is none.
    None,
}

/// Returns the address under which an event is counted, without the port, which a client may change with each message.
fn address(source: &Source) -> Option<IpAddr> {
    source.client().map(|client| client.ip())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::event::ControlEvent;
    use crate::event::parameter::{Param, Value};

    #[test]
    fn events_are_ordered_by_time_then_arrival() {
        let inbox = Inbox::new(std::sync::Arc::default());
        let now = Instant::now();
        let horizon_at = |due: Instant| 900 + due.duration_since(now).as_millis() as u64 * 48;
        let event = |beat, due| Incoming { event: ControlEvent::Beat { beat, at: 0 }, due, source: Source::Other };
        let mut agenda = Agenda::default();
        inbox.push(event(1.0, Some(now + Duration::from_secs(10))));
        agenda.collect(&inbox, 1000, horizon_at);
        inbox.push(event(2.0, None));
        inbox.push(event(3.0, Some(now)));
        agenda.collect(&inbox, 1000, horizon_at);
        for beat in [2.0, 3.0] {
            assert_eq!(agenda.next_frame(), Some(1000));
            assert_eq!(agenda.pop_due(1000).unwrap().event, ControlEvent::Beat { beat, at: 0 });
        }
        assert_eq!(agenda.pop_due(1000), None);
        assert_eq!(agenda.next_frame(), Some(900 + 480_000));
    }

    #[test]
    fn one_client_cannot_block_other_clients_or_immediate_events() {
        let (inbox, now) = (Inbox::new(std::sync::Arc::default()), Instant::now());
        let mut agenda = Agenda::default();
        let due = Some(now + Duration::from_secs(3000));
        let flood = |agenda: &mut Agenda, from: &str| {
            let source = Source::Osc(from.parse().unwrap());
            let mut refused = 0;
            for _ in 0..8 {
                for _ in 0..512 {
                    let event = ControlEvent::Set(Param::Valence, Value::Number(1.0));
                    assert!(inbox.push(Incoming { event, due, source: source.clone() }));
                }
                refused += agenda.collect(&inbox, 1000, |_| 144_000_000);
            }
            refused
        };
        assert_eq!(flood(&mut agenda, "10.0.0.1:1"), (4096 - MAX_PER_CLIENT) as u64);
        assert_eq!(
            flood(&mut agenda, "10.0.0.1:2"),
            4096,
            "another port of the same client should get no share of its own"
        );
        for host in 2..5 {
            assert_eq!(
                flood(&mut agenda, &format!("10.0.0.{host}:1")),
                (4096 - MAX_PER_CLIENT) as u64,
                "each client should have its own share"
            );
        }
        assert_eq!(flood(&mut agenda, "10.0.0.5:1"), 4096);
        for source in [Source::Osc("10.0.0.1:1".parse().unwrap()), Source::Midi, Source::Other] {
            let event = ControlEvent::Set(Param::Panic, Value::Trigger);
            inbox.push(Incoming { event, due: None, source: source.clone() });
            assert_eq!(agenda.collect(&inbox, 1000, |_| 0), 0);
            assert_eq!(agenda.pop_due(1000).map(|incoming| incoming.source), Some(source));
        }
        // A program on the same machine whose clock is right still has its events in time.
        let source = Source::Osc("10.0.0.1:3".parse().unwrap());
        let soon = ControlEvent::Set(Param::Arousal, Value::Number(0.5));
        inbox.push(Incoming { event: soon.clone(), due: Some(now), source });
        assert_eq!(agenda.collect(&inbox, 1000, |_| 2000), 1, "the latest event of the address is dropped");
        assert_eq!(agenda.pop_due(2000).map(|incoming| incoming.event), Some(soon));
        while agenda.pop_due(u64::MAX).is_some() {}
        assert_eq!(
            flood(&mut agenda, "10.0.0.1:1"),
            (4096 - MAX_PER_CLIENT) as u64,
            "handled events should free their slots"
        );
    }
}
