//! The offline crank: the same conductor, generator and engine as on stage, turned as fast as the machine can.
//!
//! What it renders depends on the seed, the start values and the events alone, not on how much is asked for at a time.

use std::sync::Arc;

use ringbuf::traits::{Observer, Producer};

use crate::conductor::{Conductor, Score};
use crate::control::ControlEvent;
use crate::engine::{Engine, EngineEnds, EngineStatus, HOP_FRAMES, Hop, ports};
use crate::generator::{Generator, GeneratorError};
use crate::parameter::{Param, Value};

/// Most frames worked out at a time: less than the conductor's splice lead, so that a change never reaches back into
/// what the generator has already handed over.
const CHUNK: u64 = 1024;

/// A performance without a device.
#[allow(missing_debug_implementations, reason = "ring ends have nothing to show")]
pub struct Offline {
    conductor: Conductor,
    generator: Generator,
    engine: Engine,
    ends: EngineEnds,
    score: Score,
    hops: Vec<Hop>,
    next_hop: usize,
}

impl Offline {
    /// A performance at its first frame.
    #[must_use]
    pub fn new(seed: u64, settings: &[(Param, Value)], generator: Generator) -> Self {
        let (engine_ports, ends) = ports();
        let engine = Engine::new(engine_ports, Arc::new(EngineStatus::default()));
        Self {
            conductor: Conductor::new(seed, settings),
            generator,
            engine,
            ends,
            score: Score::default(),
            hops: Vec::new(),
            next_hop: 0,
        }
    }

    /// The next frame that [`Offline::render`] makes; events apply here.
    #[must_use]
    pub fn frame(&self) -> u64 {
        self.conductor.frame()
    }

    /// Lets something happen at [`Offline::frame`].
    pub fn apply(&mut self, event: &ControlEvent) {
        self.conductor.apply(event);
    }

    /// Makes the next `out.len() / 2` frames, interleaved stereo.
    ///
    /// # Errors
    /// When the network fails; the performance cannot be continued then.
    pub fn render(&mut self, out: &mut [f32]) -> Result<(), GeneratorError> {
        for chunk in out.chunks_mut(2 * CHUNK as usize) {
            let until = self.conductor.frame() + chunk.len() as u64 / 2;
            self.conductor.advance(until, &mut self.score);
            self.deliver()?;
            self.generate(until)?;
            self.engine.render(chunk);
        }
        Ok(())
    }

    /// Passes on what the conductor decided.
    fn deliver(&mut self) -> Result<(), GeneratorError> {
        for command in self.score.commands.drain(..) {
            self.ends.commands.try_push(command).expect("the engine takes every command of a chunk before the next");
        }
        self.score.notices.clear();
        if let Some(update) = self.score.plan.take() {
            match update.splice {
                Some(frame) => self.generator.replan(update.plan, frame)?,
                None => self.generator.follow(update.plan),
            }
        }
        Ok(())
    }

    /// Hands the engine hops up to and including the one that holds frame `until`.
    fn generate(&mut self, until: u64) -> Result<(), GeneratorError> {
        while self.generator.covered() < until + HOP_FRAMES as u64 {
            self.generator.step(&mut self.hops)?;
        }
        while self.next_hop < self.hops.len() && !self.ends.hops.is_full() {
            let _ = self.ends.hops.try_push(self.hops[self.next_hop]);
            self.next_hop += 1;
        }
        if self.next_hop == self.hops.len() {
            self.hops.clear();
            self.next_hop = 0;
        }
        Ok(())
    }
}
