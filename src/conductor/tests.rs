//! Tests the conductor's interface with scripted events.

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
use crate::music::plan::PlayedNote;
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

fn lead_notes(notes: &[u8]) -> ControlEvent {
    ControlEvent::LeadNotes(notes.iter().fold(0, |set, note| set | 1 << note))
}

/// Returns a conductor at a fixed tempo, so that beats fall on known frames.
fn at_tempo(bpm: f32) -> Conductor {
    Conductor::new(7, &[(Param::Tempo, Value::Number(bpm))])
}

/// Returns a chroma dominated by one pitch class, which depends on the latent.
fn chroma(latent: u64) -> [f32; 12] {
    let mut chroma = [0.1; 12];
    chroma[(latent * 7 % 12) as usize] = 1.0;
    chroma
}

/// Plays a script up to frame `end`, cycling through the given step lengths. Every event starts a new step.
fn play(mut conductor: Conductor, script: &[(u64, ControlEvent)], end: u64, steps: &[u64]) -> (Conductor, Score) {
    let mut score = Score::default();
    let mut script = script.iter().peekable();
    let mut steps = steps.iter().cycle();
    let mut latents = 0;
    while conductor.frame() < end {
        while let Some((_, event)) = script.next_if(|(frame, _)| *frame <= conductor.frame()) {
            let _ = conductor.apply(event);
            conductor.take_immediate(&mut score);
        }
        let step_end = conductor.frame() + *steps.next().expect("there should be at least one step length");
        let next = script.peek().map_or(end, |(frame, _)| end.min(*frame)).min(step_end.max(conductor.frame() + 1));
        while latents * 4096 < next + SECOND {
            conductor.record_chroma(latents * 4096, &chroma(latents));
            latents += 1;
        }
        conductor.advance(next, &mut score);
    }
    (conductor, score)
}

/// Returns the frames of the splices, in order.
fn splices(score: &Score) -> Vec<u64> {
    score.plans.iter().filter_map(|update| update.splice).collect()
}

/// Returns the frames and values of the commands for a numeric parameter.
fn numbers(score: &Score, param: Param) -> Vec<(u64, f32)> {
    let value = |timed: &TimedCommand| match timed.command {
        EngineCommand::Number(other, number) if other == param => Some((timed.frame, number)),
        _ => None,
    };
    score.commands.iter().filter_map(value).collect()
}
