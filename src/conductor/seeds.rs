//! The seed of everything random, and how it changes when everything begins anew.

/// The golden ratio's bits spread the restarts of one seed far from other seeds.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// A seed, and how often everything was begun anew since the performance began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seeds {
    seed: u64,
    restarts: u64,
}

impl Seeds {
    pub(super) const fn new(seed: u64) -> Self {
        Self { seed, restarts: 0 }
    }

    /// The seed that was asked for.
    pub(super) const fn asked(self) -> u64 {
        self.seed
    }

    /// The seed in force.
    pub(super) const fn current(self) -> u64 {
        self.seed.wrapping_add(self.restarts.wrapping_mul(SPREAD))
    }

    /// Takes another seed; the restarts before it still count.
    pub(super) const fn take(&mut self, seed: u64) {
        self.seed = seed;
    }

    /// Begins anew with the same seed, differently.
    pub(super) const fn restart(&mut self) {
        self.restarts += 1;
    }
}
