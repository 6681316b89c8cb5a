//! The table of hops to play, in which a new future replaces the old one.

use super::QUANTUM;
use crate::event::Hop;
use crate::mel::HOP;

/// Number of slots: enough for 2.7 s of audio.
const SLOTS: u64 = 256;

/// Maximum absolute sample value. Only a faulty vocoder exceeds it; the limiter handles everything below.
const MAX_SAMPLE: f32 = 4.0;

/// What happened to a hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HopOutcome {
    /// It will be played.
    Accepted,
    /// It is in the past, too far ahead, or of an older or rejected epoch.
    Dropped,
    /// It is the first of a newer epoch but starts before the playhead, so the whole epoch is ignored.
    EpochRejected,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    /// Index of the hop; `None` if the slot is empty.
    index: Option<u64>,
    samples: [f32; HOP],
}

/// The hops to play, by index: those of the newest accepted epoch, preceded by the remaining hops of earlier ones.
#[derive(Debug)]
pub(super) struct HopTable {
    slots: Box<[Slot]>,
    epoch: u32,
    rejected: Option<u32>,
    /// Number of non-finite samples that have not been reported yet.
    not_finite: u64,
}

impl HopTable {
    #[expect(clippy::disallowed_macros, reason = "never called on the audio thread")]
    pub(super) fn new() -> Self {
        let empty = Slot { index: None, samples: [0.0; HOP] };
        Self { slots: vec![empty; SLOTS as usize].into_boxed_slice(), epoch: 0, rejected: None, not_finite: 0 }
    }

    /// Returns the newest accepted epoch.
    pub(super) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Returns the number of non-finite samples received since the last call.
    pub(super) fn take_not_finite(&mut self) -> u64 {
        std::mem::take(&mut self.not_finite)
    }

    /// Stores a hop that arrives while the playhead is at `frame`, unless it must be dropped.
    pub(super) fn receive(&mut self, hop: &Hop, frame: u64) -> HopOutcome {
        let (first, end) = (frame.div_ceil(HOP as u64), frame / HOP as u64 + SLOTS);
        if hop.epoch < self.epoch || self.rejected == Some(hop.epoch) {
            return HopOutcome::Dropped;
        }
        if hop.epoch > self.epoch {
            if hop.index < first {
                self.rejected = Some(hop.epoch);
                return HopOutcome::EpochRejected;
            }
            // From this hop on, the hops of earlier epochs belong to the replaced future.
            for slot in &mut self.slots {
                if slot.index.is_some_and(|index| index >= hop.index) {
                    slot.index = None;
                }
            }
            self.epoch = hop.epoch;
        }
        if (hop.index + 1) * HOP as u64 <= frame || hop.index >= end {
            return HopOutcome::Dropped;
        }
        let slot = &mut self.slots[(hop.index % SLOTS) as usize];
        slot.index = Some(hop.index);
        for (stored, sample) in slot.samples.iter_mut().zip(hop.samples) {
            *stored = if sample.is_finite() { sample.clamp(-MAX_SAMPLE, MAX_SAMPLE) } else { 0.0 };
            self.not_finite += u64::from(!sample.is_finite());
        }
        HopOutcome::Accepted
    }

    /// Returns the quantum that starts at `frame`, if its hop is present.
    pub(super) fn quantum(&self, frame: u64) -> Option<&[f32]> {
        let index = frame / HOP as u64;
        let slot = &self.slots[(index % SLOTS) as usize];
        let start = (frame % HOP as u64) as usize;
        (slot.index == Some(index)).then(|| &slot.samples[start..start + QUANTUM])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(index: u64, epoch: u32, value: f32) -> Hop {
        Hop { index, epoch, samples: [value; HOP] }
    }

    fn value(table: &HopTable, index: u64) -> Option<f32> {
        table.quantum(index * HOP as u64).map(|samples| samples[0])
    }

    #[test]
    fn hops_are_stored_by_index() {
        let mut table = HopTable::new();
        for index in [0, 2, 1] {
            assert_eq!(table.receive(&hop(index, 0, index as f32 / 8.0), 0), HopOutcome::Accepted);
        }
        assert_eq!(table.quantum(HOP as u64 + 64).unwrap()[0], 0.125);
        assert_eq!(value(&table, 2), Some(0.25));
        assert_eq!(value(&table, 3), None);
        assert_eq!(value(&table, SLOTS), None);
    }

    #[test]
    fn a_newer_epoch_replaces_the_hops_from_its_first_onwards() {
        let mut table = HopTable::new();
        for index in 0..8 {
            table.receive(&hop(index, 0, 0.1), 0);
        }
        assert_eq!(table.receive(&hop(4, 1, 0.2), 3 * HOP as u64 + 64), HopOutcome::Accepted);
        assert_eq!(value(&table, 3), Some(0.1));
        assert_eq!(value(&table, 4), Some(0.2));
        assert_eq!(value(&table, 5), None);
        assert_eq!(table.receive(&hop(5, 0, 0.1), 0), HopOutcome::Dropped);
        assert_eq!(table.epoch(), 1);
    }

    #[test]
    fn rejects_an_epoch_that_starts_in_the_past() {
        let mut table = HopTable::new();
        let frame = 4 * HOP as u64 + 64;
        for index in 0..8 {
            table.receive(&hop(index, 0, 0.1), 0);
        }
        assert_eq!(table.receive(&hop(4, 1, 0.2), frame), HopOutcome::EpochRejected);
        assert_eq!(table.receive(&hop(5, 1, 0.2), frame), HopOutcome::Dropped);
        assert_eq!(value(&table, 5), Some(0.1));
        assert_eq!(table.receive(&hop(6, 2, 0.3), frame), HopOutcome::Accepted);
        assert_eq!(value(&table, 6), Some(0.3));
    }

    #[test]
    fn drops_hops_out_of_range() {
        let mut table = HopTable::new();
        assert_eq!(table.receive(&hop(1, 0, 0.1), 2 * HOP as u64), HopOutcome::Dropped);
        assert_eq!(table.receive(&hop(SLOTS + 2, 0, 0.1), 2 * HOP as u64), HopOutcome::Dropped);
        assert_eq!(table.receive(&hop(SLOTS + 1, 0, 0.1), 2 * HOP as u64), HopOutcome::Accepted);
    }

    #[test]
    fn replaces_non_finite_samples_with_zero() {
        let mut table = HopTable::new();
        let mut bad = hop(0, 0, 9.0);
        bad.samples[1] = f32::NAN;
        bad.samples[2] = f32::NEG_INFINITY;
        table.receive(&bad, 0);
        assert_eq!(table.quantum(0).unwrap()[..4], [MAX_SAMPLE, 0.0, 0.0, MAX_SAMPLE]);
        assert_eq!(table.take_not_finite(), 2);
    }
}
