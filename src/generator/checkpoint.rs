//! The generator's part of a checkpoint.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::future::FutureState;
use super::splicer::{Splicer, SplicerState};
use super::{Generator, GeneratorError};
use crate::event::Hop;
use crate::mel::HOP;
use crate::music::plan::Plan;

/// Number of hops before the checkpoint that are also saved.
const MARGIN: u64 = 8;
/// Number of latents whose chroma is stored: 5 s, enough for the latents generated ahead and those that the conductor has
/// not read yet.
const CHROMA_CAPACITY: usize = 64;

/// The chroma of the latest latents, each with the latent's first frame. A regenerated latent replaces its old version and all
/// later latents.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct RecentChroma(VecDeque<(u64, [f32; 12])>);

impl RecentChroma {
    pub(super) fn push(&mut self, from: u64, chroma: [f32; 12]) {
        self.0.retain(|(other, _)| *other < from);
        if self.0.len() == CHROMA_CAPACITY {
            self.0.pop_front();
        }
        self.0.push_back((from, chroma));
    }
}

/// The state of a generator with no splice pending.
#[derive(Debug, Serialize, Deserialize)]
struct GeneratorState<'a> {
    plan: Option<Plan>,
    future: FutureState<'a>,
    splicer: SplicerState,
    recent_chroma: RecentChroma,
}

/// The output that a restored generator had already sent at the checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct AlreadySent {
    /// The hops from the checkpoint's frame on, ordered by index.
    pub hops: Vec<Hop>,
    /// The chroma of the latest latents, each with the latent's first frame.
    pub chroma: Vec<(u64, [f32; 12])>,
}

impl Generator {
    /// Replaces the contents of `buffer` with the state for a checkpoint of an engine at `frame`, and returns `buffer`. Takes
    /// a few milliseconds. No splice may be pending. [`Generator::restore`] restores the state.
    pub fn save(&mut self, frame: u64, mut buffer: Vec<u8>) -> Vec<u8> {
        debug_assert!(self.is_settled());
        let first = (frame / HOP as u64).saturating_sub(MARGIN);
        let state = GeneratorState {
            plan: self.plan.as_deref().cloned(),
            future: self.future.save(first),
            splicer: self.splicer.save(first),
            recent_chroma: self.recent_chroma.clone(),
        };
        buffer.clear();
        postcard::to_extend(&state, buffer).expect("the sizes of all parts should be known")
    }

    /// Restores a state saved for an engine at `frame`. The restored generator starts in epoch 0. Returns the output that
    /// had already been sent.
    ///
    /// # Errors
    /// If the state is damaged or belongs to other networks; the generator is then unchanged.
    pub fn restore(&mut self, state: &[u8], frame: u64) -> Result<AlreadySent, GeneratorError> {
        let state: GeneratorState<'_> = postcard::from_bytes(state).map_err(|_| GeneratorError::InvalidState)?;
        let GeneratorState { plan, future, splicer, recent_chroma } = state;
        if !self.future.load(future) {
            return Err(GeneratorError::InvalidState);
        }
        self.plan = plan.map(Arc::new);
        self.changes.clear();
        self.splicer = Splicer::restore(&splicer);
        let hops = self.splicer.sent(frame / HOP as u64);
        let chroma = recent_chroma.0.iter().copied().collect();
        self.recent_chroma = recent_chroma;
        Ok(AlreadySent { hops, chroma })
    }

    /// Returns whether no splice is pending.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.changes.is_empty()
    }
}
