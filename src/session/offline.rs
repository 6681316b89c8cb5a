//! The offline crank: the same conductor, generator and engine as on stage, turned as fast as the machine can.
//!
//! What it renders depends on the control log alone (seed, start values, events), not on how much is asked for at a time.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use ringbuf::traits::{Observer, Producer};

use crate::conductor::{Conductor, Handover, PlanUpdate, Score};
use crate::engine::{Engine, EngineEnds, EngineStatus, HOP_LEAD, QUANTUM, ports};
use crate::event::{Hop, Performed, TimedCommand};
use crate::generator::{Generator, GeneratorError};
use crate::music::plan::Plan;
use crate::session::log::{ControlLog, Entry};
use crate::session::midi_file::MidiFile;

/// Most frames worked out at a time: less than the conductor's splice lead, so that a change never reaches back into
/// what the engine already has.
const CHUNK: u64 = 1024;

/// A performance without a device.
#[allow(missing_debug_implementations, reason = "ring ends have nothing to show")]
pub struct Offline {
    conductor: Conductor,
    generator: Generator,
    engine: Engine,
    ends: EngineEnds,
    score: Score,
    /// Takes down the notes, where they are wanted.
    notes: Option<MidiFile>,
    handover: Handover,
    /// Commands that the engine has no room for yet.
    waiting: VecDeque<TimedCommand>,
    /// Commands that never reached the engine on stage, counted from the first on; in order.
    lost: VecDeque<Range<u64>>,
    passed: u64,
    hops: Vec<Hop>,
    /// What is still to happen, in order.
    entries: std::vec::IntoIter<(u64, Entry)>,
    next_entry: Option<(u64, Entry)>,
    /// Splices that came late on stage, by the frame they were planned for: how they were performed, or never.
    late: BTreeMap<u64, Option<Performed>>,
    /// Where the generator was not in time on stage: splices taken, first missing frame, frame it went on at; in order.
    gaps: VecDeque<(u64, u64, u64)>,
    /// Splices taken so far.
    splices: u64,
}

impl Offline {
    /// A performance at its first frame, to be played as the log says.
    #[must_use]
    pub fn new(log: ControlLog, generator: Generator) -> Self {
        let (engine_ports, ends) = ports();
        let (mut late, mut gaps, mut lost) = (BTreeMap::new(), VecDeque::new(), VecDeque::new());
        for (_, entry) in &log.entries {
            match entry {
                Entry::Splice { planned, performed } => drop(late.insert(*planned, *performed)),
                Entry::Resume { splices, missing, at } => gaps.push_back((*splices, *missing, *at)),
                Entry::Reconciled { lost: range } => lost.push_back(range.clone()),
                Entry::Event(_) | Entry::End => {}
            }
        }
        let mut entries = log.entries.into_iter();
        Self {
            conductor: Conductor::new(log.header.seed, &log.header.settings),
            generator,
            engine: Engine::new(engine_ports, Arc::new(EngineStatus::default())),
            ends,
            score: Score::default(),
            notes: None,
            handover: Handover::default(),
            waiting: VecDeque::new(),
            lost,
            passed: 0,
            hops: Vec::new(),
            next_entry: entries.next(),
            entries,
            late,
            gaps,
            splices: 0,
        }
    }

    /// Takes down the notes from now on; [`Offline::take_notes`] gives them.
    pub fn note_down(&mut self, file: MidiFile) {
        self.notes = Some(file);
    }

    /// The notes taken down so far; `None` where none were wanted.
    pub const fn take_notes(&mut self) -> Option<MidiFile> {
        self.notes.take()
    }

    /// Makes the next `out.len() / 2` frames, interleaved stereo.
    ///
    /// # Errors
    /// When the network fails; the performance cannot be continued then.
    pub fn render(&mut self, out: &mut [f32]) -> Result<(), GeneratorError> {
        for chunk in out.chunks_mut(2 * CHUNK as usize) {
            let until = self.conductor.frame() + chunk.len() as u64 / 2;
            self.conduct(until);
            self.generate(until)?;
            // With no more than a quantum at a time the engine finds as many commands as it takes at once, however many wait
            // and however much is asked for.
            for part in chunk.chunks_mut(2 * QUANTUM) {
                self.supply();
                self.engine.render(part);
            }
        }
        Ok(())
    }

    /// Hands the engine as many commands as it has room for.
    fn supply(&mut self) {
        let fits = self.ends.commands.vacant_len().min(self.waiting.len());
        for command in self.waiting.drain(..fits) {
            let _ = self.ends.commands.try_push(command);
        }
    }

    /// The plan that the music follows at the frame reached.
    #[must_use]
    pub fn plan(&self) -> Option<&Plan> {
        self.generator.plan()
    }

    /// Lets everything happen that the log has before frame `until`.
    fn conduct(&mut self, until: u64) {
        while let Some((frame, entry)) = self.next_entry.take_if(|(frame, _)| *frame < until) {
            self.advance(frame);
            match entry {
                Entry::Event(event) => {
                    if let Err(error) = self.conductor.apply(&event) {
                        tracing::warn!(frame, "{error}");
                    }
                }
                Entry::Reconciled { .. } => {
                    let push = |command| {
                        self.waiting.push_back(command);
                        true
                    };
                    self.handover.reconcile(&self.conductor, usize::MAX, push);
                }
                Entry::Splice { .. } | Entry::Resume { .. } | Entry::End => {}
            }
            self.next_entry = self.entries.next();
        }
        self.advance(until);
    }

    /// Moves the conductor on and passes on what it decided.
    fn advance(&mut self, until: u64) {
        self.conductor.advance(until, &mut self.score);
        if let Some(notes) = &mut self.notes {
            notes.take(&self.score);
        }
        for command in self.score.commands.drain(..) {
            while self.lost.front().is_some_and(|lost| lost.end <= self.passed) {
                self.lost.pop_front();
            }
            let is_lost = self.lost.front().is_some_and(|lost| lost.contains(&self.passed));
            self.passed += 1;
            self.handover.pass(command, |command| {
                if !is_lost {
                    self.waiting.push_back(command);
                }
                !is_lost
            });
        }
        for PlanUpdate { plan, splice } in self.score.plans.drain(..) {
            let Some(planned) = splice else {
                self.generator.follow(plan);
                continue;
            };
            let in_time = Some(Performed { heard: planned, from: planned, known: None });
            if let Some(Performed { heard, from, known }) = self.late.get(&planned).copied().unwrap_or(in_time) {
                self.generator.replan_again(plan, from, heard, known);
                self.splices += 1;
            }
        }
        self.score.clear();
    }

    /// Hands the engine every hop that it needs to play up to frame `until`.
    fn generate(&mut self, until: u64) -> Result<(), GeneratorError> {
        while self.generator.covered() < until + HOP_LEAD {
            let covered = self.generator.covered();
            while let Some((.., at)) =
                self.gaps.front().filter(|(splices, missing, _)| *splices <= self.splices && *missing <= covered)
            {
                self.generator.resume_at(*at);
                self.gaps.pop_front();
            }
            let heard = self.generator.step(&mut self.hops)?;
            self.conductor.listen(heard.from, &heard.chroma);
        }
        let fits = self.ends.hops.vacant_len().min(self.hops.len());
        for hop in self.hops.drain(..fits) {
            let _ = self.ends.hops.try_push(hop);
        }
        Ok(())
    }
}
