//! Tracks the engine's state, and resynchronizes the engine with the conductor after commands have been lost.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::Conductor;
use crate::event::parameter::Param;
use crate::event::{EngineCommand, QueuedCommand, TimedCommand};
use crate::music::theory::Voice;

/// Passes the conductor's commands to the engine, in order.
///
/// When the engine rejects a command, all later ones are dropped too, until there is room for all the commands that
/// resynchronize the engine. Commands are numbered from the start of the performance, so that the control log can record which
/// were lost and a render can drop the same commands.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct EngineSync {
    /// Number of commands so far, including lost ones.
    count: u64,
    /// The numbers of the commands lost since the last resynchronization.
    lost: Option<Range<u64>>,
    panic_lost: bool,
    engine: EngineState,
}

/// The engine's state, as set by the commands that the engine accepted.
#[derive(Debug, Default, Serialize, Deserialize)]
struct EngineState {
    values: BTreeMap<Param, EngineCommand>,
    expression: Option<EngineCommand>,
    sounding: Vec<(Voice, u8)>,
}

impl EngineState {
    fn apply(&mut self, command: EngineCommand) {
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

impl EngineSync {
    /// Passes a command on to the engine, or records it as lost. `push` returns whether the engine accepts it.
    pub fn send(&mut self, timed: TimedCommand, push: impl FnOnce(QueuedCommand) -> bool) {
        let queued = self.number(timed);
        if self.lost.is_none() && push(queued) {
            return self.engine.apply(timed.command);
        }
        self.lost.get_or_insert(queued.number..queued.number).end = self.count;
        self.panic_lost |= timed.command == EngineCommand::Panic;
    }

    const fn number(&mut self, TimedCommand { frame, command }: TimedCommand) -> QueuedCommand {
        self.count += 1;
        QueuedCommand { number: self.count - 1, frame, command }
    }

    /// Returns the number of commands so far, including lost ones.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Returns whether the engine must be resynchronized because commands were lost.
    #[must_use]
    pub const fn is_out_of_sync(&self) -> bool {
        self.lost.is_some()
    }

    /// Sends the commands that resynchronize the engine with the conductor, if there is `room` for all of them. Returns the
    /// numbers of the commands that were lost; `None` if none were or if there is not enough room.
    pub fn resynchronize(
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
            self.engine.apply(command);
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
        let intended: Vec<EngineCommand> = conductor.engine_state().collect();
        let is_intended = |candidate: (Voice, u8)| {
            intended.iter().any(
                |command| matches!(command, EngineCommand::NoteOn { voice, note, .. } if (*voice, *note) == candidate),
            )
        };
        let ended = sounding.iter().filter(|sounding| !is_intended(**sounding));
        missing.extend(ended.map(|(voice, note)| EngineCommand::NoteOff { voice: *voice, note: *note }));
        missing.extend(intended.iter().copied().filter(|command| match command {
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

    /// Describes the state of an engine that has executed `commands`.
    fn state(commands: &[EngineCommand]) -> String {
        let mut engine = EngineState::default();
        commands.iter().for_each(|command| engine.apply(*command));
        engine.sounding.sort_by_key(|(voice, note)| (*voice as usize, *note));
        format!("{engine:?}")
    }

    /// Plays a performance in which the engine rejects all commands sent at `rejected_frames`. Returns the commands that
    /// the engine executed, and the numbers of those that were lost.
    fn play(rejected_frames: Range<u64>, end: u64) -> (Vec<EngineCommand>, Option<Range<u64>>) {
        let (mut conductor, mut engine_sync, mut score) =
            (Conductor::new(7, &[]), EngineSync::default(), Score::default());
        let (mut accepted, mut lost) = (Vec::new(), None);
        let set = |param, value| ControlEvent::Set(param, value);
        for step in 0..end / 480 {
            let frame = step * 480;
            conductor.advance(frame, &mut score);
            match frame {
                96_000 => conductor.apply(&set(Param::LevelPad, Value::Number(-20.0))).unwrap(),
                144_000 => conductor.apply(&set(Param::Panic, Value::Trigger)).unwrap(),
                192_000 => conductor.apply(&set(Param::MuteBass, Value::Toggle(true))).unwrap(),
                _ => {}
            }
            for command in score.commands.drain(..) {
                engine_sync.send(command, |queued| {
                    let accepts = !rejected_frames.contains(&frame);
                    if accepts {
                        accepted.push(queued.command);
                    }
                    accepts
                });
            }
            score.clear();
            if engine_sync.is_out_of_sync() && !rejected_frames.contains(&frame) {
                assert_eq!(engine_sync.resynchronize(&conductor, 0, |_| panic!("there is no room")), None);
                let push = |queued: QueuedCommand| {
                    accepted.push(queued.command);
                    true
                };
                lost = engine_sync.resynchronize(&conductor, 1024, push);
            }
        }
        (accepted, lost)
    }

    #[test]
    fn resynchronizes_after_any_loss() {
        let end = 6 * SECOND;
        let (all, none_lost) = play(0..0, end);
        assert_eq!(none_lost, None);
        for rejected_frames in [0..SECOND / 2, 90_000..100_000, 140_000..150_000, 90_000..240_000, 10_000..280_000] {
            let (accepted, lost) = play(rejected_frames.clone(), end);
            assert_eq!(state(&accepted), state(&all), "commands rejected at frames {rejected_frames:?}");
            let lost = lost.unwrap();
            assert!(!lost.is_empty() && lost.end <= all.len() as u64, "lost {lost:?} of {} commands", all.len());
            let has_panic = |commands: &[EngineCommand]| commands.contains(&EngineCommand::Panic);
            assert_eq!(has_panic(&accepted), has_panic(&all));
        }
    }

    #[test]
    fn sends_nothing_if_the_lost_command_makes_no_difference() {
        let (mut conductor, mut engine_sync, mut score) =
            (Conductor::new(7, &[]), EngineSync::default(), Score::default());
        conductor.advance(1, &mut score);
        score.commands.drain(..).for_each(|command| engine_sync.send(command, |_| true));
        let redundant = EngineCommand::Number(Param::LevelPad, 0.0);
        engine_sync.send(TimedCommand { frame: 1, command: redundant }, |_| false);
        let mut commands = 0;
        let lost = engine_sync.resynchronize(&conductor, 1024, |_| {
            commands += 1;
            true
        });
        assert!(lost.is_some() && commands == 0 && !engine_sync.is_out_of_sync(), "{commands} commands were sent");
    }
}
