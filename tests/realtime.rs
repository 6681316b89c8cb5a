//! The engine never allocates or frees memory on the audio thread.
#![allow(clippy::unwrap_used, reason = "a failing helper fails the test")]

use std::sync::Arc;

use assert_no_alloc::{AllocDisabler, assert_no_alloc, reset_violation_count, violation_count};
use melos::engine::{Engine, EngineEnds, EnginePorts, QUANTUM, ports};
use melos::event::health::Loss;
use melos::event::parameter::{Kind, Param, TABLE};
use melos::event::{EngineCommand, Hop, QueuedCommand, SaveRequest, Saved};
use melos::mel::HOP;
use melos::music::theory::Voice;
use ringbuf::HeapRb;
use ringbuf::traits::{Consumer, Producer, Split};

#[global_allocator]
static ALLOCATOR: AllocDisabler = AllocDisabler;

/// Creates an engine and an output buffer, and resets the count of violations, which is kept per thread.
fn rig() -> (Engine, EngineEnds, Vec<f32>) {
    reset_violation_count();
    let (ports, ends) = ports();
    (Engine::new(ports, Arc::default()), ends, vec![0.0; 2 * 4096])
}

fn render(engine: &mut Engine, out: &mut [f32]) {
    assert_no_alloc(|| engine.render(out));
    assert_eq!(violation_count(), 0);
    assert!(out.iter().all(|sample| sample.is_finite()));
}

fn hop(index: u64, epoch: u32) -> Hop {
    let samples = std::array::from_fn(|n| ((index as usize * HOP + n) as f32 * 0.031).sin() * 0.3);
    Hop { index, epoch, samples }
}

fn every_command() -> Vec<EngineCommand> {
    let mut commands = vec![EngineCommand::Panic];
    for value in [0.0, 1.0, f32::NAN] {
        commands.push(EngineCommand::Expression(value));
    }
    for voice in Voice::ALL {
        for note in 0..=255 {
            commands.push(EngineCommand::NoteOn { voice, note, velocity: f32::from(note) / 255.0 });
        }
        for note in 0..=255 {
            commands.push(EngineCommand::NoteOff { voice, note });
        }
    }
    for spec in TABLE {
        if let Kind::Number { min, max, default } = spec.kind {
            commands.extend([min, max, default].map(|value| EngineCommand::Number(spec.param, value)));
        }
        commands.extend([true, false].map(|on| EngineCommand::Toggle(spec.param, on)));
    }
    commands.push(EngineCommand::Toggle(Param::Play, true));
    commands
}

#[test]
fn allocations_and_frees_are_detected() {
    reset_violation_count();
    let boxed = Box::new(1);
    assert_no_alloc(move || drop(boxed));
    assert!(violation_count() > 0);
    reset_violation_count();
    let boxed = assert_no_alloc(|| Box::new(1));
    assert!(violation_count() > 0);
    drop(boxed);
}

#[test]
fn no_command_allocates_whatever_the_block_length() {
    let (mut engine, mut ends, mut out) = rig();
    let mut pushed = 0;
    for (n, command) in every_command().into_iter().enumerate() {
        let frame = engine.status().frame();
        while pushed * (HOP as u64) < frame + 16_384 {
            assert!(ends.hops.try_push(hop(pushed, 0)).is_ok());
            pushed += 1;
        }
        assert!(ends.commands.try_push(QueuedCommand { number: 0, frame, command }).is_ok());
        let frames = [1, 63, 64, 65, 333, 7, 1024, 255][n % 8];
        render(&mut engine, &mut out[..2 * frames]);
        ends.events.clear();
        ends.tap.clear();
    }
    render(&mut engine, &mut out[..2 * 4096]);
    render(&mut engine, &mut out[..1]);
    render(&mut engine, &mut []);
}

#[test]
fn rendering_with_full_or_empty_rings_does_not_allocate() {
    let (mut engine, mut ends, mut out) = rig();
    for epoch in 0..40 {
        let frame = engine.status().frame();
        // Push as many hops and commands as fit, some hops too old and some too far ahead, then none for a while. Never
        // drain the engine's output rings.
        let first = (frame / HOP as u64).saturating_sub(3) + u64::from(epoch % 5);
        let mut index = first;
        while ends.hops.try_push(hop(index, epoch)).is_ok() {
            index += 1 + u64::from(index.is_multiple_of(17)) * 300;
        }
        while ends
            .commands
            .try_push(QueuedCommand { number: 0, frame, command: EngineCommand::Expression(0.5) })
            .is_ok()
        {}
        for _ in 0..12 {
            render(&mut engine, &mut out);
        }
    }
    let status = engine.status();
    assert!(status.rejected_epoch() > 0);
    for loss in [Loss::Starvations, Loss::Hops, Loss::Tap] {
        assert!(status.losses().count(loss) > 0, "{loss:?}");
    }
}

#[test]
fn rendering_with_dropped_ends_does_not_allocate() {
    let (mut engine, ends, mut out) = rig();
    drop(ends);
    for _ in 0..100 {
        render(&mut engine, &mut out[..2 * QUANTUM]);
    }
}

#[test]
fn saving_the_state_does_not_allocate_and_another_engine_continues_from_it() {
    let (mut engine, mut ends, mut out) = rig();
    let (mut second, mut second_ends, mut second_out) = rig();
    for command in
        every_command().into_iter().filter(|command| !matches!(command, EngineCommand::Toggle(Param::Hold, _)))
    {
        assert!(ends.commands.try_push(QueuedCommand { number: 0, frame: 0, command }).is_ok());
    }
    (0..80).for_each(|index| assert!(ends.hops.try_push(hop(index, 3)).is_ok()));
    render(&mut engine, &mut out);
    ends.tap.clear();
    // A frame that is not the first of its hop.
    let frame = 4096 + 5 * QUANTUM as u64;
    assert!(ends.saves.try_push(SaveRequest { frame, commands: 1 }).is_ok());
    render(&mut engine, &mut out[..10 * QUANTUM]);
    assert_eq!(ends.saved.try_pop(), None);
    render(&mut engine, &mut out);
    assert_eq!(ends.saved.try_pop(), Some(Saved { frame, complete: true }));
    let state: Vec<u8> = ends.state.pop_iter().collect();
    second.restore(postcard::from_bytes(&state).unwrap());
    assert_eq!(second.status().frame(), frame);
    (frame / HOP as u64..80).for_each(|index| assert!(second_ends.hops.try_push(hop(index, 0)).is_ok()));
    render(&mut second, &mut second_out);
    assert!(out.iter().any(|sample| sample.abs() > 0.01) && out == second_out);
}

#[test]
fn a_save_is_refused_if_it_is_late_or_a_command_is_pending_or_the_ring_is_full() {
    let command = |number| QueuedCommand { number, frame: 0, command: EngineCommand::Expression(0.5) };
    for (late, pending, ring_full, complete) in [
        (false, None, false, true),
        (true, None, false, false),
        (false, Some(6), false, false),
        (false, Some(7), false, true),
        (false, None, true, false),
    ] {
        let (mut engine, mut ends, mut out) = rig();
        if late {
            render(&mut engine, &mut out[..2 * QUANTUM]);
        }
        if let Some(number) = pending {
            assert!(ends.immediate.try_push(command(number)).is_ok());
        }
        assert!(ends.saves.try_push(SaveRequest { frame: 0, commands: 7 }).is_ok());
        if ring_full {
            let (full, _kept) = HeapRb::new(1000).split();
            drop(engine);
            let (ports, new_ends) = ports();
            ends = new_ends;
            engine = Engine::new(EnginePorts { state: full, ..ports }, Arc::default());
            assert!(ends.saves.try_push(SaveRequest { frame: 0, commands: 7 }).is_ok());
        }
        render(&mut engine, &mut out[..2 * QUANTUM]);
        assert_eq!(
            ends.saved.try_pop(),
            Some(Saved { frame: 0, complete }),
            "late: {late}, pending command: {pending:?}, ring full: {ring_full}"
        );
    }
}
