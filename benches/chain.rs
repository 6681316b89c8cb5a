//! Measures the time to generate one latent on one core, by stage and in total. A real-time factor is such a time divided
//! by the duration of a latent, 85.3 ms.
//!
//! `MELOS_BENCH_MODEL` selects a model other than the shipped one.
#![allow(missing_docs, reason = "criterion's macros generate public functions")]

use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use melos::files::SearchPath;
use melos::files::config::find_data;
use melos::generator::Generator;
use melos::generator::model::{Models, find_model, runtime};
use melos::generator::vocoder::{Istft, MelBlock, SpectralPeakVocoder, Vocoder};
use melos::mel::{BINS, FRAMES_PER_LATENT, HOP, LATENT_FRAMES};
use melos::music::emotion::{Emotion, Mood};
use melos::music::plan::Plan;
use melos::music::theory::Chord;

fn models() -> Models {
    let name = std::env::var("MELOS_BENCH_MODEL").unwrap_or_else(|_| "melos-piano".to_owned());
    let folder = find_model(&SearchPath::new(&find_data(None).expect("the data folder should exist")), &name)
        .expect("the model should exist");
    Models::load(runtime().expect("the runtime should be installed"), &folder).expect("the model should be valid")
}

/// Returns a block of mel frames that resembles music: the level decreases with frequency and varies from call to call.
fn mel(call: u32) -> MelBlock {
    std::array::from_fn(|i| -4.0 - (i % 128) as f32 / 32.0 + (call as f32 * 0.7 + i as f32 * 0.3).sin())
}

fn chain(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("one latent of 85.3 ms");
    group.throughput(Throughput::Elements(LATENT_FRAMES));

    let Models { mut composer, mut pianist, vocoder, .. } = models();
    group.bench_function("composer, start of a latent", |bencher| {
        bencher.iter(|| composer.transformer.run().expect("the network should run"));
    });
    group.bench_function("composer, one note", |bencher| {
        bencher.iter(|| {
            let graphs = [
                &mut composer.offset,
                &mut composer.voice,
                &mut composer.key,
                &mut composer.velocity,
                &mut composer.duration,
                &mut composer.note,
            ];
            graphs.into_iter().for_each(|graph| graph.run().expect("the network should run"));
        });
    });
    group.bench_function("pianist, prior", |bencher| {
        bencher.iter(|| pianist.prior.run().expect("the network should run"));
    });
    group.bench_function("pianist, decoder", |bencher| {
        bencher.iter(|| pianist.decoder.run().expect("the network should run"));
    });
    let mut call = 0;
    let mut bench_vocoder = |vocoder: &mut Vocoder, bencher: &mut criterion::Bencher<'_>| {
        bencher.iter(|| {
            call += 1;
            vocoder.step(&mel(call)).expect("the network should run").frames().count()
        });
    };
    if vocoder.is_some() {
        let mut vocoder = Vocoder::new(vocoder);
        group.bench_function("vocoder network", |bencher| bench_vocoder(&mut vocoder, bencher));
    }
    let mut rule_based = Vocoder::SpectralPeaks(Box::new(SpectralPeakVocoder::new()));
    group.bench_function("rule-based vocoder", |bencher| bench_vocoder(&mut rule_based, bencher));
    let mut istft = Istft::new();
    let (real, imag, mut hop) = ([0.1; BINS], [0.2; BINS], [0.0; HOP]);
    group.bench_function("inverse transform", |bencher| {
        bencher.iter(|| (0..FRAMES_PER_LATENT).for_each(|_| istft.push(&real, &imag, &mut hop)));
    });

    let mut generator = Generator::new(models()).expect("the networks should run");
    let chord = Chord::parse("Am").expect("the chord symbol should be valid");
    generator.follow(Arc::new(Plan::steady(7, Mood::pure(Emotion::Romantic), chord, 84.0)));
    let mut hops = Vec::new();
    group.bench_function("everything", |bencher| {
        bencher.iter(|| {
            hops.clear();
            generator.step(&mut hops).expect("the networks should run")
        });
    });
    group.finish();
}

criterion_group!(benches, chain);
criterion_main!(benches);
