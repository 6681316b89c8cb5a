//! Decides when plans are handed to the generator and when it rolls back for them: neither too late nor too often.

use serde::{Deserialize, Serialize};

use crate::mel;

const HOP: u64 = mel::HOP as u64;

/// Frames between the horizon and the earliest splice, in which the generator can roll back and render two latents:
/// 32 ms.
pub const SPLICE_LEAD: u64 = 1536;
/// Minimum frames between two splices: 117 ms. A rollback costs a latent or two of work, and moving a fader makes
/// hundreds of changes per second.
pub const SPLICE_INTERVAL: u64 = 5632;
/// Minimum frames before a change of the lead chord: 43 ms, a little more than a crossfade. A chord played on a
/// keyboard causes several changes within tens of milliseconds, of which the last must not wait.
pub const LEAD_INTERVAL: u64 = 2048;

/// Collects changes into splices. A change at frame `f` yields a splice at or before `f` + [`SPLICE_INTERVAL`] (or
/// [`LEAD_INTERVAL`]) + [`SPLICE_LEAD`] + one hop.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Splices {
    last: Option<u64>,
    due: Option<u64>,
    /// Whether the plan is longer than the last one handed out.
    extended: bool,
}

impl Splices {
    /// Reports a change at a frame that matters to the network; `interval` frames must pass since the last splice.
    pub(super) fn want(&mut self, now: u64, interval: u64) {
        let earliest = self.last.map_or(now, |last| now.max(last + interval));
        self.due = Some(self.due.map_or(earliest, |due| due.min(earliest)));
    }

    /// Reports that the plan has become longer.
    pub(super) const fn extend(&mut self) {
        self.extended = true;
    }

    /// The frame at which the next plan is due. One that is merely longer must not include changes, so it waits for
    /// their splice.
    pub(super) fn plan_due(&self, now: u64) -> Option<u64> {
        self.due.or(self.extended.then_some(now))
    }

    /// Hands out a plan; returns the frame of its splice, if it contains changes.
    pub(super) fn hand_out(&mut self, now: u64) -> Option<u64> {
        self.extended = false;
        self.due.take_if(|due| *due <= now)?;
        self.last = Some(now);
        Some((now + SPLICE_LEAD).next_multiple_of(HOP))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn splices_keep_their_distance_and_none_is_late(gaps in prop::collection::vec(0u64..20_000, 1..200)) {
            let mut splices = Splices::default();
            let (mut now, mut last, mut waiting) = (0, None, None);
            for gap in gaps {
                let next = now + gap;
                if let Some(due) = splices.plan_due(now).filter(|due| *due < next) {
                    let splice = splices.hand_out(due).unwrap();
                    prop_assert_eq!(splice % HOP, 0);
                    prop_assert!(splice >= due + SPLICE_LEAD);
                    prop_assert!(last.is_none_or(|last| splice >= last + SPLICE_INTERVAL));
                    let change: u64 = waiting.take().unwrap();
                    prop_assert!(splice <= change + SPLICE_INTERVAL + SPLICE_LEAD + HOP);
                    last = Some(splice);
                }
                now = next;
                waiting.get_or_insert(now);
                splices.want(now, SPLICE_INTERVAL);
            }
        }
    }
}
