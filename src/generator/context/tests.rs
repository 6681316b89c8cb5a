use std::path::Path;

use super::*;
use crate::generator::model::{LATENT_DIMS, Models, runtime};
use crate::generator::noise::noise;

fn tiny() -> Models {
    Models::load(runtime().unwrap(), Path::new("tests/fixtures/tiny-model")).unwrap()
}

/// Returns the conditions and noise of a step.
fn asked(step: u64) -> ([f32; CONDITION_COUNT], Latent) {
    let conditions = std::array::from_fn(|i| (step as f32 * 0.1 + i as f32).sin());
    (conditions, noise(5, step, 1.0, None))
}

fn step(context: &mut Context, cursor: Cursor, previous: &Latent) -> Latent {
    let (conditions, noise) = asked(cursor.position);
    context
        .step(
            cursor,
            previous,
            &StepInput { conditions: &conditions, reference: &[0.0; CONDITION_COUNT], noise: &noise, guidance: 2.0 },
        )
        .unwrap()
}

/// Generates latents from the start.
fn run(context: &mut Context, count: u64) -> Vec<Latent> {
    let mut latents = vec![[0.0; LATENT_DIMS]];
    for position in 0..count {
        let next = step(context, Cursor { position, begin: 0 }, latents.last().unwrap());
        latents.push(next);
    }
    latents
}

fn apart(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Generates the same without a ring: keeps all keys and values, and lays out those in the window anew, newest first.
fn run_without_ring(models: Models, count: u64) -> Vec<Latent> {
    let layout = models.manifest.context;
    let mut context = Context::new(models.transformer, layout);
    let mut rows: Vec<[Vec<f32>; 2]> = Vec::new();
    let mut latents = vec![[0.0; LATENT_DIMS]];
    for position in 0..count {
        let (conditions, noise) = asked(position);
        let graph = &mut context.graph;
        graph.input(port::Z).copy_from_slice(latents.last().unwrap());
        graph.input(port::START)[0] = if position == 0 { 1.0 } else { 0.0 };
        graph.input(port::CONDITIONS)[..CONDITION_COUNT].copy_from_slice(&conditions);
        graph.input(port::NOISE).copy_from_slice(&noise);
        graph.input(port::GUIDANCE)[0] = 2.0;
        let seen = rows.len().min(layout.window - 1);
        for (slot, row) in rows.iter().rev().take(seen).enumerate() {
            for (ring, values) in [port::K, port::V].into_iter().zip(row) {
                for (layer, values) in values.chunks_exact(values.len() / layout.layers).enumerate() {
                    for (head, values) in values.chunks_exact(layout.head_dim).enumerate() {
                        let at = (head * layout.slots + slot) * layout.head_dim;
                        graph.input(ring + 2 * layer)[at..at + layout.head_dim].copy_from_slice(values);
                    }
                }
            }
        }
        graph.input(port::MASK).fill(HIDDEN);
        graph.input(port::MASK)[..seen].fill(0.0);
        context.turn(position);
        context.graph.run().unwrap();
        rows.push([port::K_NEW, port::V_NEW].map(|row| context.graph.output(row).to_vec()));
        latents.push(context.graph.output(port::Z_NEXT).try_into().unwrap());
    }
    latents
}

#[test]
fn the_ring_matches_a_full_cache() {
    let models = tiny();
    let layout = models.manifest.context;
    let count = 2 * layout.slots as u64 + 20;
    let ours = run(&mut Context::new(models.transformer, layout), count);
    let theirs = run_without_ring(tiny(), count);
    for (position, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
        assert!(apart(ours, theirs) < 1e-4, "latent {position}: {}", apart(ours, theirs));
    }
}

#[test]
fn a_maximal_rollback_loses_nothing() {
    let models = tiny();
    let layout = models.manifest.context;
    let mut context = Context::new(models.transformer, layout);
    let back = crate::generator::model::ROLLBACK as u64;
    let count = 2 * layout.slots as u64;
    let first = run(&mut context, count);
    // A different future overwrites the slots ahead, then the first one is generated again.
    let mut other = [0.5; LATENT_DIMS];
    for position in count - back..count {
        other = step(&mut context, Cursor { position, begin: 0 }, &other);
    }
    let mut again = first[(count - back) as usize];
    for position in count - back..count {
        again = step(&mut context, Cursor { position, begin: 0 }, &again);
        assert_eq!(again, first[position as usize + 1], "latent {position}");
    }
}

#[test]
fn a_fresh_start_ignores_the_past() {
    let (models, others) = (tiny(), tiny());
    let layout = models.manifest.context;
    let mut context = Context::new(models.transformer, layout);
    run(&mut context, 50);
    let cursor = Cursor { position: 50, begin: 50 };
    let ours = step(&mut context, cursor, &[0.7; LATENT_DIMS]);
    let theirs = step(&mut Context::new(others.transformer, layout), cursor, &[0.0; LATENT_DIMS]);
    assert_eq!(ours, theirs);
}
