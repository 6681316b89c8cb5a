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

/// Hops before the checkpoint's that are kept too.
const MARGIN: u64 = 8;
/// Latents whose chroma is kept: those generated ahead, and those that the conductor has not heard yet; 5 s.
const HEARD: usize = 64;

/// The chroma of the latest latents, each with the latent's first frame; the newest version of each.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct RecentChroma(VecDeque<(u64, [f32; 12])>);

impl RecentChroma {
    pub(super) fn push(&mut self, from: u64, chroma: [f32; 12]) {
        self.0.retain(|(other, _)| *other < from);
        if self.0.len() == HEARD {
            self.0.pop_front();
        }
        self.0.push_back((from, chroma));
    }
}

/// The state of a generator with no splice pending.
#[derive(Debug, Serialize, Deserialize)]
struct GeneratorState {
    plan: Option<Plan>,
    future: FutureState,
    splicer: SplicerState,
    heard: RecentChroma,
}

/// What a restored generator had already passed on.
#[derive(Debug, Clone, PartialEq)]
pub struct PassedOn {
    /// The hops from the one at the checkpoint's frame on, in order.
    pub hops: Vec<Hop>,
    /// The chroma of the latest latents, each with the latent's first frame.
    pub chroma: Vec<(u64, [f32; 12])>,
}

impl Generator {
    /// Returns the state from which the music continues, for an engine that will be at `frame`, in the format of
    /// [`Generator::restore`]. Takes a few milliseconds. No splice may be pending.
    pub fn save(&mut self, frame: u64) -> Vec<u8> {
        debug_assert!(self.is_settled());
        let first = (frame / HOP as u64).saturating_sub(MARGIN);
        let state = GeneratorState {
            plan: self.plan.as_deref().cloned(),
            future: self.future.save(first),
            splicer: self.splicer.save(first),
            heard: self.heard.clone(),
        };
        postcard::to_allocvec(&state).expect("the sizes of all parts are known")
    }

    /// Continues from a state saved for an engine at `frame`, in epoch 0. Returns what was passed on before.
    ///
    /// # Errors
    /// When the state is not one of these networks; nothing is changed.
    pub fn restore(&mut self, state: &[u8], frame: u64) -> Result<PassedOn, GeneratorError> {
        let state: GeneratorState = postcard::from_bytes(state).map_err(|_| GeneratorError::Foreign)?;
        let GeneratorState { plan, future, splicer, heard } = state;
        if !self.future.resume(future) {
            return Err(GeneratorError::Foreign);
        }
        self.plan = plan.map(Arc::new);
        self.changes.clear();
        self.splicer = Splicer::restore(&splicer);
        let hops = self.splicer.sent(frame / HOP as u64);
        let chroma = heard.0.iter().copied().collect();
        self.heard = heard;
        Ok(PassedOn { hops, chroma })
    }

    /// Returns whether no splice is pending.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.changes.is_empty()
    }
}
