//! The transformer's step and its KV cache: a ring that supports rollback.

use crate::generator::model::{Context as Layout, Graph, Latent, ModelError, transformer as port};
use crate::music::conditions::CONDITION_COUNT;

/// Attention mask value that hides a slot.
const HIDDEN: f32 = -1e9;

/// The transformer's position: what a rollback must restore besides the previous latent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Cursor {
    /// Number of latents generated; the position of the next.
    pub position: u64,
    /// The first position it can attend to; equal to `position` on a fresh start.
    pub begin: u64,
}

/// Inputs of one step.
#[derive(Debug)]
pub(super) struct StepInput<'a> {
    pub conditions: &'a [f32; CONDITION_COUNT],
    /// Reference that the guidance leads away from.
    pub reference: &'a [f32; CONDITION_COUNT],
    /// Noise, shaped by temperature.
    pub noise: &'a Latent,
    /// Extrapolation from the reference to the conditions; 1 is at the conditions.
    pub guidance: f32,
}

/// The transformer and its ring. Slot `position % slots` holds a position's keys and values until `slots` later ones
/// have been generated. A step sees `window − 1` of them, so a rollback of up to `slots − window` positions needs only a
/// new [`Cursor`]: slots ahead of it are hidden until they are overwritten.
#[derive(Debug)]
pub(super) struct Context {
    graph: Graph,
    layout: Layout,
    /// Rotary frequencies in radians per position, for one half of a head.
    frequencies: Vec<f64>,
}

impl Context {
    pub(super) fn new(graph: Graph, layout: Layout) -> Self {
        let half = layout.head_dim / 2;
        let frequencies = (0..half).map(|i| layout.rope_base.powf(-(i as f64) / half as f64)).collect();
        Self { graph, layout, frequencies }
    }

    /// Generates the latent after `previous` at a cursor, and stores its keys and values there.
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

    /// Unmasks the positions from `begin` on that are in the window before `position`.
    fn look_back(&mut self, begin: u64, position: u64) {
        let first = begin.max((position + 1).saturating_sub(self.layout.window as u64));
        let mask = self.graph.input(port::MASK);
        mask.fill(HIDDEN);
        for past in first..position {
            mask[(past % self.layout.slots as u64) as usize] = 0.0;
        }
    }

    /// Sets the rotary angles of a position, identical for the two halves of a head.
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

    /// Stores the new keys and values in the position's slot.
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
