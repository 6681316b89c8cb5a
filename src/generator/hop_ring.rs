//! The latest few seconds of hops.

use crate::mel::HOP;

/// Capacity: 4 s, more than a rollback plus the lead over the playhead.
const HOPS: u64 = 384;

/// The samples of one hop.
pub(super) type Samples = [f32; HOP];

/// A ring buffer of hops, addressed by index.
#[derive(Debug)]
pub(super) struct HopRing {
    slots: Box<[(Option<u64>, Samples)]>,
}

impl HopRing {
    pub(super) fn new() -> Self {
        Self { slots: vec![(None, [0.0; HOP]); HOPS as usize].into_boxed_slice() }
    }

    pub(super) fn put(&mut self, index: u64, samples: &Samples) {
        self.slots[(index % HOPS) as usize] = (Some(index), *samples);
    }

    /// Returns a hop, unless it was never stored or has been overwritten.
    pub(super) fn get(&self, index: u64) -> Option<&Samples> {
        let (held, samples) = &self.slots[(index % HOPS) as usize];
        (*held == Some(index)).then_some(samples)
    }

    pub(super) fn clear(&mut self) {
        for (index, _) in &mut self.slots {
            *index = None;
        }
    }
}
