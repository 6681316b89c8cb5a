//! Onsets in the network's piano, reported when they are heard.

use std::collections::BTreeMap;

use crate::mel::HOP;

/// Mel frames on either side among which an onset must be the strongest: a note's rise takes two or three.
const AROUND: u64 = 2;

/// Onset strengths by mel frame, starting slightly before the play head.
#[derive(Debug, Default)]
pub(super) struct Onsets {
    waiting: BTreeMap<u64, f32>,
    /// The next mel frame to check.
    next: u64,
}

impl Onsets {
    /// Adds a latent's strengths from frame `from` on, replacing everything after it.
    pub(super) fn expect(&mut self, from: u64, onsets: &[f32]) {
        let first = from / HOP as u64;
        self.waiting.split_off(&first);
        self.waiting.extend((first..).zip(onsets.iter().copied()).filter(|(_, onset)| *onset > 0.0));
    }

    /// Strengths of the onsets before a frame that were not returned yet.
    pub(super) fn due_by(&mut self, frame: u64) -> Vec<f32> {
        let end = (frame / HOP as u64).max(self.next);
        let given = self.waiting.range(self.next..end).filter(|(index, onset)| {
            let mut around = self.waiting.range(index.saturating_sub(AROUND)..=*index + AROUND);
            // The first of equals.
            around.all(|(other, strength)| if other < index { strength < onset } else { strength <= onset })
        });
        let given = given.map(|(_, onset)| *onset).collect();
        self.next = end;
        self.waiting = self.waiting.split_off(&end.saturating_sub(AROUND));
        given
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_onset_is_reported_once_at_its_frame() {
        let mut onsets = Onsets::default();
        onsets.expect(0, &[0.0, 0.2, 0.5, 0.3, 0.0, 0.0, 0.0, 0.9]);
        onsets.expect(4096, &[0.9, 0.0, 0.0, 0.4, 0.0, 0.0, 0.0, 0.0]);
        assert!(onsets.due_by(2 * 512).is_empty());
        assert_eq!(onsets.due_by(3 * 512), [0.5]);
        assert!(onsets.due_by(3 * 512).is_empty());
        assert_eq!(onsets.due_by(16 * 512), [0.9, 0.4]);
    }

    #[test]
    fn a_new_future_replaces_pending_onsets() {
        let mut onsets = Onsets::default();
        onsets.expect(0, &[0.0; 8]);
        onsets.expect(4096, &[0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        onsets.expect(4096, &[0.0, 0.0, 0.0, 0.0, 0.0, 0.6, 0.0, 0.0]);
        assert_eq!(onsets.due_by(8192), [0.6]);
    }
}
