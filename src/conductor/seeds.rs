//! The seed of all random choices, and how it changes on restarts.

use serde::{Deserialize, Serialize};

/// The bits of the golden ratio, which separate the restarts of one seed from other seeds.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// A seed, and the number of restarts since the performance began.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Seeds {
    seed: u64,
    restarts: u64,
}

impl Seeds {
    pub(super) const fn new(seed: u64) -> Self {
        Self { seed, restarts: 0 }
    }

    /// The requested seed.
    pub(super) const fn requested(self) -> u64 {
        self.seed
    }

    /// The active seed.
    pub(super) const fn current(self) -> u64 {
        self.seed.wrapping_add(self.restarts.wrapping_mul(SPREAD))
    }

    /// Sets another seed; earlier restarts still count.
    pub(super) const fn set(&mut self, seed: u64) {
        self.seed = seed;
    }

    /// Restarts with the same seed but different choices.
    pub(super) const fn restart(&mut self) {
        self.restarts += 1;
    }
}
