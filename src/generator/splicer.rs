//! Assembles the hops for the engine, with a crossfade from each future to the next.

use serde::{Deserialize, Serialize};

use super::crossfade::Crossfade;
use super::hop_ring::HopRing;
use crate::event::Hop;

/// Joins futures with crossfades.
#[derive(Debug)]
pub(super) struct Splicer {
    /// Hops rendered since the newest splice began.
    sent: HopRing,
    /// Hops rendered before that, which the crossfade needs.
    previous: HopRing,
    fade: Option<Crossfade>,
    epoch: u32,
    next_hop: u64,
}

/// A splicer's state, for a checkpoint.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SplicerState {
    sent: Vec<Hop>,
    previous: Vec<Hop>,
    fade: Option<Crossfade>,
    next_hop: u64,
}

impl Splicer {
    /// Creates a splicer at hop 0 in epoch 0.
    pub(super) fn new() -> Self {
        Self { sent: HopRing::new(), previous: HopRing::new(), fade: None, epoch: 0, next_hop: 0 }
    }

    /// Returns the next hop to send.
    pub(super) fn next_hop(&self) -> u64 {
        self.next_hop
    }

    /// Returns the current epoch, which increases with every splice.
    pub(super) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Starts a new epoch at hop `splice`. `old` holds the hops of the future that ends there; those before `ready` are final.
    pub(super) fn start_epoch(&mut self, splice: u64, old: &HopRing, ready: u64) {
        // The crossfade needs hops of the old future beyond those already sent.
        self.render(self.next_hop, u64::MAX, old, ready);
        // The hops rendered last are played up to the new splice, unless their own splice is at or after it.
        if self.fade.is_none_or(|fade| fade.first < splice) {
            std::mem::swap(&mut self.previous, &mut self.sent);
        }
        self.sent.clear();
        self.fade = Some(Crossfade::new(splice));
        self.epoch += 1;
        self.next_hop = self.next_hop.min(splice);
    }

    /// Moves the newest splice to a later hop, in a new epoch.
    pub(super) fn move_to(&mut self, first: u64) {
        self.fade = Some(Crossfade::new(first));
        self.epoch += 1;
        self.next_hop = first;
    }

    /// Resumes at a hop without a crossfade, after starvation.
    pub(super) fn resume_at(&mut self, hop: u64) {
        self.next_hop = hop;
        self.fade = None;
    }

    /// Appends to `out` the hops before `end` that have become final, ordered by index. The hops of `new` before `ready` are
    /// final.
    pub(super) fn send(&mut self, new: &HopRing, ready: u64, end: u64, out: &mut Vec<Hop>) {
        let first = self.next_hop;
        self.next_hop = self.render(first, end, new, ready);
        let hops = (first..self.next_hop).filter_map(|index| Some((index, self.sent.get(index)?)));
        out.extend(hops.map(|(index, samples)| Hop { index, epoch: self.epoch, samples: *samples }));
    }

    /// Returns the state for a checkpoint, with the hops from `first` on. The epoch is not saved.
    pub(super) fn save(&self, first: u64) -> SplicerState {
        let Self { sent, previous, fade, epoch: _, next_hop } = self;
        SplicerState { sent: sent.since(first), previous: previous.since(first), fade: *fade, next_hop: *next_hop }
    }

    /// Creates a splicer from a saved state, in epoch 0.
    pub(super) fn restore(state: &SplicerState) -> Self {
        let SplicerState { sent, previous, fade, next_hop } = state;
        let (sent, previous) = (HopRing::from_hops(sent), HopRing::from_hops(previous));
        Self { sent, previous, fade: *fade, epoch: 0, next_hop: *next_hop }
    }

    /// Returns the sent hops whose index is `first` or higher.
    pub(super) fn sent(&self, first: u64) -> Vec<Hop> {
        let splice = self.fade.map_or(0, |fade| fade.first);
        let ring = |index| if index < splice { &self.previous } else { &self.sent };
        let hops = (first..self.next_hop).filter_map(|index| Some((index, ring(index).get(index)?)));
        hops.map(|(index, samples)| Hop { index, epoch: self.epoch, samples: *samples }).collect()
    }

    /// Writes the final hops in `first..end` to `sent`: the old future up to the splice, then the crossfade, then the new
    /// future. Returns the hop after the last one written.
    fn render(&mut self, first: u64, end: u64, new: &HopRing, mut ready: u64) -> u64 {
        if let Some(fade) = &mut self.fade {
            if ready < fade.end() {
                ready = fade.first;
            } else {
                fade.measure(&mut self.previous, new);
            }
        }
        let end = end.min(ready);
        for index in first..end {
            let samples = match &self.fade {
                Some(fade) if index < fade.first => self.previous.get(index).copied(),
                Some(fade) => new.get(index).map(|new| fade.mix(index, self.previous.get(index), new)),
                None => new.get(index).copied(),
            };
            if let Some(samples) = samples {
                self.sent.put(index, &samples);
            }
        }
        end.max(first)
    }
}
