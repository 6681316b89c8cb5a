//! A ring buffer of the latest hops.

use crate::event::Hop;
use crate::mel::HOP;

/// Capacity in hops: 4 s, more than the longest rollback plus the lead over the playhead.
const CAPACITY: u64 = 384;

/// The samples of one hop.
pub(super) type Samples = [f32; HOP];

/// Hops indexed by their position on the timeline.
#[derive(Debug)]
pub(super) struct HopRing {
    slots: Box<[(Option<u64>, Samples)]>,
}

impl HopRing {
    pub(super) fn new() -> Self {
        Self { slots: vec![(None, [0.0; HOP]); CAPACITY as usize].into_boxed_slice() }
    }

    pub(super) fn put(&mut self, index: u64, samples: &Samples) {
        self.slots[(index % CAPACITY) as usize] = (Some(index), *samples);
    }

    /// Returns a hop, unless it was never stored or has been overwritten.
    pub(super) fn get(&self, index: u64) -> Option<&Samples> {
        let (stored, samples) = &self.slots[(index % CAPACITY) as usize];
        (*stored == Some(index)).then_some(samples)
    }

    /// Returns the stored hops from an index onwards, in no particular order.
    pub(super) fn since(&self, first: u64) -> Vec<Hop> {
        let stored =
            self.slots.iter().filter_map(|(index, samples)| Some((index.filter(|index| *index >= first)?, samples)));
        stored.map(|(index, samples)| Hop { index, epoch: 0, samples: *samples }).collect()
    }

    /// Creates a ring with the given hops.
    pub(super) fn from_hops(hops: &[Hop]) -> Self {
        let mut ring = Self::new();
        hops.iter().for_each(|hop| ring.put(hop.index, &hop.samples));
        ring
    }

    pub(super) fn clear(&mut self) {
        for (index, _) in &mut self.slots {
            *index = None;
        }
    }
}
