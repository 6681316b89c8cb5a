//! Tracks the engine's state, and resynchronizes it with the conductor after lost commands.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::Conductor;
use crate::event::parameter::Param;
use crate::event::{EngineCommand, QueuedCommand, TimedCommand};
use crate::music::theory::Voice;

/// Passes the conductor's commands to the engine, in order.
///
/// When the engine refuses a command, the following ones are withheld too, until there is room for every difference
/// between engine and conductor. Commands are counted from the start of the performance, so that a control log can
/// record which were lost and the performance can be rendered again.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Handover {
    /// Number of commands so far, including lost ones.
    count: u64,
    /// Lost commands for which the engine has not yet been resynchronized.
    lost: Option<Range<u64>>,
    panic_lost: bool,
    engine: EngineState,
}

/// The engine's state.
#[derive(Debug, Default, Serialize, Deserialize)]
struct EngineState {
    values: BTreeMap<Param, EngineCommand>,
    expression: Option<EngineCommand>,
    sounding: Vec<(Voice, u8)>,
}

impl EngineState {
    fn note(&mut self, command: EngineCommand) {
        match command {
            EngineCommand::Number(param, _) | EngineCommand::Toggle(param, _) => {
                self.values.insert(param, command);
            }
            EngineCommand::NoteOn { voice, note, .. } => {
                if !self.sounding.contains(&(voice, note)) {
                    self.sounding.push((voice, note));
                }
            }
            EngineCommand::NoteOff { voice, note } => self.sounding.retain(|sounding| *sounding != (voice, note)),
            EngineCommand::Expression(_) => self.expression = Some(command),
            EngineCommand::Panic => self.sounding.clear(),
        }
    }
}

impl Handover {
    /// Passes a command on; `push` returns whether the engine accepts it.
    pub fn send(&mut self, timed: TimedCommand, push: impl FnOnce(QueuedCommand) -> bool) {
        let queued = self.number(timed);
        if self.lost.is_none() && push(queued) {
            return self.engine.note(timed.command);
        }
        self.lost.get_or_insert(queued.number..queued.number).end = self.count;
        self.panic_lost |= timed.command == EngineCommand::Panic;
    }

    const fn number(&mut self, TimedCommand { frame, command }: TimedCommand) -> QueuedCommand {
        self.count += 1;
        QueuedCommand { number: self.count - 1, frame, command }
    }

    /// Number of commands so far.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Whether the engine must be resynchronized after lost commands.
    #[must_use]
    pub const fn is_behind(&self) -> bool {
        self.lost.is_some()
    }

    /// Sends all differences between engine and conductor, if there is `room` for them; returns the range of commands
    /// that were lost.
    pub fn reconcile(
        &mut self,
        conductor: &Conductor,
        room: usize,
        mut push: impl FnMut(QueuedCommand) -> bool,
    ) -> Option<Range<u64>> {
        let lost = self.lost.clone()?;
        let missing = self.missing(conductor);
        if missing.len() > room {
            return None;
        }
        for command in missing {
            push(self.number(TimedCommand { frame: conductor.frame(), command }));
            self.engine.note(command);
        }
        (self.lost, self.panic_lost) = (None, false);
        Some(lost)
    }

    fn missing(&self, conductor: &Conductor) -> Vec<EngineCommand> {
        let mut missing = Vec::new();
        let mut sounding: &[(Voice, u8)] = &self.engine.sounding;
        if self.panic_lost {
            missing.push(EngineCommand::Panic);
            sounding = &[];
        }
        let held: Vec<EngineCommand> = conductor.held_by_engine().collect();
        let is_held = |sought: (Voice, u8)| {
            held.iter().any(
                |command| matches!(command, EngineCommand::NoteOn { voice, note, .. } if (*voice, *note) == sought),
            )
        };
        let ended = sounding.iter().filter(|sounding| !is_held(**sounding));
        missing.extend(ended.map(|(voice, note)| EngineCommand::NoteOff { voice: *voice, note: *note }));
        missing.extend(held.iter().copied().filter(|command| match command {
            EngineCommand::Number(param, _) | EngineCommand::Toggle(param, _) => {
                self.engine.values.get(param) != Some(command)
            }
            EngineCommand::Expression(_) => self.engine.expression != Some(*command),
            EngineCommand::NoteOn { voice, note, .. } => !sounding.contains(&(*voice, *note)),
            EngineCommand::NoteOff { .. } | EngineCommand::Panic => true,
        }));
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conductor::Score;
    use crate::event::ControlEvent;
    use crate::event::parameter::Value;

    const SECOND: u64 = 48_000;

    /// An engine's state as the result of commands.
    fn state(commands: &[EngineCommand]) -> String {
        let mut engine = EngineState::default();
        commands.iter().for_each(|command| engine.note(*command));
        engine.sounding.sort_by_key(|(voice, note)| (*voice as usize, *note));
        format!("{engine:?}")
    }

    /// Plays some seconds with steering and a panic; the engine refuses everything between two frames.
    fn played(refusing: Range<u64>, until: u64) -> (Vec<EngineCommand>, Option<Range<u64>>) {
        let (mut conductor, mut handover, mut score) = (Conductor::new(7, &[]), Handover::default(), Score::default());
        let (mut taken, mut lost) = (Vec::new(), None);
        let set = |param, value| ControlEvent::Set(param, value);
        for step in 0..until / 480 {
            let frame = step * 480;
            conductor.advance(frame, &mut score);
            match frame {
                96_000 => conductor.apply(&set(Param::LevelPad, Value::Number(-20.0))).unwrap(),
                144_000 => conductor.apply(&set(Param::Panic, Value::Trigger)).unwrap(),
                192_000 => conductor.apply(&set(Param::MuteBass, Value::Toggle(true))).unwrap(),
                _ => {}
            }
            for command in score.commands.drain(..) {
                handover.send(command, |queued| {
                    let takes = !refusing.contains(&frame);
                    if takes {
                        taken.push(queued.command);
                    }
                    takes
                });
            }
            score.clear();
            if handover.is_behind() && !refusing.contains(&frame) {
                assert_eq!(handover.reconcile(&conductor, 0, |_| panic!("there is no room")), None);
                let push = |queued: QueuedCommand| {
                    taken.push(queued.command);
                    true
                };
                lost = handover.reconcile(&conductor, 1024, push);
            }
        }
        (taken, lost)
    }

    #[test]
    fn engine_and_conductor_agree_again_after_any_loss() {
        let until = 6 * SECOND;
        let (all, none_lost) = played(0..0, until);
        assert_eq!(none_lost, None);
        for refusing in [0..SECOND / 2, 90_000..100_000, 140_000..150_000, 90_000..240_000, 10_000..280_000] {
            let (taken, lost) = played(refusing.clone(), until);
            assert_eq!(state(&taken), state(&all), "refusing for {refusing:?}");
            let lost = lost.unwrap();
            assert!(!lost.is_empty() && lost.end <= all.len() as u64, "{lost:?} of {}", all.len());
            let panicked = |commands: &[EngineCommand]| commands.contains(&EngineCommand::Panic);
            assert_eq!(panicked(&taken), panicked(&all));
        }
    }

    #[test]
    fn an_engine_that_missed_nothing_relevant_is_sent_nothing_again() {
        let (mut conductor, mut handover, mut score) = (Conductor::new(7, &[]), Handover::default(), Score::default());
        conductor.advance(1, &mut score);
        score.commands.drain(..).for_each(|command| handover.send(command, |_| true));
        let same = EngineCommand::Number(Param::LevelPad, 0.0);
        handover.send(TimedCommand { frame: 1, command: same }, |_| false);
        let mut commands = 0;
        let lost = handover.reconcile(&conductor, 1024, |_| {
            commands += 1;
            true
        });
        assert!(lost.is_some() && commands == 0 && !handover.is_behind(), "{commands} commands");
    }
}
