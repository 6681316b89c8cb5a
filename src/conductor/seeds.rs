//! The seed for all random choices, which changes whenever they restart after a panic.

use serde::{Deserialize, Serialize};

/// What every restart adds to the seed: the fractional bits of the golden ratio, which keep the seeds far apart.
const RESTART_INCREMENT: u64 = 0x9E37_79B9_7F4A_7C15;

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

    /// Returns the requested seed.
    pub(super) const fn requested(self) -> u64 {
        self.seed
    }

    /// Returns the active seed.
    pub(super) const fn current(self) -> u64 {
        self.seed.wrapping_add(self.restarts.wrapping_mul(RESTART_INCREMENT))
    }

    /// Changes the seed, without resetting the number of restarts.
    pub(super) const fn set(&mut self, seed: u64) {
        self.seed = seed;
    }

    /// Restarts with different random choices under the same requested seed.
    pub(super) const fn restart(&mut self) {
        self.restarts += 1;
    }
}
