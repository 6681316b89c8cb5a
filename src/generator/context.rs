//! The transformer's step and its memory of the past: a ring of keys and values that can be rolled back.

use crate::generator::model::{Context as Layout, Graph, Latent, ModelError, transformer as port};
use crate::music::conditions::CONDITION_COUNT;

/// What hides a slot from attention.
const HIDDEN: f32 = -1e9;

/// Where the transformer stands: what a roll-back must restore besides the previous latent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Cursor {
    /// Latents decided so far; the position of the next.
    pub position: u64,
    /// The first position it may look back to; equal to `position` when it starts afresh.
    pub begin: u64,
}

/// What one step is given.
#[derive(Debug)]
pub(super) struct StepInput<'a> {
    pub conditions: &'a [f32; CONDITION_COUNT],
    /// What the guidance leads away from.
    pub reference: &'a [f32; CONDITION_COUNT],
    /// Noise, shaped by temperature.
    pub noise: &'a Latent,
    /// How far to go from the reference to the conditions, 1 being there.
    pub guidance: f32,
}

/// The transformer and its ring. Slot `position % slots` holds a position's keys and values until `slots` later ones
/// were decided. A step sees `window − 1` of them, so going back up to `slots − window` positions only takes another
/// [`Cursor`]: what lies ahead of it is hidden until it is overwritten.
#[derive(Debug)]
pub(super) struct Context {
    graph: Graph,
    layout: Layout,
    /// Turns per position, in radians, of one half of a head.
    frequencies: Vec<f64>,
}

impl Context {
    pub(super) fn new(graph: Graph, layout: Layout) -> Self {
        let half = layout.head_dim / 2;
        let frequencies = (0..half).map(|i| layout.rope_base.powf(-(i as f64) / half as f64)).collect();
        Self { graph, layout, frequencies }
    }

    /// The latent after `previous` at a cursor; remembers its keys and values there.
    pub(super) fn step(
        &mut self,
        cursor: Cursor,
        previous: &Latent,
        input: &StepInput<'_>,
    ) -> Result<Latent, ModelError> {
        let Cursor { position, begin } = cursor;
        let graph = &mut self.graph;
        graph.input(port::Z).copy_from_slice(previous);
        graph.input(port::START)[0] = f32::from(u8::from(position == begin));
        graph.input(port::CONDITIONS)[..CONDITION_COUNT].copy_from_slice(input.conditions);
        graph.input(port::CONDITIONS)[CONDITION_COUNT..].copy_from_slice(input.reference);
        graph.input(port::NOISE).copy_from_slice(input.noise);
        graph.input(port::GUIDANCE)[0] = input.guidance;
        self.look_back(begin, position);
        self.turn(position);
        self.graph.run()?;
        self.remember(position);
        let mut next = Latent::default();
        next.copy_from_slice(self.graph.output(port::Z_NEXT));
        Ok(next)
    }

    /// Shows the positions from `begin` on that lie in the window before `position`.
    fn look_back(&mut self, begin: u64, position: u64) {
        let first = begin.max((position + 1).saturating_sub(self.layout.window as u64));
        let mask = self.graph.input(port::MASK);
        mask.fill(HIDDEN);
        for past in first..position {
            mask[(past % self.layout.slots as u64) as usize] = 0.0;
        }
    }

    /// Rotary angles of a position, the two halves of a head alike.
    fn turn(&mut self, position: u64) {
        let half = self.frequencies.len();
        for (i, frequency) in self.frequencies.iter().enumerate() {
            let (sin, cos) = (position as f64 * frequency).sin_cos();
            for at in [i, i + half] {
                self.graph.input(port::COS)[at] = cos as f32;
                self.graph.input(port::SIN)[at] = sin as f32;
            }
        }
    }

    /// Puts the new keys and values into the position's slot.
    fn remember(&mut self, position: u64) {
        let Layout { slots, layers, head_dim, .. } = self.layout;
        let slot = (position % slots as u64) as usize;
        for layer in 0..layers {
            for (ring, row) in [(port::K, port::K_NEW), (port::V, port::V_NEW)] {
                let (ring, rows) = self.graph.pair(ring + 2 * layer, row);
                let row = &rows[layer * rows.len() / layers..][..rows.len() / layers];
                for (head, new) in row.chunks_exact(head_dim).enumerate() {
                    let at = (head * slots + slot) * head_dim;
                    ring[at..at + head_dim].copy_from_slice(new);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
