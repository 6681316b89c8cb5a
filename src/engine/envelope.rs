//! ADSR envelopes.

use serde::{Deserialize, Serialize};

use super::QUANTUM;
use super::dsp::flush;
use crate::units::SAMPLE_RATE;

/// The parameters of an envelope: times in seconds, levels as linear gains. The curves are exponential, like those of
/// acoustic instruments.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// Time to full level.
    pub(super) attack: f32,
    /// Time constant of the decay to `sustain`.
    pub(super) decay: f32,
    /// Level while the note is held.
    pub(super) sustain: f32,
    /// Time constant of the release.
    pub(super) release: f32,
}

/// Level below which a released note ends: −90 dB.
const END_LEVEL: f32 = 3e-5;
/// Target of the exponential attack: above 1, so that the level reaches 1 in finite time.
const ATTACK_TARGET: f32 = 1.3;
/// Number of time constants until the attack reaches 1: `ln(ATTACK_TARGET / (ATTACK_TARGET - 1))`.
const ATTACK_TIME_CONSTANTS: f32 = 1.466_337;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
enum Stage {
    #[default]
    Off,
    Attack,
    Decay,
    Release,
}

/// The envelope of one note.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Envelope {
    stage: Stage,
    level: f32,
    attack: f32,
    decay: f32,
    sustain: f32,
    release: f32,
}

fn coefficient(time_constant: f32) -> f32 {
    1.0 / (time_constant * SAMPLE_RATE as f32).max(1.0)
}

impl Envelope {
    pub(super) fn start(shape: &Shape) -> Self {
        Self {
            stage: Stage::Attack,
            level: 0.0,
            attack: coefficient(shape.attack / ATTACK_TIME_CONSTANTS),
            decay: coefficient(shape.decay),
            sustain: shape.sustain,
            release: coefficient(shape.release),
        }
    }

    pub(super) fn release(&mut self) {
        if self.stage != Stage::Off {
            self.stage = Stage::Release;
        }
    }

    pub(super) fn is_held(&self) -> bool {
        matches!(self.stage, Stage::Attack | Stage::Decay)
    }

    pub(super) fn is_off(&self) -> bool {
        self.stage == Stage::Off
    }

    pub(super) fn level(&self) -> f32 {
        self.level
    }

    /// Renders the levels of the next quantum.
    pub(super) fn render(&mut self, out: &mut [f32; QUANTUM]) {
        for level in out {
            match self.stage {
                Stage::Off => self.level = 0.0,
                Stage::Attack => {
                    self.level += self.attack * (ATTACK_TARGET - self.level);
                    if self.level >= 1.0 {
                        self.level = 1.0;
                        self.stage = Stage::Decay;
                    }
                }
                Stage::Decay => self.level += self.decay * (self.sustain - self.level),
                Stage::Release => {
                    self.level -= self.release * self.level;
                    if self.level < END_LEVEL {
                        self.stage = Stage::Off;
                    }
                }
            }
            *level = flush(self.level);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { attack: 0.01, decay: 0.1, sustain: 0.5, release: 0.05 };

    fn level_after(envelope: &mut Envelope, seconds: f32) -> f32 {
        let mut out = [0.0; QUANTUM];
        for _ in 0..(seconds * SAMPLE_RATE as f32 / QUANTUM as f32).ceil() as usize {
            envelope.render(&mut out);
        }
        out[QUANTUM - 1]
    }

    #[test]
    fn an_envelope_attacks_decays_and_releases() {
        let mut envelope = Envelope::start(&SHAPE);
        assert!(level_after(&mut envelope, 0.009) < 1.0);
        assert!(level_after(&mut envelope, 0.004) > 0.95);
        assert!((level_after(&mut envelope, 1.0) - 0.5).abs() < 1e-3);
        envelope.release();
        assert!(!envelope.is_held());
        assert_eq!(level_after(&mut envelope, 1.0), 0.0);
        assert!(envelope.is_off());
    }
}
