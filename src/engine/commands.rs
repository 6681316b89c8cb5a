//! Executes commands. Immediate commands precede timed ones.

use ringbuf::traits::{Consumer, Producer};

use super::{Engine, PANIC_FADE_SECONDS, PLAY_FADE_SECONDS, QUANTUM};
use crate::event::health::Loss;
use crate::event::parameter::Param;
use crate::event::{EngineCommand, Executed, QueuedCommand};
use crate::music::theory::Voice;

/// Maximum number of timed commands per quantum, to bound the quantum's run time. The immediate queue is short enough to need
/// no limit.
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
                self.count_loss(Loss::Commands, 1);
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
            self.count_loss(Loss::EngineEvents, 1);
        }
    }

    fn apply(&mut self, command: EngineCommand) {
        match command {
            EngineCommand::Number(param, value) => self.set_number(param, value),
            EngineCommand::Toggle(Param::Hold, on) => self.state.freeze.set(on),
            EngineCommand::Toggle(Param::Play, on) => {
                let [fade_out, fade_in] = PLAY_FADE_SECONDS;
                let default_seconds = if on { fade_in } else { fade_out };
                let seconds = std::mem::take(&mut self.state.play_fade);
                self.state
                    .play
                    .set_over(f32::from(u8::from(on)), if seconds > 0.0 { seconds } else { default_seconds });
            }
            EngineCommand::Toggle(param, on) => self.state.mixer.set_toggle(param, on),
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
            EngineCommand::Expression(value) if value.is_finite() => {
                self.state.mixer.set_expression(value.clamp(0.0, 1.0))
            }
            EngineCommand::Expression(_) => {}
            EngineCommand::Panic => {
                self.state.gate.set_over(0.0, PANIC_FADE_SECONDS);
                self.state.panicking = true;
            }
        }
    }

    fn set_number(&mut self, param: Param, value: f32) {
        debug_assert!(param.spec().kind.contains(value), "invalid value for {param:?}: {value}");
        match param {
            Param::Width => self.state.width.set(value),
            Param::PlayFade => self.state.play_fade = value,
            _ => {
                self.state.mixer.set_number(param, value);
                self.state.reverb.set_number(param, value);
                self.state.tone.set_number(param, value);
                self.state.leveller.set_number(param, value);
            }
        }
    }
}
