//! The real-time engine: plays the network's hops and the harmony voices, adds reverb, and never blocks.
//!
//! [`Engine::render`] runs on the audio thread. There, nothing in this module allocates, frees, locks, makes a system call,
//! logs, reads a clock or (outside debug builds) panics: buffers are allocated in [`ports()`] and [`Engine::new`], commands
//! are `Copy`, and time is counted in frames. Everything is rendered in quanta of [`QUANTUM`] frames, so the sound does not depend on the device's
//! block size. Timed commands take effect at the start of the quantum that contains their frame. Immediate commands take
//! effect at the start of the next quantum, and the engine reports that frame.
//!
//! ```text
//! hops ─► network or sustain ─► widener ─┐
//! notes ─► bass, pad, upper voice ───────┴─► freeze ─► reverb ─► width ─► tone ─► evenness ─► level ─► limiter ─► gate ─► out, tap
//! ```
//!
//! Internally, audio is mid/side; the mid signal is the mono mix.
#![cfg_attr(not(test), deny(clippy::disallowed_types, clippy::disallowed_methods, clippy::disallowed_macros))]

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use ringbuf::traits::{Consumer, Producer};
use serde::{Deserialize, Serialize};

use crate::event::EngineEvent;
use crate::event::health::Loss;
use crate::event::parameter::Param;
use crate::units::SAMPLE_RATE;

mod checkpoint;
mod commands;
mod dsp;
mod envelope;
mod freeze;
mod granular_sustain;
mod hops;
mod leveller;
mod limiter;
mod loudness;
mod mixer;
mod network;
mod ports;
mod ramp;
mod reverb;
mod status;
mod stereo_widener;
mod tone;
mod voices;

pub use ports::{EngineEnds, EnginePorts, gap, gap_in, ports};
pub use status::{EngineStatus, Layer};

use dsp::Bus;
use freeze::Freeze;
use hops::HopOutcome;
use leveller::Leveller;
use limiter::Limiter;
use mixer::{Mixer, default_value};
use network::{Network, Transition};
use ramp::Ramp;
use reverb::Reverb;
use stereo_widener::StereoWidener;
use tone::Tone;
use voices::{Bass, Pad, Pool, Upper};

/// Number of frames that the engine renders at a time.
pub const QUANTUM: usize = 64;

/// Number of frames from the playhead that hops must cover; otherwise, the network's sound fades to a sustain.
pub const HOP_LEAD: u64 = network::LEAD + QUANTUM as u64;

/// Default durations of the fade-out on stop and the fade-in on start, in seconds.
pub const PLAY_FADE_SECONDS: [f32; 2] = [1.5, 0.8];

/// Duration of the fade-in at frame 0 and after a panic.
const FADE_IN_SECONDS: f32 = 0.06;
/// Duration of the fade-out on panic.
const PANIC_FADE_SECONDS: f32 = 0.005;
/// Maximum number of hops taken per quantum, to bound the quantum's run time.
const MAX_HOPS_PER_QUANTUM: usize = 16;
/// Weight of one quantum in the moving average of the output's power, for a time constant of 300 ms.
const RMS_WEIGHT: f32 = QUANTUM as f32 / (0.3 * SAMPLE_RATE as f32);

/// The engine; see the module documentation.
pub struct Engine {
    ports: EnginePorts,
    status: Arc<EngineStatus>,
    state: State,
    /// The current quantum, left and right.
    rendered: [[f32; 2]; QUANTUM],
    /// Number of frames of `rendered` already played.
    played: usize,
    /// Frames dropped from the tap but not yet marked as a gap.
    tap_gap: u32,
}

/// The engine's state between two quanta, without the queued hops. Requested through [`EnginePorts::saves`].
#[derive(Serialize, Deserialize)]
#[allow(missing_debug_implementations, reason = "half a megabyte of samples")]
pub struct State {
    /// The playhead: the first frame of the next quantum.
    frame: u64,
    network: Network,
    widener: StereoWidener,
    bass: Pool<Bass, 4>,
    pad: Pool<Pad, 12>,
    upper: Pool<Upper, 6>,
    mixer: Mixer,
    width: Ramp,
    freeze: Freeze,
    reverb: Reverb,
    tone: Tone,
    leveller: Leveller,
    play: Ramp,
    /// Duration of the next fade of `play` in seconds; 0 for the default.
    play_fade: f32,
    limiter: Limiter,
    gate: Ramp,
    panicking: bool,
    /// Whether the limiter was audibly active in the previous quantum.
    is_limiting: bool,
    starved_since: u64,
    power: f32,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Engine").field("frame", &self.state.frame).finish_non_exhaustive()
    }
}

impl Engine {
    /// Creates an engine at frame 0 with all parameters at their defaults, and allocates its buffers.
    #[must_use]
    pub fn new(ports: EnginePorts, status: Arc<EngineStatus>) -> Self {
        let (rendered, played, tap_gap) = ([[0.0; 2]; QUANTUM], QUANTUM, 0);
        Self { ports, status, state: State::new(), rendered, played, tap_gap }
    }

    /// Returns the engine's status.
    #[must_use]
    pub fn status(&self) -> &Arc<EngineStatus> {
        &self.status
    }

    /// Renders the next `out.len() / 2` frames, with left and right interleaved and full scale at ±1. No sample exceeds −1 dBFS.
    ///
    /// Runs on the audio thread. Any length is valid, and the audio does not depend on it.
    pub fn render(&mut self, out: &mut [f32]) {
        let mut frames = out.chunks_exact_mut(2);
        for frame in &mut frames {
            if self.played == QUANTUM {
                self.render_quantum();
                self.played = 0;
            }
            frame.copy_from_slice(&self.rendered[self.played]);
            self.played += 1;
        }
        frames.into_remainder().fill(0.0);
    }

    fn render_quantum(&mut self) {
        self.save_if_requested();
        self.take_commands();
        self.take_hops();
        let bus = self.mix();
        self.finish(&bus);
        self.measure_and_tap();
        self.state.frame += QUANTUM as u64;
        self.status.frame.store(self.state.frame, Relaxed);
    }

    fn take_hops(&mut self) {
        for _ in 0..MAX_HOPS_PER_QUANTUM {
            let Some(hop) = self.ports.hops.try_peek() else { break };
            match self.state.network.receive(hop, self.state.frame) {
                HopOutcome::Accepted => {}
                HopOutcome::Dropped => self.count_loss(Loss::Hops, 1),
                HopOutcome::EpochRejected => {
                    let event = EngineEvent::EpochRejected { epoch: hop.epoch, frame: self.state.frame };
                    self.count_loss(Loss::Hops, 1);
                    self.status.rejected_epoch.store(hop.epoch, Relaxed);
                    self.report(event);
                }
            }
            self.ports.hops.skip(1);
        }
        self.status.accepted_epoch.store(self.state.network.epoch(), Relaxed);
        let not_finite = self.state.network.take_not_finite();
        if not_finite > 0 {
            self.count_loss(Loss::NotFinite, not_finite);
            self.report(EngineEvent::NotFinite { frame: self.state.frame });
        }
    }

    /// Mixes all layers and applies the effects that precede the master level.
    fn mix(&mut self) -> Bus {
        let mut bus = Bus::SILENT;
        let mut piano = [0.0; QUANTUM];
        match self.state.network.render(self.state.frame, &mut piano) {
            Transition::Starved => {
                self.state.starved_since = self.state.frame;
                self.count_loss(Loss::Starvations, 1);
                self.status.starved.store(true, Relaxed);
                self.report(EngineEvent::Starved { frame: self.state.frame });
            }
            Transition::Recovered => {
                self.status.starved.store(false, Relaxed);
                let bridged = self.state.frame - self.state.starved_since;
                self.report(EngineEvent::Recovered { frame: self.state.frame, bridged });
            }
            Transition::None => {}
        }
        if self.status.is_starved() {
            self.status.starved_frames.fetch_add(QUANTUM as u64, Relaxed);
        }
        let [network_phrase, harmony_phrase] = &mut self.state.mixer.phrase;
        self.state.mixer.network.step().scale(&mut piano);
        network_phrase.step().scale(&mut piano);
        self.status.meter(Layer::Network, piano.iter().fold(0.0, |peak, sample| sample.abs().max(peak)));
        self.state.widener.render(&piano, &mut bus);

        let mut harmony = Bus::SILENT;
        let mut voice = Bus::SILENT;
        self.state.bass.render(&mut voice);
        self.status.meter(Layer::Bass, harmony.add(&mut voice, self.state.mixer.bass.step()));
        self.state.pad.render(&mut voice);
        self.status.meter(Layer::Pad, harmony.add(&mut voice, self.state.mixer.pad.step()));
        self.state.upper.render(&mut voice);
        self.status.meter(Layer::Upper, harmony.add(&mut voice, self.state.mixer.upper.step()));
        harmony.scale(harmony_phrase.step());
        self.status.meter(Layer::Harmony, bus.add(&mut harmony, self.state.mixer.harmony.step()));

        self.state.freeze.render(&mut bus);
        self.state.reverb.render(&mut bus);
        self.state.width.step().scale(&mut bus.side);
        self.state.tone.render(&mut bus);
        bus
    }

    /// Applies evenness, the master level, play fade, limiter and gate, and stores the quantum to play.
    fn finish(&mut self, bus: &Bus) {
        let even = self.state.leveller.step(self.is_fully_live());
        let (master, play, gate) = (self.state.mixer.master.step(), self.state.play.step(), self.state.gate.step());
        let gains = even.iter().zip(master.iter()).zip(play.iter()).zip(gate.iter());
        let mut not_finite = 0;
        for ((out, (((even, master), play), gate)), (mid, side)) in
            self.rendered.iter_mut().zip(gains).zip(bus.mid.iter().zip(&bus.side))
        {
            let gain = even * master * play * play;
            let mut frame = [gain * (mid + side), gain * (mid - side)];
            if !(frame[0].is_finite() && frame[1].is_finite()) {
                frame = [0.0; 2];
                not_finite += 1;
            }
            *out = self.state.limiter.next(frame).map(|sample| gate * sample);
        }
        if not_finite > 0 {
            // A recursive filter contains NaN or infinity, which persists until the filter is reset.
            self.count_loss(Loss::NotFinite, not_finite);
            self.report(EngineEvent::NotFinite { frame: self.state.frame });
            self.clear();
        } else {
            self.state.leveller.measure(bus);
        }
        if self.state.panicking && self.state.gate.value() == 0.0 {
            self.state.panicking = false;
            self.clear();
            self.state.gate.set_over(1.0, FADE_IN_SECONDS);
            self.report(EngineEvent::Panicked { frame: self.state.frame });
        }
        let gain = self.state.limiter.take_lowest();
        self.status.lowest_gain.record(gain);
        if gain < 1.0 && !self.state.is_limiting {
            self.status.limited.fetch_add(1, Relaxed);
        }
        self.state.is_limiting = gain < 1.0;
        self.status.silent.store(self.state.play.rests_at(0.0), Relaxed);
    }

    /// Returns whether the music is heard as it is played: neither paused, held nor fading.
    fn is_fully_live(&self) -> bool {
        self.state.play.rests_at(1.0) && self.state.gate.rests_at(1.0) && self.state.freeze.is_off()
    }

    /// Clears everything that would otherwise keep sounding.
    fn clear(&mut self) {
        self.state.bass.clear();
        self.state.pad.clear();
        self.state.upper.clear();
        self.state.network.clear();
        self.state.widener.clear();
        self.state.freeze.clear();
        self.state.reverb.clear();
        self.state.tone.clear();
        self.state.leveller.clear();
        self.state.limiter.clear();
    }

    fn measure_and_tap(&mut self) {
        let (mut peak, mut power) = (0.0f32, 0.0);
        for [left, right] in self.rendered {
            peak = peak.max(left.abs()).max(right.abs());
            power += 0.5 * (left * left + right * right);
        }
        self.state.power += RMS_WEIGHT * (power / QUANTUM as f32 - self.state.power);
        // The bit patterns of non-negative floats are ordered like their values.
        self.status.peak.fetch_max(peak.to_bits(), Relaxed);
        self.status.rms.store(self.state.power.max(0.0).sqrt().to_bits(), Relaxed);
        if self.tap_gap > 0 && self.ports.tap.try_push(gap(self.tap_gap)).is_ok() {
            self.tap_gap = 0;
        }
        let tapped = if self.tap_gap == 0 { self.ports.tap.push_slice(&self.rendered) } else { 0 };
        self.tap_gap = self.tap_gap.saturating_add((QUANTUM - tapped) as u32);
        self.count_loss(Loss::Tap, (QUANTUM - tapped) as u64);
    }

    fn report(&mut self, event: EngineEvent) {
        if self.ports.events.try_push(event).is_err() {
            self.count_loss(Loss::EngineEvents, 1);
        }
    }

    fn count_loss(&self, loss: Loss, count: u64) {
        self.status.losses().add(loss, count);
    }
}

impl State {
    fn new() -> Self {
        let mut play = Ramp::new(0.0, FADE_IN_SECONDS);
        play.set(1.0);
        Self {
            frame: 0,
            network: Network::new(),
            widener: StereoWidener::new(),
            bass: Pool::new(),
            pad: Pool::new(),
            upper: Pool::new(),
            mixer: Mixer::new(),
            width: Ramp::for_param(Param::Width, default_value(Param::Width)),
            freeze: Freeze::new(),
            reverb: Reverb::new(),
            tone: Tone::new(),
            leveller: Leveller::new(),
            play,
            play_fade: 0.0,
            limiter: Limiter::new(),
            gate: Ramp::new(1.0, PANIC_FADE_SECONDS),
            panicking: false,
            is_limiting: false,
            starved_since: 0,
            power: 0.0,
        }
    }
}

#[cfg(test)]
mod tests;
