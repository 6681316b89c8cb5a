//! Generates music in one emotion, decodes the same music in one piece, and measures the seams.

use melos::conductor::{Conductor, PlanUpdate, Score};
use melos::event::parameter::{Param, Value};
use melos::generator::Generator;
use melos::generator::model::Models;
use melos::mel::{HOP, LATENT_FRAMES};
use melos::music::emotion::Emotion;
use melos_corpus::analysis::seams::{Seams, decode_whole, measure};

/// The first hop completed by a latent precedes the latent's own frames by this many hops.
const LEAD_HOPS: usize = 6;

/// Generates `seconds` seconds of music in one emotion and measures the seams between its segments.
pub(crate) fn seams_of(emotion: Emotion, seconds: f64, models: impl Fn() -> Models) -> Seams {
    let mut generator = Generator::new(models()).expect("the networks should run");
    let mut conductor = Conductor::new(7, &[(Param::Emotion, Value::Choice(emotion as u8))]);
    let (mut score, mut hops) = (Score::default(), Vec::new());
    let (mut played, mut blocks) = (Vec::new(), Vec::new());
    let length = (seconds * 48_000.0) as usize;
    while played.len() < length {
        conductor.advance(generator.covered() + 1, &mut score);
        for PlanUpdate { plan, splice } in score.plans.drain(..) {
            assert_eq!(splice, None, "without changes, nothing should be regenerated");
            generator.follow(plan);
        }
        score.clear();
        let latent = generator.step(&mut hops).expect("the networks should run");
        conductor.record_chroma(latent.from, &latent.chroma);
        blocks.push(latent.mel);
        played.extend(hops.drain(..).flat_map(|hop| hop.samples));
    }
    let decoded_whole = decode_whole(models(), &blocks).expect("the networks should run");
    let segment = LATENT_FRAMES as usize;
    measure(&played, &decoded_whole, (1..blocks.len()).map(|latent| latent * segment - LEAD_HOPS * HOP))
}
