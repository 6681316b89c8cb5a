//! Schedules plans and splices: limits how often the generator must roll back, and how late a change takes effect.

use serde::{Deserialize, Serialize};

use crate::mel;

const HOP: u64 = mel::HOP as u64;

/// Frames between the horizon and the earliest splice: 32 ms, enough for the generator to roll back and generate two
/// latents.
pub const SPLICE_LEAD: u64 = 1536;
/// Minimum number of frames between two splices: 117 ms. A rollback regenerates one or two latents, and moving a fader
/// causes hundreds of changes per second.
pub const SPLICE_INTERVAL: u64 = 5632;
/// Minimum number of frames between two splices in economy mode: 235 ms, since every splice discards music.
pub(super) const ECONOMY_SPLICE_INTERVAL: u64 = 2 * SPLICE_INTERVAL;
/// Minimum number of frames between a splice and a later one for a change of the lead chord or a note that the performer
/// plays: 43 ms, a little more than a crossfade. Playing a chord on a keyboard causes several changes within tens of milliseconds, and the last must not wait
/// long.
pub const LEAD_INTERVAL: u64 = 2048;

/// Combines changes into splices. A change at frame `f` leads to a splice no later than `f` + [`SPLICE_INTERVAL`] (or
/// [`LEAD_INTERVAL`]) + [`SPLICE_LEAD`] + one hop.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Splices {
    last: Option<u64>,
    due: Option<u64>,
    /// Whether the plan has been extended since it was last issued.
    extended: bool,
}

impl Splices {
    /// Requests a splice for a change at frame `now`, at least `interval` frames after the last splice.
    pub(super) fn request(&mut self, now: u64, interval: u64) {
        let earliest = self.last.map_or(now, |last| now.max(last + interval));
        self.due = Some(self.due.map_or(earliest, |due| due.min(earliest)));
    }

    /// Records that the plan has been extended.
    pub(super) const fn extend(&mut self) {
        self.extended = true;
    }

    /// Returns the frame at which the next plan is due. A plan without a splice may only extend the previous one, so while
    /// changes are pending, an extension waits for their splice.
    pub(super) fn plan_due(&self, now: u64) -> Option<u64> {
        self.due.or(self.extended.then_some(now))
    }

    /// Records that a plan is issued at a frame. Returns the frame of its splice if it contains changes.
    pub(super) fn issue(&mut self, now: u64) -> Option<u64> {
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
        fn splices_are_neither_too_frequent_nor_too_late(gaps in prop::collection::vec(0u64..20_000, 1..200)) {
            let mut splices = Splices::default();
            let (mut now, mut last, mut pending) = (0, None, None);
            for gap in gaps {
                let next = now + gap;
                if let Some(due) = splices.plan_due(now).filter(|due| *due < next) {
                    let splice = splices.issue(due).unwrap();
                    prop_assert_eq!(splice % HOP, 0);
                    prop_assert!(splice >= due + SPLICE_LEAD);
                    prop_assert!(last.is_none_or(|last| splice >= last + SPLICE_INTERVAL));
                    let change: u64 = pending.take().unwrap();
                    prop_assert!(splice <= change + SPLICE_INTERVAL + SPLICE_LEAD + HOP);
                    last = Some(splice);
                }
                now = next;
                pending.get_or_insert(now);
                splices.request(now, SPLICE_INTERVAL);
            }
        }
    }
}
