//! Executes commands, immediate ones before timed ones.

use ringbuf::traits::{Consumer, Producer};

use super::{Engine, PANIC_FADE_SECONDS, PLAY_FADE_SECONDS, QUANTUM};
use crate::event::health::Loss;
use crate::event::parameter::Param;
use crate::event::{EngineCommand, Executed, QueuedCommand};
use crate::music::theory::Voice;

/// Timed commands executed per quantum, to bound its work; the queue of immediate ones is short.
const MAX_PER_QUANTUM: usize = 256;

impl Engine {
    /// Executes the commands due in this quantum.
    pub(super) fn take_commands(&mut self) {
        self.take_immediate_commands();
        for _ in 0..MAX_PER_QUANTUM {
            let Some(queued) = self.ports.commands.try_peek().copied() else { return };
            if queued.frame >= self.state.frame + QUANTUM as u64 {
                return;
            }
            // An immediate command sent before this one may have arrived in the meantime.
            self.take_immediate_commands();
            self.ports.commands.skip(1);
            if queued.frame < self.state.frame {
                self.lost(Loss::Commands, 1);
                self.report_execution(&queued);
            }
            self.apply(queued.command);
        }
    }

    fn take_immediate_commands(&mut self) {
        while let Some(queued) = self.ports.immediate.try_pop() {
            self.report_execution(&queued);
            self.apply(queued.command);
        }
    }

    fn report_execution(&mut self, queued: &QueuedCommand) {
        let executed = Executed { number: queued.number, due: queued.frame, at: self.state.frame };
        if self.ports.executed.try_push(executed).is_err() {
            self.lost(Loss::EngineEvents, 1);
        }
    }

    fn apply(&mut self, command: EngineCommand) {
        match command {
            EngineCommand::Number(param, value) => self.number(param, value),
            EngineCommand::Toggle(Param::Hold, on) => self.state.freeze.set(on),
            EngineCommand::Toggle(Param::Play, on) => {
                let [out, back] = PLAY_FADE_SECONDS;
                let usual = if on { back } else { out };
                let seconds = std::mem::take(&mut self.state.play_fade);
                self.state.play.set_over(f32::from(u8::from(on)), if seconds > 0.0 { seconds } else { usual });
            }
            EngineCommand::Toggle(param, on) => self.state.mixer.toggle(param, on),
            EngineCommand::NoteOn { voice, note, velocity } if velocity.is_finite() => {
                let (note, velocity) = (note.min(127), velocity.clamp(0.0, 1.0));
                match voice {
                    Voice::Bass => self.state.bass.note_on(note, velocity),
                    Voice::Pad => self.state.pad.note_on(note, velocity),
                    Voice::Upper => self.state.upper.note_on(note, velocity),
                }
            }
            EngineCommand::NoteOn { .. } => {}
            EngineCommand::NoteOff { voice: Voice::Bass, note } => self.state.bass.note_off(note),
            EngineCommand::NoteOff { voice: Voice::Pad, note } => self.state.pad.note_off(note),
            EngineCommand::NoteOff { voice: Voice::Upper, note } => self.state.upper.note_off(note),
            EngineCommand::Expression(value) if value.is_finite() => self.state.mixer.expression(value.clamp(0.0, 1.0)),
            EngineCommand::Expression(_) => {}
            EngineCommand::Panic => {
                self.state.gate.set_over(0.0, PANIC_FADE_SECONDS);
                self.state.cutting = true;
            }
        }
    }

    fn number(&mut self, param: Param, value: f32) {
        debug_assert!(param.spec().kind.reaches(value), "{param:?} was not fitted on entry: {value}");
        match param {
            Param::Width => self.state.width.set(value),
            Param::PlayFade => self.state.play_fade = value,
            _ => {
                self.state.mixer.number(param, value);
                self.state.reverb.number(param, value);
                self.state.tone.number(param, value);
            }
        }
    }
}
