//! The engine's status, readable from any thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use crate::event::health::Losses;

/// A part of the mix with its own meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// The network's piano.
    Network,
    /// The bass line.
    Bass,
    /// The pad.
    Pad,
    /// The upper voice.
    Upper,
    /// Bass, pad and upper voice together.
    Harmony,
}

impl Layer {
    /// Number of layers.
    pub const COUNT: usize = 5;
}

/// The engine's published state, updated by the audio thread every quantum and readable from any thread.
#[derive(Debug, Default)]
pub struct EngineStatus {
    losses: Arc<Losses>,
    pub(super) frame: AtomicU64,
    pub(super) starved: AtomicBool,
    pub(super) starved_frames: AtomicU64,
    pub(super) accepted_epoch: AtomicU32,
    pub(super) rejected_epoch: AtomicU32,
    pub(super) silent: AtomicBool,
    pub(super) peak: AtomicU32,
    pub(super) rms: AtomicU32,
    layers: [AtomicU32; Layer::COUNT],
    pub(super) lowest_gain: LowestGain,
    pub(super) limited: AtomicU64,
}

impl EngineStatus {
    /// Creates the status of an engine at frame 0 that counts losses in `losses`.
    #[must_use]
    pub fn new(losses: Arc<Losses>) -> Self {
        Self { losses, ..Self::default() }
    }

    /// Returns the shared loss counters.
    #[must_use]
    pub fn losses(&self) -> &Arc<Losses> {
        &self.losses
    }

    /// Returns the playhead: the first frame not yet rendered. Commands and hops must not precede it.
    #[must_use]
    pub fn frame(&self) -> u64 {
        self.frame.load(Relaxed)
    }

    /// Returns whether the engine is starved.
    #[must_use]
    pub fn is_starved(&self) -> bool {
        self.starved.load(Relaxed)
    }

    /// Returns the total number of starved frames.
    #[must_use]
    pub fn starved_frames(&self) -> u64 {
        self.starved_frames.load(Relaxed)
    }

    /// Returns the newest epoch that arrived in time; 0 at first.
    #[must_use]
    pub fn accepted_epoch(&self) -> u32 {
        self.accepted_epoch.load(Relaxed)
    }

    /// Returns the newest epoch that arrived too late; 0 if none did.
    #[must_use]
    pub fn rejected_epoch(&self) -> u32 {
        self.rejected_epoch.load(Relaxed)
    }

    /// Returns whether the music has faded out completely, so that the output can be closed without a click.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.silent.load(Relaxed)
    }

    /// Returns the peak of the output since the last call, with full scale at 1.
    pub fn take_peak(&self) -> f32 {
        f32::from_bits(self.peak.swap(0, Relaxed))
    }

    /// Records a layer's peak in a quantum.
    pub(super) fn meter(&self, layer: Layer, peak: f32) {
        self.layers[layer as usize].fetch_max(peak.max(0.0).to_bits(), Relaxed);
    }

    /// Returns the post-fader peak of each layer since the last call, with full scale at 1, in the order of [`Layer`].
    pub fn take_layers(&self) -> [f32; Layer::COUNT] {
        self.layers.each_ref().map(|peak| f32::from_bits(peak.swap(0, Relaxed)))
    }

    /// Returns the limiter's lowest gain since the last call; 1 without audible limiting.
    pub fn take_limiter_gain(&self) -> f32 {
        self.lowest_gain.take()
    }

    /// Returns how many times audible limiting has begun.
    #[must_use]
    pub fn limited(&self) -> u64 {
        self.limited.load(Relaxed)
    }

    /// Returns the RMS level over about 300 ms, with full scale at 1.
    #[must_use]
    pub fn rms(&self) -> f32 {
        f32::from_bits(self.rms.load(Relaxed))
    }
}

/// The lowest gain since the last [`LowestGain::take`], 0..=1.
#[derive(Debug)]
pub(super) struct LowestGain(AtomicU32);

impl LowestGain {
    pub(super) fn record(&self, gain: f32) {
        // The bit patterns of non-negative floats are ordered like their values.
        self.0.fetch_min(gain.max(0.0).to_bits(), Relaxed);
    }

    fn take(&self) -> f32 {
        f32::from_bits(self.0.swap(1.0f32.to_bits(), Relaxed))
    }
}

impl Default for LowestGain {
    fn default() -> Self {
        Self(AtomicU32::new(1.0f32.to_bits()))
    }
}
