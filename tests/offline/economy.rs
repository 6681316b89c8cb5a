//! Economy mode: what it changes, rollback across its beginning and end, and how far ahead the generator works.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::generator::{calm_generator, played};
use melos::engine::{Engine, EngineEnds, EngineStatus, ports};
use melos::event::Hop;
use melos::generator::{AHEAD, GeneratedLatent, Generator, Worker};
use melos::mel::{HOP, LATENT_FRAMES};
use melos::music::emotion::{Emotion, Mood};
use melos::music::glide::Glide;
use melos::music::plan::Plan;
use melos::music::theory::Chord;

fn plan(economy: bool) -> Plan {
    let mut plan = Plan::steady(7, Mood::pure(Emotion::Calm), Chord::parse("Am").unwrap(), 90.0);
    plan.steering.economy = economy;
    plan
}

fn generate(generator: &mut Generator, count: usize, hops: &mut Vec<Hop>) -> Vec<GeneratedLatent> {
    (0..count).map(|_| generator.step(hops).unwrap()).collect()
}

#[test]
fn economy_mode_changes_the_sound_and_the_guidance_of_the_notes() {
    let render = |economy: bool, guidance: f32| {
        let mut plan = plan(economy);
        plan.steering.guidance = Glide::constant(guidance);
        let mut generator = calm_generator();
        generator.follow(Arc::new(plan));
        let mut hops = Vec::new();
        let latents = generate(&mut generator, 200, &mut hops);
        (latents.into_iter().map(|latent| latent.written).collect::<Vec<_>>(), played(&hops))
    };
    let (economical, plain, guided) = (render(true, 6.0), render(false, 1.0), render(false, 6.0));
    assert!(economical.0 == plain.0, "the notes should be those without guidance");
    assert!(plain.0 != guided.0);
    assert!(economical.1 != plain.1, "the sound should differ");
}

#[test]
fn rollbacks_across_the_switch_give_the_same_bits() {
    let switch = |economy: bool, latent: u64, generator: &mut Generator| {
        let frame = latent * LATENT_FRAMES + 3 * HOP as u64;
        generator.replan(Arc::new(plan(economy)), frame, frame);
    };
    // Economy mode from latent 22 to latent 40. The vocoder's network is heard again from latent 47 on.
    let render = |rollbacks: &[(u64, usize, bool)]| {
        let (mut generator, mut hops) = (calm_generator(), Vec::new());
        generate(&mut generator, 26, &mut hops);
        switch(true, 22, &mut generator);
        generate(&mut generator, 22, &mut hops);
        switch(false, 40, &mut generator);
        generate(&mut generator, 14, &mut hops);
        let settled = generator.covered();
        for (latent, latents, economy) in rollbacks {
            switch(*economy, *latent, &mut generator);
            generate(&mut generator, *latents, &mut hops);
        }
        generate(&mut generator, 30, &mut hops);
        assert!(generator.covered() > settled);
        played(&hops)
    };
    let uninterrupted = render(&[]);
    for latent in [41, 43, 46, 47, 48, 52] {
        let rolled_back = render(&[(latent, 30, false)]);
        let (after, end) = ((latent * LATENT_FRAMES) as usize + 6 * HOP, uninterrupted.len());
        assert!(rolled_back[after..end] == uninterrupted[after..], "rolled back to latent {latent}");
    }
    // Economy mode for a moment, then a rollback to before it.
    let (rolled_back, end) = (render(&[(58, 12, true), (57, 30, false)]), uninterrupted.len());
    assert!(rolled_back[58 * LATENT_FRAMES as usize..end] == uninterrupted[58 * LATENT_FRAMES as usize..]);
}

#[test]
fn in_economy_mode_little_is_generated_ahead_of_frequent_splices() {
    const AFTER_SPLICE: u64 = 16_384;
    for economy in [false, true] {
        let (engine_ports, EngineEnds { hops, .. }) = ports();
        let status = Arc::new(EngineStatus::default());
        let worker = Worker::start(calm_generator(), hops, Arc::clone(&status), AHEAD).unwrap();
        let mut engine = Engine::new(engine_ports, Arc::clone(&status));
        let lead = || worker.status().covered().saturating_sub(status.frame());
        let wait_for = |reached: &dyn Fn() -> bool| {
            let started = Instant::now();
            while !reached() {
                assert!(started.elapsed().as_secs() < 30, "the lead is {}", lead());
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        wait_for(&|| lead() >= AHEAD);
        for _ in 0..6 {
            let (epoch, splice) = (worker.status().epoch(), (status.frame() + 4096).next_multiple_of(512));
            worker.plan(Arc::new(plan(economy)), Some(splice));
            wait_for(&|| worker.status().epoch() > epoch);
            for _ in 0..22 {
                wait_for(&|| lead() > 8192);
                engine.render(&mut [0.0; 1024]);
            }
            if economy {
                // Give the worker time to work too far ahead.
                std::thread::sleep(Duration::from_millis(50));
                assert!(lead() <= AFTER_SPLICE + LATENT_FRAMES, "{}", lead());
            } else {
                wait_for(&|| lead() > AFTER_SPLICE + LATENT_FRAMES);
            }
        }
        for _ in 0..94 {
            wait_for(&|| lead() > 8192);
            engine.render(&mut [0.0; 1024]);
        }
        wait_for(&|| lead() > 40_000);
    }
}
