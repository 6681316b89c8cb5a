//! Tests of the conductor's interface, with scripted events.

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

const SECOND: u64 = SAMPLE_RATE as u64;

fn set(param: Param, value: f32) -> ControlEvent {
    ControlEvent::Set(param, Value::Number(value))
}

fn choose(param: Param, choice: u8) -> ControlEvent {
    ControlEvent::Set(param, Value::Choice(choice))
}

fn set_text(param: Param, text: &str) -> ControlEvent {
    ControlEvent::Set(param, Value::Text(text.to_owned()))
}

fn fire(param: Param) -> ControlEvent {
    ControlEvent::Set(param, Value::Trigger)
}

fn hold(notes: &[u8]) -> ControlEvent {
    ControlEvent::LeadNotes(notes.iter().fold(0, |set, note| set | 1 << note))
}

/// Returns a conductor at a fixed tempo, so that beats fall on known frames.
fn at_tempo(bpm: f32) -> Conductor {
    Conductor::new(7, &[(Param::Tempo, Value::Number(bpm))])
}

/// Returns the chroma of a latent in which one pitch class dominates; depends only on the latent.
fn chroma(latent: u64) -> [f32; 12] {
    let mut chroma = [0.1; 12];
    chroma[(latent * 7 % 12) as usize] = 1.0;
    chroma
}

/// Plays a script until a frame, in steps of the given lengths, repeated. Every event starts a new step.
fn play(mut conductor: Conductor, script: &[(u64, ControlEvent)], until: u64, steps: &[u64]) -> (Conductor, Score) {
    let mut score = Score::default();
    let mut script = script.iter().peekable();
    let mut steps = steps.iter().cycle();
    let mut latents = 0;
    while conductor.frame() < until {
        while let Some((_, event)) = script.next_if(|(frame, _)| *frame <= conductor.frame()) {
            let _ = conductor.apply(event);
            conductor.take_immediate(&mut score);
        }
        let step_end = conductor.frame() + *steps.next().expect("the steps never end");
        let end = script.peek().map_or(until, |(frame, _)| until.min(*frame)).min(step_end.max(conductor.frame() + 1));
        while latents * 4096 < end + SECOND {
            conductor.record_chroma(latents * 4096, &chroma(latents));
            latents += 1;
        }
        conductor.advance(end, &mut score);
    }
    (conductor, score)
}

/// Returns the frames of the splices, in order.
fn splices(score: &Score) -> Vec<u64> {
    score.plans.iter().filter_map(|update| update.splice).collect()
}

/// Returns the frames and values of the commands for a numeric parameter.
fn numbers(score: &Score, param: Param) -> Vec<(u64, f32)> {
    let of_param = |timed: &TimedCommand| match timed.command {
        EngineCommand::Number(other, value) if other == param => Some((timed.frame, value)),
        _ => None,
    };
    score.commands.iter().filter_map(of_param).collect()
}
