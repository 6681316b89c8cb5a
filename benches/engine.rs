//! Measures the time that the engine takes for a block of 256 frames (5.33 ms): with the piano alone, with the piano
//! alone while the engine's state is saved, and with all voices sounding.

use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use melos::engine::{Engine, EngineEnds, ports};
use melos::event::{EngineCommand, Hop, QueuedCommand, SaveRequest};
use melos::mel::HOP;
use melos::music::theory::Voice;
use ringbuf::traits::{Consumer, Producer};

/// Supplies the engine with hops to at least 16,384 frames past `frame`, and empties its tap.
fn push_hops(ends: &mut EngineEnds, pushed: &mut u64, frame: u64) {
    while *pushed * (HOP as u64) < frame + 16_384 {
        let samples = std::array::from_fn(|n| ((*pushed as usize * HOP + n) as f32 * 0.031).sin() * 0.3);
        assert!(ends.hops.try_push(Hop { index: *pushed, epoch: 0, samples }).is_ok());
        *pushed += 1;
    }
    ends.tap.clear();
}

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine");
    group.throughput(Throughput::Elements(256));
    for (name, notes, save_state) in
        [("piano alone", 0, false), ("piano alone, saving the engine's state", 0, true), ("all voices", 12, false)]
    {
        let (ports, mut ends) = ports();
        let mut engine = Engine::new(ports, Arc::default());
        for voice in Voice::ALL {
            for note in 0..notes {
                let command = EngineCommand::NoteOn { voice, note: 40 + 3 * note, velocity: 0.8 };
                assert!(ends.commands.try_push(QueuedCommand { number: 0, frame: 0, command }).is_ok());
            }
        }
        let (mut block, mut pushed, mut state) = ([0.0; 512], 0, vec![0; 1 << 20]);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let frame = engine.status().frame();
                push_hops(&mut ends, &mut pushed, frame);
                if save_state {
                    ends.state.pop_slice(&mut state);
                    ends.saved.clear();
                    assert!(ends.saves.try_push(SaveRequest { frame, commands: 0 }).is_ok());
                }
                engine.render(&mut block);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
