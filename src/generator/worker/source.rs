//! The worker's interface to the generator.

use std::sync::Arc;

use crate::event::Hop;
use crate::generator::{GeneratedLatent, Generator, GeneratorError, Networks};
use crate::music::plan::Plan;

/// A source of hops: the generator, or a stub in tests.
pub trait HopSource: Send + 'static {
    /// See [`Generator::follow`].
    fn follow(&mut self, plan: Arc<Plan>);
    /// See [`Generator::replan`].
    fn replan(&mut self, plan: Arc<Plan>, planned: u64, splice: u64);
    /// See [`Generator::swap`].
    fn swap(&mut self, networks: Networks, splice: u64);
    /// See [`Generator::resplice`].
    fn resplice(&mut self, splice: u64);
    /// See [`Generator::resume_at`].
    fn resume_at(&mut self, frame: u64);
    /// See [`Generator::recover`].
    fn recover(&mut self);
    /// See [`Generator::save`].
    fn save(&mut self, frame: u64, buffer: Vec<u8>) -> Vec<u8>;
    /// See [`Generator::step`].
    ///
    /// # Errors
    /// If no latent could be generated.
    fn step(&mut self, out: &mut Vec<Hop>) -> Result<GeneratedLatent, GeneratorError>;
    /// See [`Generator::covered`].
    fn covered(&self) -> u64;
    /// See [`Generator::generated_to`].
    fn generated_to(&self) -> u64;
    /// See [`Generator::epoch`].
    fn epoch(&self) -> u32;
}

impl HopSource for Generator {
    fn follow(&mut self, plan: Arc<Plan>) {
        Self::follow(self, plan);
    }
    fn replan(&mut self, plan: Arc<Plan>, planned: u64, splice: u64) {
        Self::replan(self, plan, planned, splice);
    }
    fn swap(&mut self, networks: Networks, splice: u64) {
        Self::swap(self, networks, splice);
    }
    fn resplice(&mut self, splice: u64) {
        Self::resplice(self, splice);
    }
    fn resume_at(&mut self, frame: u64) {
        Self::resume_at(self, frame);
    }
    fn recover(&mut self) {
        Self::recover(self);
    }
    fn save(&mut self, frame: u64, buffer: Vec<u8>) -> Vec<u8> {
        Self::save(self, frame, buffer)
    }
    fn step(&mut self, out: &mut Vec<Hop>) -> Result<GeneratedLatent, GeneratorError> {
        Self::step(self, out)
    }
    fn covered(&self) -> u64 {
        Self::covered(self)
    }
    fn generated_to(&self) -> u64 {
        Self::generated_to(self)
    }
    fn epoch(&self) -> u32 {
        Self::epoch(self)
    }
}
