//! Events that wait for their moment.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::event::health::Loss;
use crate::event::{Inbox, Incoming};

/// Most events that may wait; as many as the inbox holds.
const CAPACITY: usize = 4096;

/// Events by the frame they are due at, then by the order they came in.
#[derive(Default)]
pub(super) struct Agenda {
    waiting: BTreeMap<(u64, u64), Incoming>,
    arrived: u64,
    drained: Vec<Incoming>,
}

impl Agenda {
    /// Empties the inbox; `horizon_at` gives the horizon at a moment to come. What has no time, or one that has passed, is
    /// due at the horizon of now.
    pub(super) fn take_in(&mut self, inbox: &Inbox, horizon: u64, horizon_at: impl Fn(Instant) -> u64) {
        inbox.drain(&mut self.drained);
        for incoming in self.drained.drain(..) {
            let frame = incoming.due.map_or(horizon, |due| horizon_at(due).max(horizon));
            if self.waiting.len() == CAPACITY {
                inbox.losses().add(Loss::Scheduled, 1);
                continue;
            }
            self.waiting.insert((frame, self.arrived), incoming);
            self.arrived += 1;
        }
    }

    /// The frame of the next event.
    pub(super) fn next_frame(&self) -> Option<u64> {
        self.waiting.first_key_value().map(|((frame, _), _)| *frame)
    }

    /// The next event that is due by a frame.
    pub(super) fn take(&mut self, frame: u64) -> Option<Incoming> {
        let entry = self.waiting.first_entry().filter(|entry| entry.key().0 <= frame)?;
        Some(entry.remove())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::event::{ControlEvent, Source};

    #[test]
    fn events_come_in_the_order_of_their_time_then_of_their_arrival() {
        let inbox = Inbox::new(std::sync::Arc::default());
        let now = Instant::now();
        let horizon_at = |due: Instant| 900 + due.duration_since(now).as_millis() as u64 * 48;
        let event = |bpm, due| Incoming { event: ControlEvent::Beat { beat: bpm, at: 0 }, due, source: Source::Other };
        let mut agenda = Agenda::default();
        inbox.push(event(1.0, Some(now + Duration::from_secs(10))));
        agenda.take_in(&inbox, 1000, horizon_at);
        inbox.push(event(2.0, None));
        inbox.push(event(3.0, Some(now)));
        agenda.take_in(&inbox, 1000, horizon_at);
        for beat in [2.0, 3.0] {
            assert_eq!(agenda.next_frame(), Some(1000));
            assert_eq!(agenda.take(1000).unwrap().event, ControlEvent::Beat { beat, at: 0 });
        }
        assert_eq!(agenda.take(1000), None);
        assert_eq!(agenda.next_frame(), Some(900 + 480_000));
    }
}
