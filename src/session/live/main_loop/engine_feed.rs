//! Sends commands to the engine, and resynchronizes it after its queue has been full.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use ringbuf::traits::{Consumer, Observer, Producer};
use ringbuf::{HeapCons, HeapProd};

use crate::conductor::{Conductor, EngineSync};
use crate::engine::EngineStatus;
use crate::event::health::Loss;
use crate::event::parameter::Param;
use crate::event::{EngineCommand, Executed, QueuedCommand, TimedCommand};
use crate::music::theory::Voice;

/// The ring buffers to and from the engine, and a record of what the engine has received.
pub(in crate::session::live) struct EngineFeed {
    engine_sync: EngineSync,
    timed: HeapProd<QueuedCommand>,
    immediate: HeapProd<QueuedCommand>,
    executed: HeapCons<Executed>,
    engine: Arc<EngineStatus>,
    pending: Pending,
}

impl EngineFeed {
    pub(in crate::session::live) fn new(
        timed: HeapProd<QueuedCommand>,
        immediate: HeapProd<QueuedCommand>,
        executed: HeapCons<Executed>,
        engine: Arc<EngineStatus>,
    ) -> Self {
        Self { engine_sync: EngineSync::default(), timed, immediate, executed, engine, pending: Pending::default() }
    }

    /// Returns the record of the commands sent to the engine.
    pub(super) const fn sync(&self) -> &EngineSync {
        &self.engine_sync
    }

    /// Sends a command to be executed at its frame; if there is no room, the engine is resynchronized later.
    pub(super) fn send(&mut self, command: TimedCommand) {
        self.engine_sync.send(command, |queued| push_timed(&mut self.timed, &mut self.pending, queued));
    }

    /// Sends a command to be executed in the next quantum, or at its frame if an earlier command for the same target
    /// is still pending or the queue of immediate commands is full.
    pub(super) fn send_immediate(&mut self, command: TimedCommand) {
        let head = self.engine.frame();
        self.engine_sync.send(command, |queued| {
            !self.pending.contains(&queued.command, head) && self.immediate.try_push(queued).is_ok()
                || push_timed(&mut self.timed, &mut self.pending, queued)
        });
    }

    /// Returns which immediate and late commands the engine has executed since the last call, and when.
    pub(super) fn executed(&mut self) -> impl Iterator<Item = Executed> {
        self.executed.pop_iter()
    }

    /// Resynchronizes the engine with the conductor once the engine accepts commands again. Returns the range of commands
    /// that the engine missed, counted from the start of the performance.
    pub(super) fn resynchronize(&mut self, conductor: &Conductor) -> Option<Range<u64>> {
        if !self.engine_sync.is_out_of_sync() {
            return None;
        }
        let room = self.timed.vacant_len();
        let push = |queued| push_timed(&mut self.timed, &mut self.pending, queued);
        let lost = self.engine_sync.resynchronize(conductor, room, push)?;
        let commands = lost.end - lost.start;
        self.engine.losses().add(Loss::CommandsLost, commands);
        tracing::warn!(commands, "the engine's command queue was full; the engine has been resynchronized");
        Some(lost)
    }
}

fn push_timed(timed: &mut HeapProd<QueuedCommand>, pending: &mut Pending, queued: QueuedCommand) -> bool {
    let sent = timed.try_push(queued).is_ok();
    if sent {
        pending.add(&queued);
    }
    sent
}

/// For each target, the frame of the last timed command, which an immediate command for the same target must not
/// overtake.
#[derive(Debug, Default)]
struct Pending(BTreeMap<Target, u64>);

/// What a command acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    Value(Param),
    Voice(Voice),
    Expression,
    Everything,
}

impl Target {
    const fn of(command: &EngineCommand) -> Self {
        match command {
            // The fade duration applies to the play toggle that follows it.
            EngineCommand::Number(Param::PlayFade, _) => Self::Value(Param::Play),
            EngineCommand::Number(param, _) | EngineCommand::Toggle(param, _) => Self::Value(*param),
            EngineCommand::NoteOn { voice, .. } | EngineCommand::NoteOff { voice, .. } => Self::Voice(*voice),
            EngineCommand::Expression(_) => Self::Expression,
            EngineCommand::Panic => Self::Everything,
        }
    }
}

impl Pending {
    fn add(&mut self, queued: &QueuedCommand) {
        self.0.insert(Target::of(&queued.command), queued.frame);
        if queued.command == EngineCommand::Panic {
            for voice in [Voice::Bass, Voice::Pad, Voice::Upper] {
                self.0.insert(Target::Voice(voice), queued.frame);
            }
        }
    }

    /// Returns whether an engine whose playhead is at `head` still has to execute a timed command for the same target.
    fn contains(&self, command: &EngineCommand, head: u64) -> bool {
        self.0.get(&Target::of(command)).is_some_and(|frame| *frame >= head)
    }
}

#[cfg(test)]
mod tests {
    use ringbuf::HeapRb;
    use ringbuf::traits::Split;

    use super::*;
    use crate::engine::{Engine, EngineEnds, ports};

    /// Returns an engine that has played 4800 frames, and its feed.
    fn engine_and_feed() -> (Engine, EngineFeed) {
        let (ports, EngineEnds { commands, immediate, executed, .. }) = ports();
        let status = Arc::<EngineStatus>::default();
        let mut engine = Engine::new(ports, Arc::clone(&status));
        engine.render(&mut vec![0.0; 2 * 4800]);
        (engine, EngineFeed::new(commands, immediate, executed, status))
    }

    fn at(frame: u64, command: EngineCommand) -> TimedCommand {
        TimedCommand { frame, command }
    }

    fn note(voice: Voice) -> EngineCommand {
        EngineCommand::NoteOn { voice, note: 48, velocity: 0.5 }
    }

    #[test]
    fn immediate_commands_overtake_only_commands_for_other_targets() {
        let level = EngineCommand::Number(Param::LevelPad, -6.0);
        let fade = EngineCommand::Number(Param::PlayFade, 2.0);
        let stop = EngineCommand::Toggle(Param::Play, false);
        for (pending, command, overtakes) in [
            (level, EngineCommand::Number(Param::LevelBass, -6.0), true),
            (level, EngineCommand::Number(Param::LevelPad, -9.0), false),
            (note(Voice::Pad), note(Voice::Bass), true),
            (note(Voice::Pad), EngineCommand::NoteOff { voice: Voice::Pad, note: 48 }, false),
            (note(Voice::Pad), EngineCommand::Panic, true),
            (EngineCommand::Panic, note(Voice::Pad), false),
            (EngineCommand::Panic, level, true),
            (fade, stop, false),
        ] {
            let (mut engine, mut feed) = engine_and_feed();
            feed.send(at(5400, pending));
            feed.send_immediate(at(5400, command));
            engine.render(&mut [0.0; 2 * 64]);
            let executed: Vec<Executed> = feed.executed().collect();
            let expected = Executed { number: 1, due: 5400, at: 4800 };
            assert_eq!(executed, if overtakes { vec![expected] } else { vec![] }, "{pending:?}, {command:?}");
            // Once the engine has executed the pending command, the next one is immediate.
            engine.render(&mut vec![0.0; 2 * 960]);
            feed.send_immediate(at(6400, command));
            engine.render(&mut [0.0; 2 * 64]);
            assert_eq!(feed.executed().last().map(|executed| executed.number), Some(2), "{pending:?}, {command:?}");
        }
    }

    #[test]
    fn immediate_commands_are_timed_when_their_queue_is_full() {
        let (mut engine, _) = engine_and_feed();
        let (timed, timed_commands) = HeapRb::new(8).split();
        let (immediate, _immediate_commands) = HeapRb::new(1).split();
        let (_executed_sender, executed) = HeapRb::new(8).split();
        engine.render(&mut [0.0; 2]);
        let mut feed = EngineFeed::new(timed, immediate, executed, Arc::clone(engine.status()));
        for value in [-1.0, -2.0, -3.0] {
            feed.send_immediate(at(9000, EngineCommand::Number(Param::LevelPad, value)));
        }
        let numbers: Vec<u64> = { timed_commands }.pop_iter().map(|queued: QueuedCommand| queued.number).collect();
        assert_eq!(numbers, [1, 2]);
        assert!(!feed.engine_sync.is_out_of_sync());
    }
}
