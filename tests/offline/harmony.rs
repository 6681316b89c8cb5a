//! Properties of the harmony for every emotion and any seed.

mod bars;
mod emotions;
mod options;

use melos::conductor::harmony::{BarPlan, BarRequest, Harmony, Note};
use melos::music::emotion::{Emotion, Mood};
use melos::music::form::MusicalForm;
use melos::music::theory::{Chord, Voice};

const BARS: u64 = 64;

fn request(bar: u64, emotion: Emotion) -> BarRequest {
    BarRequest {
        bar,
        beats: 4,
        mood: Mood::pure(emotion),
        tonic: 0,
        mode: None,
        lead: None,
        played: None,
        dynamics: 0.5,
        temperature: 1.0,
        recall: 0.0,
        form: MusicalForm::Free,
    }
}

fn chord(symbol: &str) -> Chord {
    Chord::parse(symbol).expect("the chord symbol should be valid")
}

/// Returns the chord that sounds at a beat.
fn chord_at(plan: &BarPlan, beat: f64) -> Chord {
    plan.chords.iter().rfind(|(at, _)| *at <= beat + 1e-9).expect("the first chord should be at beat 0").1
}

fn notes_of(plan: &BarPlan, voice: Voice) -> impl Iterator<Item = &Note> {
    plan.notes.iter().filter(move |note| note.voice == voice)
}

fn play(seed: u64, emotion: Emotion, tonic: u8, beats: u32) -> Vec<BarPlan> {
    let mut harmony = Harmony::new(seed);
    (0..BARS).map(|bar| harmony.plan_bar(&BarRequest { tonic, beats, ..request(bar, emotion) })).collect()
}
