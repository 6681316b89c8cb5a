//! The offline driver: the same conductor, generator and engine as in a live session, run as fast as possible.
//!
//! A render depends only on the model and the control log (seed, initial values, events), not on the sizes of the
//! requested blocks.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use ringbuf::traits::{Consumer, Observer, Producer};

use crate::conductor::{Conductor, EngineSync, PlanUpdate, Score};
use crate::engine::{Engine, EngineEnds, EngineStatus, HOP_LEAD, QUANTUM, ports};
use crate::event::log::{ControlLog, Entry};
use crate::event::{Hop, QueuedCommand, SpliceOutcome};
use crate::generator::{AlreadySent, Generator, GeneratorError};
use crate::music::plan::Plan;
use crate::session::checkpoint::{Checkpoint, CheckpointError};
use crate::session::notes::Notes;

/// Maximum number of frames processed at a time: fewer than the conductor's splice lead, so that a change never affects
/// hops that the engine already has.
const CHUNK: u64 = 1024;
/// Maximum number of frames by which the engine may execute a command before the frame it was sent for; longer than any
/// block.
const MAX_AHEAD: u64 = 32_768;

/// A performance rendered without an audio device.
#[allow(missing_debug_implementations, reason = "ring ends have no useful debug output")]
pub struct Offline {
    conductor: Conductor,
    generator: Generator,
    engine: Engine,
    ends: EngineEnds,
    score: Score,
    /// The notes collected so far, if requested.
    notes: Option<Notes>,
    engine_sync: EngineSync,
    queues: CommandQueues,
    /// The first frame not yet rendered.
    rendered: u64,
    /// Number of frames by which the conductor runs ahead of the rendered audio.
    ahead: u64,
    /// Ranges of commands that never reached the engine in the live session, counted from the first command; in order.
    lost: VecDeque<Range<u64>>,
    hops: Vec<Hop>,
    /// The entries still to be processed, in order.
    entries: VecDeque<(u64, Entry)>,
    /// The frame of the checkpoint at which the log starts.
    start_frame: Option<u64>,
    /// Splices that were late in the live session, by the frame they were planned for, and how each was carried out;
    /// `None` if it never was.
    late: BTreeMap<u64, Option<SpliceOutcome>>,
    /// Where the generator was late in the live session: number of splices processed, first missing frame, and the
    /// frame at which it resumed; in order.
    gaps: VecDeque<(u64, u64, u64)>,
    /// Number of splices processed so far.
    splices: u64,
}

impl Offline {
    /// Creates a performance at its first frame, to be rendered from the log.
    #[must_use]
    pub fn new(log: ControlLog, generator: Generator) -> Self {
        let (engine_ports, ends) = ports();
        let (mut late, mut gaps, mut lost) = (BTreeMap::new(), VecDeque::new(), VecDeque::new());
        let (mut queues, mut ahead) = (CommandQueues::default(), 0);
        for (_, entry) in &log.entries {
            match entry {
                Entry::Splice { planned, outcome } => drop(late.insert(*planned, *outcome)),
                Entry::Resume { splices, missing, at } => gaps.push_back((*splices, *missing, *at)),
                Entry::Reconciled { lost: range } => lost.push_back(range.clone()),
                Entry::Executed { commands, due, at } => {
                    queues.executed.push_back((commands.clone(), *at));
                    ahead = due.saturating_sub(*at).min(MAX_AHEAD).max(ahead);
                }
                Entry::Event(_) | Entry::Checkpoint | Entry::End => {}
            }
        }
        // The log lists them in the order in which they were executed.
        queues.executed.make_contiguous().sort_by_key(|(commands, _)| commands.start);
        Self {
            conductor: Conductor::new(log.header.seed, &log.header.settings),
            generator,
            engine: Engine::new(engine_ports, Arc::new(EngineStatus::default())),
            ends,
            score: Score::default(),
            notes: None,
            engine_sync: EngineSync::default(),
            queues,
            rendered: 0,
            ahead,
            lost,
            hops: Vec::new(),
            entries: log.entries.into(),
            start_frame: log.header.start_frame,
            late,
            gaps,
            splices: 0,
        }
    }

    /// Collects the notes from now on; [`Offline::take_notes`] returns them.
    pub fn collect_notes(&mut self) {
        self.notes = Some(Notes::default());
    }

    /// Removes and returns the notes collected so far; `None` if they were not requested.
    pub const fn take_notes(&mut self) -> Option<Notes> {
        self.notes.take()
    }

    /// Continues from a checkpoint of the same performance instead of from its first frame. Call this before rendering.
    ///
    /// # Errors
    /// When the log does not mention the checkpoint, or the checkpoint is damaged; nothing is changed.
    pub fn resume(&mut self, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
        let Checkpoint { frame, splices, conductor, generator, engine } = checkpoint;
        let processed = match self.start_frame {
            Some(start_frame) if start_frame == *frame => 0,
            _ => {
                let index = self.entries.iter().position(|(at, entry)| at == frame && *entry == Entry::Checkpoint);
                index.ok_or(CheckpointError::Unlogged(*frame))? + 1
            }
        };
        let (conductor, engine_sync): (Conductor, EngineSync) = postcard::from_bytes(conductor)?;
        let engine = postcard::from_bytes(engine)?;
        let AlreadySent { hops, chroma } =
            self.generator.restore(generator, *frame).map_err(|_| CheckpointError::Damaged)?;
        self.engine.restore(engine);
        (self.conductor, self.engine_sync, self.hops) = (conductor, engine_sync, hops);
        for (from, chroma) in &chroma {
            self.conductor.record_chroma(*from, chroma);
        }
        (self.rendered, self.splices) = (*frame, *splices);
        self.queues.start = *frame;
        let covered = self.generator.covered();
        self.gaps.retain(|(processed, missing, _)| (processed, missing) >= (splices, &covered));
        self.entries.drain(..processed);
        Ok(())
    }

    /// Returns the first frame that has not been rendered.
    #[must_use]
    pub const fn frame(&self) -> u64 {
        self.rendered
    }

    /// Renders the next `out.len() / 2` frames, interleaved stereo.
    ///
    /// # Errors
    /// When a network fails; the performance then cannot continue.
    pub fn render(&mut self, out: &mut [f32]) -> Result<(), GeneratorError> {
        for chunk in out.chunks_mut(2 * CHUNK as usize) {
            self.rendered += chunk.len() as u64 / 2;
            let end = self.rendered + self.ahead;
            self.process_entries(end);
            self.generate(end)?;
            // One quantum at a time, so that the engine always has room for the commands that are due, whatever their
            // number and the size of the request.
            for part in chunk.chunks_mut(2 * QUANTUM) {
                self.queues.send_to(self.engine.status().frame(), &mut self.ends);
                self.engine.render(part);
            }
        }
        Ok(())
    }

    /// Returns the generator's current plan. The generator is slightly ahead of the rendered audio.
    #[must_use]
    pub fn plan(&self) -> Option<&Plan> {
        self.generator.plan()
    }

    /// Processes the log's entries before frame `end`, and advances the conductor to that frame.
    fn process_entries(&mut self, end: u64) {
        while self.entries.front().is_some_and(|(frame, _)| *frame < end)
            && let Some((frame, entry)) = self.entries.pop_front()
        {
            self.advance(frame);
            match entry {
                Entry::Event(event) => {
                    if let Err(error) = self.conductor.apply(&event) {
                        tracing::warn!(frame, "{error}");
                    }
                    self.conductor.take_immediate(&mut self.score);
                    self.distribute();
                }
                Entry::Reconciled { .. } => {
                    self.engine_sync.resynchronize(&self.conductor, usize::MAX, |command| self.queues.add(command));
                }
                Entry::Splice { .. }
                | Entry::Resume { .. }
                | Entry::Executed { .. }
                | Entry::Checkpoint
                | Entry::End => {}
            }
        }
        self.advance(end);
    }

    /// Advances the conductor and distributes its output.
    fn advance(&mut self, end: u64) {
        self.conductor.advance(end, &mut self.score);
        self.distribute();
    }

    fn distribute(&mut self) {
        if let Some(notes) = &mut self.notes {
            notes.add_score(&self.score);
        }
        for command in self.score.commands.drain(..) {
            self.engine_sync.send(command, |command| {
                while self.lost.front().is_some_and(|lost| lost.end <= command.number) {
                    self.lost.pop_front();
                }
                let is_lost = self.lost.front().is_some_and(|lost| lost.contains(&command.number));
                !is_lost && self.queues.add(command)
            });
        }
        for PlanUpdate { plan, splice } in self.score.plans.drain(..) {
            let Some(planned) = splice else {
                self.generator.follow(plan);
                continue;
            };
            let in_time = Some(SpliceOutcome { audible_from: planned, from: planned, generated_to: None });
            if let Some(SpliceOutcome { audible_from, from, generated_to }) =
                self.late.get(&planned).copied().unwrap_or(in_time)
            {
                self.generator.replay_splice(plan, from, audible_from, generated_to);
                self.splices += 1;
            }
        }
        self.score.clear();
    }

    /// Generates every hop needed to play up to frame `end`, and passes hops to the engine.
    fn generate(&mut self, end: u64) -> Result<(), GeneratorError> {
        while self.generator.covered() < end + HOP_LEAD {
            let covered = self.generator.covered();
            while let Some((.., at)) =
                self.gaps.front().filter(|(splices, missing, _)| *splices <= self.splices && *missing <= covered)
            {
                self.generator.resume_at(*at);
                self.gaps.pop_front();
            }
            let latent = self.generator.step(&mut self.hops)?;
            self.conductor.record_chroma(latent.from, &latent.chroma);
            if let Some(notes) = &mut self.notes {
                notes.add_latent(&latent);
            }
        }
        let fits = self.ends.hops.vacant_len().min(self.hops.len());
        for hop in self.hops.drain(..fits) {
            let _ = self.ends.hops.try_push(hop);
        }
        Ok(())
    }
}

/// Commands waiting for the engine.
#[derive(Debug, Default)]
struct CommandQueues {
    /// The frame of the checkpoint at which rendering starts: commands executed before it are not executed again.
    start: u64,
    /// Ranges of command numbers, in order, with the frames at which the live engine executed them, where these differ
    /// from the frames that the commands were sent for.
    executed: VecDeque<(Range<u64>, u64)>,
    /// Commands waiting to be executed at such a frame, by frame and number.
    immediate: BTreeMap<(u64, u64), QueuedCommand>,
    /// All other commands, waiting for room in the engine's queue.
    timed: VecDeque<QueuedCommand>,
}

impl CommandQueues {
    /// Adds a command, with a greater number than those before; always returns true, since every command is accepted.
    fn add(&mut self, command: QueuedCommand) -> bool {
        while self.executed.front().is_some_and(|(commands, _)| commands.end <= command.number) {
            self.executed.pop_front();
        }
        match self.executed.front().filter(|(commands, _)| commands.contains(&command.number)) {
            Some((_, at)) if *at < self.start => {}
            Some((_, at)) => drop(self.immediate.insert((*at, command.number), command)),
            None => self.timed.push_back(command),
        }
        true
    }

    /// Passes as many commands to the engine as it has room for. The engine's next quantum starts at frame `head`.
    fn send_to(&mut self, head: u64, ends: &mut EngineEnds) {
        while let Some(entry) = self.immediate.first_entry().filter(|entry| entry.key().0 <= head) {
            if ends.immediate.try_push(*entry.get()).is_err() {
                break;
            }
            entry.remove();
        }
        let fits = ends.commands.vacant_len().min(self.timed.len());
        for command in self.timed.drain(..fits) {
            let _ = ends.commands.try_push(command);
        }
        ends.executed.clear();
    }
}

#[cfg(test)]
mod tests;
