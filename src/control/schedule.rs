//! Events for later, by frame.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::ControlEvent;

/// Most events that may wait.
const CAPACITY: usize = 4096;

/// Events in the order they are due; those of one frame in the order they came.
#[derive(Debug, Default)]
pub struct Schedule {
    heap: BinaryHeap<Reverse<Entry>>,
    came: u64,
}

#[derive(Debug)]
struct Entry {
    frame: u64,
    order: u64,
    event: ControlEvent,
}

impl Schedule {
    /// Adds an event for a frame; false when there is no room.
    pub fn push(&mut self, frame: u64, event: ControlEvent) -> bool {
        let fits = self.heap.len() < CAPACITY;
        if fits {
            self.heap.push(Reverse(Entry { frame, order: self.came, event }));
            self.came += 1;
        }
        fits
    }

    /// When the next event is due.
    #[must_use]
    pub fn next_frame(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse(entry)| entry.frame)
    }

    /// Takes the next event if it is due at `frame` or before.
    pub fn pop_due(&mut self, frame: u64) -> Option<ControlEvent> {
        if self.next_frame()? > frame {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry.event)
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.frame, self.order).cmp(&(other.frame, other.order))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_out_by_frame_and_then_as_they_came() {
        let mut schedule = Schedule::default();
        for (frame, tempo) in [(300, 1.0), (100, 2.0), (100, 3.0), (200, 4.0)] {
            assert!(schedule.push(frame, ControlEvent::Tempo(tempo)));
        }
        assert_eq!(schedule.next_frame(), Some(100));
        let due: Vec<_> = std::iter::from_fn(|| schedule.pop_due(200)).collect();
        assert_eq!(due, [2.0, 3.0, 4.0].map(ControlEvent::Tempo));
        assert_eq!(schedule.next_frame(), Some(300));
        assert!((0..CAPACITY as u64 - 1).all(|frame| schedule.push(frame, ControlEvent::Tempo(0.0))));
        assert!(!schedule.push(0, ControlEvent::Tempo(0.0)));
    }
}
