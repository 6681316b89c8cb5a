//! Tests of the conductor's interface: scripted events in, scores out.

mod bars;
mod harmony;
mod invariants;
mod replay;
mod steering;
mod tempo;

use super::*;
use crate::event::Notice;
use crate::event::TimedCommand;
use crate::event::parameter::{Saved, TABLE};
use crate::units::SAMPLE_RATE;

/// One second.
const SECOND: u64 = SAMPLE_RATE as u64;

fn set(param: Param, value: f32) -> ControlEvent {
    ControlEvent::Set(param, Value::Number(value))
}

fn choose(param: Param, choice: u8) -> ControlEvent {
    ControlEvent::Set(param, Value::Choice(choice))
}

fn write(param: Param, text: &str) -> ControlEvent {
    ControlEvent::Set(param, Value::Text(text.to_owned()))
}

fn trigger(param: Param) -> ControlEvent {
    ControlEvent::Set(param, Value::Trigger)
}

fn hold(notes: &[u8]) -> ControlEvent {
    ControlEvent::LeadNotes(notes.iter().fold(0, |set, note| set | 1 << note))
}

/// A conductor at a fixed tempo, so that beats fall on known frames.
fn at_tempo(bpm: f32) -> Conductor {
    Conductor::new(7, &[(Param::Tempo, Value::Number(bpm))])
}

/// Chroma of a network that emphasises one pitch class per latent, as a function of the latent alone.
fn chroma(latent: u64) -> [f32; 12] {
    let mut chroma = [0.1; 12];
    chroma[(latent * 7 % 12) as usize] = 1.0;
    chroma
}

/// Plays a script until a frame, in chunks of the given lengths (over and over); events fall on chunk boundaries.
fn play(mut conductor: Conductor, script: &[(u64, ControlEvent)], until: u64, chunks: &[u64]) -> (Conductor, Score) {
    let mut score = Score::default();
    let mut script = script.iter().peekable();
    let mut chunks = chunks.iter().cycle();
    let mut latents = 0;
    while conductor.frame() < until {
        while let Some((_, event)) = script.next_if(|(frame, _)| *frame <= conductor.frame()) {
            let _ = conductor.apply(event);
            conductor.take_immediate(&mut score);
        }
        let chunk = conductor.frame() + *chunks.next().expect("the chunks never end");
        let end = script.peek().map_or(until, |(frame, _)| until.min(*frame)).min(chunk.max(conductor.frame() + 1));
        while latents * 4096 < end + SECOND {
            conductor.listen(latents * 4096, &chroma(latents));
            latents += 1;
        }
        conductor.advance(end, &mut score);
    }
    (conductor, score)
}

/// Frames of the splices, in order.
fn splices(score: &Score) -> Vec<u64> {
    score.plans.iter().filter_map(|update| update.splice).collect()
}

/// Frames and values of the engine's commands for a numeric parameter.
fn numbers(score: &Score, param: Param) -> Vec<(u64, f32)> {
    let of_param = |timed: &TimedCommand| match timed.command {
        EngineCommand::Number(other, value) if other == param => Some((timed.frame, value)),
        _ => None,
    };
    score.commands.iter().filter_map(of_param).collect()
}
