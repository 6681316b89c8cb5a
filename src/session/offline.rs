//! The offline driver: the same conductor, generator and engine as in a live session, run as fast as possible.
//!
//! The render depends only on the control log (seed, start values, events), not on the block sizes requested.

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

/// Maximum frames processed at a time: less than the conductor's splice lead, so that a change never affects what the
/// engine already has.
const CHUNK: u64 = 1024;

/// A performance without a device.
#[allow(missing_debug_implementations, reason = "ring ends have no useful debug output")]
pub struct Offline {
    conductor: Conductor,
    generator: Generator,
    engine: Engine,
    ends: EngineEnds,
    score: Score,
    /// Collects the notes, if requested.
    notes: Option<MidiFile>,
    handover: Handover,
    /// Commands waiting for room in the engine's queue.
    waiting: VecDeque<TimedCommand>,
    /// Commands that never reached the engine in the live session, counted from the first; in order.
    lost: VecDeque<Range<u64>>,
    passed: u64,
    hops: Vec<Hop>,
    /// Events still to come, in order.
    entries: std::vec::IntoIter<(u64, Entry)>,
    next_entry: Option<(u64, Entry)>,
    /// Splices that were late in the live session, by the frame they were planned for: how they were performed, or
    /// never.
    late: BTreeMap<u64, Option<Performed>>,
    /// Where the generator was late in the live session: splices processed, first missing frame, frame at which it
    /// continued; in order.
    gaps: VecDeque<(u64, u64, u64)>,
    /// Number of splices processed so far.
    splices: u64,
}

impl Offline {
    /// Creates a performance at its first frame, to be played according to the log.
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

    /// Starts collecting notes; [`Offline::take_notes`] returns them.
    pub fn note_down(&mut self, file: MidiFile) {
        self.notes = Some(file);
    }

    /// The notes collected so far; `None` if not requested.
    pub const fn take_notes(&mut self) -> Option<MidiFile> {
        self.notes.take()
    }

    /// Renders the next `out.len() / 2` frames, interleaved stereo.
    ///
    /// # Errors
    /// When the network fails; the performance cannot continue then.
    pub fn render(&mut self, out: &mut [f32]) -> Result<(), GeneratorError> {
        for chunk in out.chunks_mut(2 * CHUNK as usize) {
            let until = self.conductor.frame() + chunk.len() as u64 / 2;
            self.conduct(until);
            self.generate(until)?;
            // With at most a quantum at a time the engine sees as many commands as it accepts at once, however many are
            // waiting and however large the request.
            for part in chunk.chunks_mut(2 * QUANTUM) {
                self.supply();
                self.engine.render(part);
            }
        }
        Ok(())
    }

    /// Passes the engine as many commands as it has room for.
    fn supply(&mut self) {
        let fits = self.ends.commands.vacant_len().min(self.waiting.len());
        for command in self.waiting.drain(..fits) {
            let _ = self.ends.commands.try_push(command);
        }
    }

    /// The plan in effect at the current frame.
    #[must_use]
    pub fn plan(&self) -> Option<&Plan> {
        self.generator.plan()
    }

    /// Applies the log's events before frame `until`.
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

    /// Advances the conductor and distributes its output.
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
            self.handover.send(command, |command| {
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

    /// Passes the engine every hop needed to play up to frame `until`.
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
            if let Some(notes) = &mut self.notes {
                notes.hear(&heard);
            }
        }
        let fits = self.ends.hops.vacant_len().min(self.hops.len());
        for hop in self.hops.drain(..fits) {
            let _ = self.ends.hops.try_push(hop);
        }
        Ok(())
    }
}
