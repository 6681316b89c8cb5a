//! What the generator was before each of the last latents.

use std::collections::VecDeque;

use super::context::Cursor;
use super::stall_detector::StallDetector;
use crate::generator::model::{LATENT_DIMS, Latent, ROLLBACK};
use crate::generator::vocoder::OVERLAP;

/// Everything small that changes from latent to latent.
#[derive(Debug, Clone, Copy)]
pub(super) struct State {
    /// The latent to come, counted on the time line.
    pub latent: u64,
    /// Where the transformer stands.
    pub cursor: Cursor,
    /// The latent before.
    pub z: Latent,
    /// What was heard of late.
    pub stall: StallDetector,
}

impl State {
    /// The first latent of a performance, though it may come late on the time line.
    pub(super) fn start(latent: u64) -> Self {
        Self { latent, cursor: Cursor::default(), z: [0.0; LATENT_DIMS], stall: StallDetector::new() }
    }
}

/// What is needed to be at a latent again; the transformer's ring is not part of it.
#[derive(Debug, Clone)]
pub(super) struct Snapshot {
    pub state: State,
    pub decoder: Vec<f32>,
    pub vocoder: Vec<f32>,
    pub overlap: [f32; OVERLAP],
}

/// The last snapshots, one before every latent.
#[derive(Debug, Default)]
pub(super) struct History {
    snapshots: VecDeque<Snapshot>,
    /// Whether older ones were forgotten.
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

    /// Takes out the snapshot before a latent and forgets the later ones; in a gap of the time line the one after it.
    /// `None` when it was too long ago or never was.
    pub(super) fn rewind(&mut self, latent: u64) -> Option<Snapshot> {
        let index = self.snapshots.partition_point(|snapshot| snapshot.state.latent < latent);
        let before_all = index == 0 && self.snapshots.front().is_some_and(|first| first.state.latent > latent);
        if before_all && self.forgot {
            return None;
        }
        self.snapshots.truncate(index + 1);
        if index < self.snapshots.len() { self.snapshots.pop_back() } else { None }
    }

    /// Forgets everything: nothing before can be gone back to.
    pub(super) fn forget(&mut self) {
        self.snapshots.clear();
        self.forgot = true;
    }

    /// Takes out the last snapshot.
    pub(super) fn pop(&mut self) -> Option<Snapshot> {
        self.snapshots.pop_back()
    }
}
