//! What the rest may know about the engine, without asking it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use crate::event::health::Losses;

/// A part of the sum that has a meter of its own.
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
    /// How many there are.
    pub const COUNT: usize = 5;
}

/// The engine's state as the rest sees it; written by the audio thread once per quantum or block, read by anyone.
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
    pub(super) gain: LowestGain,
    pub(super) limited: AtomicU64,
}

impl EngineStatus {
    /// Of an engine at frame 0 that counts what it loses here.
    #[must_use]
    pub fn new(losses: Arc<Losses>) -> Self {
        Self { losses, ..Self::default() }
    }

    /// What was lost, here and wherever else these are counted.
    #[must_use]
    pub fn losses(&self) -> &Arc<Losses> {
        &self.losses
    }

    /// The play head: the first frame of the time line not yet worked out. Commands and hops belong at or after it.
    #[must_use]
    pub fn frame(&self) -> u64 {
        self.frame.load(Relaxed)
    }

    /// Whether the network's sound is missing right now.
    #[must_use]
    pub fn starved(&self) -> bool {
        self.starved.load(Relaxed)
    }

    /// How many frames of the network's sound were missing so far.
    #[must_use]
    pub fn starved_frames(&self) -> u64 {
        self.starved_frames.load(Relaxed)
    }

    /// The epoch being played; 0 until a newer one came in time.
    #[must_use]
    pub fn accepted_epoch(&self) -> u32 {
        self.accepted_epoch.load(Relaxed)
    }

    /// The newest epoch that came too late; 0 if none did.
    #[must_use]
    pub fn rejected_epoch(&self) -> u32 {
        self.rejected_epoch.load(Relaxed)
    }

    /// Whether the music is faded out completely, so that stopping makes no difference.
    #[must_use]
    pub fn silent(&self) -> bool {
        self.silent.load(Relaxed)
    }

    /// Highest sample since this was last asked, full scale 1.
    pub fn take_peak(&self) -> f32 {
        f32::from_bits(self.peak.swap(0, Relaxed))
    }

    /// Notes how high a layer was in a quantum.
    pub(super) fn meter(&self, layer: Layer, peak: f32) {
        self.layers[layer as usize].fetch_max(peak.max(0.0).to_bits(), Relaxed);
    }

    /// Highest sample of each layer behind its fader since this was last asked, full scale 1, in the order of [`Layer`].
    pub fn take_layers(&self) -> [f32; Layer::COUNT] {
        self.layers.each_ref().map(|peak| f32::from_bits(peak.swap(0, Relaxed)))
    }

    /// The limiter's smallest gain since this was last asked; 1 where it had nothing to turn down.
    pub fn take_limiter_gain(&self) -> f32 {
        self.gain.take()
    }

    /// How often the limiter had to turn something down that was too loud.
    #[must_use]
    pub fn limited(&self) -> u64 {
        self.limited.load(Relaxed)
    }

    /// Effective level of about the last 300 ms, full scale 1.
    #[must_use]
    pub fn rms(&self) -> f32 {
        f32::from_bits(self.rms.load(Relaxed))
    }
}

/// The smallest gain since somebody asked, from 0 to 1.
#[derive(Debug)]
pub(super) struct LowestGain(AtomicU32);

impl LowestGain {
    pub(super) fn note(&self, gain: f32) {
        // Bits of floats that are not negative rise with their values.
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
