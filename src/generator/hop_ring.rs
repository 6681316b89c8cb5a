//! Hops by their index, the latest few seconds of them.

use crate::mel::HOP;

/// Hops kept: 4 s, more than a roll-back and what is made ahead together.
const HOPS: u64 = 384;

/// One hop's samples.
pub(super) type Samples = [f32; HOP];

/// A ring of hops, overwritten by index.
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

    /// The hop, if it was put and not overwritten.
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
