//! The KV cache of the composer's transformer, a ring buffer that supports rollback.

use serde::{Deserialize, Serialize};

use crate::generator::model::{Graph, TransformerLayout, transformer as port};

/// Attention mask value that hides a slot.
const MASKED: f32 = -1e9;

/// The transformer's position in the sequence of latents, which a rollback must restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// Number of latents written, and thus the position of the next.
    pub position: u64,
    /// The first position that the transformer can attend to; a restart sets it to `position`.
    pub start: u64,
}

/// Manages the cache, which is stored in the graph's inputs. Slot `position % slots` holds the keys and values of a position
/// until they are overwritten `slots` positions later. A step attends to `window − 1` earlier positions, so a rollback of up to
/// `slots − window` positions needs only a new [`Cursor`]: slots ahead of the cursor are masked until they are overwritten.
#[derive(Debug)]
pub(super) struct KvCache {
    layout: TransformerLayout,
    /// Rotary frequencies in radians per position, for one half of a head.
    frequencies: Vec<f64>,
}

impl KvCache {
    pub(super) fn new(layout: TransformerLayout) -> Self {
        let half = layout.head_dim / 2;
        let frequencies = (0..half).map(|i| layout.rope_base.powf(-(i as f64) / half as f64)).collect();
        Self { layout, frequencies }
    }

    /// Returns the indices of the graph's inputs that hold the keys and values.
    pub(super) fn tensors(&self) -> std::ops::Range<usize> {
        port::K..port::K + 2 * self.layout.layers
    }

    /// Writes the inputs that depend on the cursor: the attention mask and the rotary angles.
    pub(super) fn prepare(&self, graph: &mut Graph, Cursor { position, start }: Cursor) {
        let first = start.max((position + 1).saturating_sub(self.layout.window as u64));
        let mask = graph.input(port::MASK);
        mask.fill(MASKED);
        for earlier in first..position {
            mask[(earlier % self.layout.slots as u64) as usize] = 0.0;
        }
        let half = self.frequencies.len();
        for (i, frequency) in self.frequencies.iter().enumerate() {
            let (sin, cos) = (position as f64 * frequency).sin_cos();
            for index in [i, i + half] {
                graph.input(port::COS)[index] = cos as f32;
                graph.input(port::SIN)[index] = sin as f32;
            }
        }
    }

    /// Stores a step's new keys and values in the slot of `position`.
    pub(super) fn store(&self, graph: &mut Graph, position: u64) {
        let TransformerLayout { slots, layers, head_dim, .. } = self.layout;
        let slot = (position % slots as u64) as usize;
        for layer in 0..layers {
            for (tensor, row) in [(port::K, port::K_NEW), (port::V, port::V_NEW)] {
                let (tensor, rows) = graph.input_and_output(tensor + 2 * layer, row);
                let row = &rows[layer * rows.len() / layers..][..rows.len() / layers];
                for (head, new) in row.chunks_exact(head_dim).enumerate() {
                    let start = (head * slots + slot) * head_dim;
                    tensor[start..start + head_dim].copy_from_slice(new);
                }
            }
        }
    }
}
