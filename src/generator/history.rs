//! Snapshots of the generator's state for rollback.

use std::collections::VecDeque;

use super::composer::ComposerState;
use super::pianist::PianistState;
use super::stall_detector::StallDetector;
use crate::generator::model::ROLLBACK;
use crate::generator::vocoder::OVERLAP;

/// The small state that changes with every latent.
#[derive(Debug, Clone)]
pub(super) struct State {
    /// Index of the next latent on the timeline.
    pub latent: u64,
    /// The composer's state.
    pub composer: ComposerState,
    /// The pianist's state.
    pub pianist: PianistState,
    /// Recent onsets.
    pub stall: StallDetector,
}

impl State {
    /// Returns the state before the first latent of a performance, which may start anywhere on the timeline.
    pub(super) fn start(latent: u64, composer: ComposerState) -> Self {
        Self { latent, composer, pianist: PianistState::default(), stall: StallDetector::new() }
    }
}

/// Everything needed to return to a latent, except for the composer's ring and memory, which rewind by themselves.
#[derive(Debug, Clone)]
pub(super) struct Snapshot {
    pub state: State,
    /// States of the pianist's networks.
    pub pianist: [Vec<f32>; 2],
    pub vocoder: Vec<f32>,
    pub overlap: [f32; OVERLAP],
}

/// The latest snapshots, one taken before each latent.
#[derive(Debug, Default)]
pub(super) struct History {
    snapshots: VecDeque<Snapshot>,
    /// Whether older snapshots have been discarded.
    forgot: bool,
}

impl History {
    pub(super) fn push(&mut self, snapshot: Snapshot) {
        if self.snapshots.len() == ROLLBACK {
            self.snapshots.pop_front();
            self.forgot = true;
        }
        self.snapshots.push_back(snapshot);
    }

    /// Removes and returns the snapshot before a latent, or the next one if the latent was skipped, and discards the later
    /// ones. Returns `None` if it is too old or never existed.
    pub(super) fn rewind(&mut self, latent: u64) -> Option<Snapshot> {
        let index = self.snapshots.partition_point(|snapshot| snapshot.state.latent < latent);
        let before_all = index == 0 && self.snapshots.front().is_some_and(|first| first.state.latent > latent);
        if before_all && self.forgot {
            return None;
        }
        self.snapshots.truncate(index + 1);
        if index < self.snapshots.len() { self.snapshots.pop_back() } else { None }
    }

    /// Discards all snapshots, so that no rollback to before this point is possible.
    pub(super) fn forget(&mut self) {
        self.snapshots.clear();
        self.forgot = true;
    }

    /// Removes and returns the last snapshot.
    pub(super) fn pop(&mut self) -> Option<Snapshot> {
        self.snapshots.pop_back()
    }
}
