//! Snapshots of the generator's state for rollback.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::composer::ComposerState;
use super::pianist::PianistState;
use super::stall_detector::StallDetector;
use crate::bytes;
use crate::generator::model::ROLLBACK;
use crate::generator::vocoder::{OVERLAP, VocoderState};

/// The generator's state between two latents, excluding the internal states of the networks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct State {
    /// Index of the next latent on the timeline.
    pub latent: u64,
    pub composer: ComposerState,
    pub pianist: PianistState,
    pub stall_detector: StallDetector,
}

impl State {
    /// Returns the state of a performance that starts with `latent`.
    pub(super) fn start(latent: u64, composer: ComposerState) -> Self {
        Self { latent, composer, pianist: PianistState::default(), stall_detector: StallDetector::new() }
    }
}

/// Everything needed to return to a latent, except the composer's KV cache, memory and servo, which are rewound separately.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Snapshot {
    pub state: State,
    /// States of the pianist's networks.
    pub pianist: [Vec<f32>; 2],
    pub vocoder: VocoderState,
    #[serde(with = "bytes")]
    pub overlap: [f32; OVERLAP],
}

impl Snapshot {
    /// Returns whether both snapshots belong to networks of the same dimensions.
    pub(super) fn fits(&self, other: &Self) -> bool {
        let sizes = |Self { state, pianist, .. }: &Self| (state.composer.width(), pianist.each_ref().map(Vec::len));
        sizes(self) == sizes(other) && self.vocoder.fits(&other.vocoder)
    }
}

/// The latest snapshots, each taken before a latent was generated.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct History {
    snapshots: VecDeque<Snapshot>,
    /// Whether older snapshots have been discarded.
    truncated: bool,
}

impl History {
    pub(super) fn push(&mut self, snapshot: Snapshot) {
        if self.snapshots.len() == ROLLBACK {
            self.snapshots.pop_front();
            self.truncated = true;
        }
        self.snapshots.push_back(snapshot);
    }

    /// Removes and returns the snapshot taken before a latent, or the next one if the latent was skipped, and discards all
    /// later snapshots. Returns `None` if that snapshot has been discarded or was never taken.
    pub(super) fn rewind(&mut self, latent: u64) -> Option<Snapshot> {
        let index = self.snapshots.partition_point(|snapshot| snapshot.state.latent < latent);
        let before_all = index == 0 && self.snapshots.front().is_some_and(|first| first.state.latent > latent);
        if before_all && self.truncated {
            return None;
        }
        self.snapshots.truncate(index + 1);
        if index < self.snapshots.len() { self.snapshots.pop_back() } else { None }
    }

    /// Returns a copy with the snapshots from a latent onwards.
    pub(super) fn since(&self, latent: u64) -> Self {
        let snapshots: VecDeque<_> =
            self.snapshots.iter().filter(|snapshot| snapshot.state.latent >= latent).cloned().collect();
        Self { truncated: self.truncated || snapshots.len() < self.snapshots.len(), snapshots }
    }

    /// Returns whether all snapshots belong to networks of the same dimensions as `other`.
    pub(super) fn fits(&self, other: &Snapshot) -> bool {
        self.snapshots.iter().all(|snapshot| snapshot.fits(other))
    }

    /// Discards all snapshots, so that no rollback beyond this point is possible.
    pub(super) fn clear(&mut self) {
        self.snapshots.clear();
        self.truncated = true;
    }

    /// Removes and returns the last snapshot.
    pub(super) fn pop(&mut self) -> Option<Snapshot> {
        self.snapshots.pop_back()
    }
}
