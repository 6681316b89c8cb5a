//! The KV cache of the composer's transformer: a ring that supports rollback.

use serde::{Deserialize, Serialize};

use crate::generator::model::{Context as Layout, Graph, frame as port};

/// Attention mask value that hides a slot.
const HIDDEN: f32 = -1e9;

/// The transformer's position: what a rollback must restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// Number of latents written; the position of the next.
    pub position: u64,
    /// The first position it can attend to; equal to `position` after a restart.
    pub begin: u64,
}

/// Slot `position % slots` holds a position's keys and values until `slots` later ones have been written. A step sees
/// `window − 1` of them, so a rollback of up to `slots − window` positions needs only a new [`Cursor`]: slots ahead of it
/// are hidden until they are overwritten.
#[derive(Debug)]
pub(super) struct Ring {
    layout: Layout,
    /// Rotary frequencies in radians per position, for one half of a head.
    frequencies: Vec<f64>,
}

impl Ring {
    pub(super) fn new(layout: Layout) -> Self {
        let half = layout.head_dim / 2;
        let frequencies = (0..half).map(|i| layout.rope_base.powf(-(i as f64) / half as f64)).collect();
        Self { layout, frequencies }
    }

    /// The graph's inputs that hold the keys and values.
    pub(super) fn tensors(&self) -> std::ops::Range<usize> {
        port::K..port::K + 2 * self.layout.layers
    }

    /// Prepares a graph's inputs for the step at a cursor: the visible positions and the rotary angles.
    pub(super) fn prepare(&self, graph: &mut Graph, Cursor { position, begin }: Cursor) {
        let first = begin.max((position + 1).saturating_sub(self.layout.window as u64));
        let mask = graph.input(port::MASK);
        mask.fill(HIDDEN);
        for past in first..position {
            mask[(past % self.layout.slots as u64) as usize] = 0.0;
        }
        let half = self.frequencies.len();
        for (i, frequency) in self.frequencies.iter().enumerate() {
            let (sin, cos) = (position as f64 * frequency).sin_cos();
            for at in [i, i + half] {
                graph.input(port::COS)[at] = cos as f32;
                graph.input(port::SIN)[at] = sin as f32;
            }
        }
    }

    /// Stores a step's new keys and values in the position's slot.
    pub(super) fn store(&self, graph: &mut Graph, position: u64) {
        let Layout { slots, layers, head_dim, .. } = self.layout;
        let slot = (position % slots as u64) as usize;
        for layer in 0..layers {
            for (ring, row) in [(port::K, port::K_NEW), (port::V, port::V_NEW)] {
                let (ring, rows) = graph.pair(ring + 2 * layer, row);
                let row = &rows[layer * rows.len() / layers..][..rows.len() / layers];
                for (head, new) in row.chunks_exact(head_dim).enumerate() {
                    let at = (head * slots + slot) * head_dim;
                    ring[at..at + head_dim].copy_from_slice(new);
                }
            }
        }
    }
}
