//! Levels and mutes of the layers, and phrase dynamics.

use serde::{Deserialize, Serialize};

use super::ramp::{Ramp, Span};
use crate::event::parameter::{Kind, Param};
use crate::units::db_to_gain;

/// Range in decibels, up and down, of the network and harmony levels at full dynamics. The network shapes its own
/// phrases, so its range is smaller.
const SWING_DB: [f32; 2] = [3.5, 8.0];
/// Seconds over which the level follows the phrase.
const PHRASE_SECONDS: f32 = 0.35;

/// Returns a parameter's default as a number; toggles are 0 or 1.
pub(super) fn default(param: Param) -> f32 {
    match param.spec().kind {
        Kind::Number { default, .. } => default,
        Kind::Toggle { default } => f32::from(u8::from(default)),
        _ => 0.0,
    }
}

/// A level with its mute.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Fader {
    level: Param,
    mute: Option<Param>,
    gain: f32,
    muted: bool,
    ramp: Ramp,
}

impl Fader {
    fn new(level: Param, mute: Option<Param>) -> Self {
        let gain = db_to_gain(default(level));
        Self { level, mute, gain, muted: false, ramp: Ramp::of(level, gain) }
    }

    /// Returns the gain over the next quantum.
    pub(super) fn step(&mut self) -> Span {
        self.ramp.step()
    }

    fn aim(&mut self) {
        self.ramp.set(if self.muted { 0.0 } else { self.gain });
    }
}

/// All faders.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Mixer {
    pub(super) network: Fader,
    pub(super) bass: Fader,
    pub(super) pad: Fader,
    pub(super) upper: Fader,
    pub(super) harmony: Fader,
    pub(super) master: Fader,
    /// Phrase dynamics of network and harmony.
    pub(super) phrase: [Ramp; 2],
    dynamics: f32,
    expression: f32,
}

impl Mixer {
    pub(super) fn new() -> Self {
        Self {
            network: Fader::new(Param::LevelNetwork, Some(Param::MuteNetwork)),
            bass: Fader::new(Param::LevelBass, Some(Param::MuteBass)),
            pad: Fader::new(Param::LevelPad, Some(Param::MutePad)),
            upper: Fader::new(Param::LevelUpper, Some(Param::MuteUpper)),
            harmony: Fader::new(Param::LevelHarmony, Some(Param::MuteHarmony)),
            master: Fader::new(Param::LevelMaster, None),
            phrase: [Ramp::new(1.0, PHRASE_SECONDS); 2],
            dynamics: default(Param::Dynamics),
            expression: 0.5,
        }
    }

    fn faders(&mut self) -> [&mut Fader; 6] {
        [&mut self.network, &mut self.bass, &mut self.pad, &mut self.upper, &mut self.harmony, &mut self.master]
    }

    /// Sets the level or dynamics if `param` is one.
    pub(super) fn number(&mut self, param: Param, value: f32) {
        if param == Param::Dynamics {
            self.dynamics = value;
            self.follow();
        }
        if let Some(fader) = self.faders().into_iter().find(|fader| fader.level == param) {
            fader.gain = db_to_gain(value);
            fader.aim();
        }
    }

    /// Sets the mute if `param` is one.
    pub(super) fn toggle(&mut self, param: Param, on: bool) {
        if let Some(fader) = self.faders().into_iter().find(|fader| fader.mute == Some(param)) {
            fader.muted = on;
            fader.aim();
        }
    }

    /// Sets the phrase dynamics, 0 to 1.
    pub(super) fn expression(&mut self, expression: f32) {
        self.expression = expression;
        self.follow();
    }

    fn follow(&mut self) {
        for (ramp, swing) in self.phrase.iter_mut().zip(SWING_DB) {
            ramp.set(db_to_gain((2.0 * self.expression - 1.0) * self.dynamics * swing));
        }
    }
}
