//! Levels and mutes of the layers, and phrase dynamics.

use serde::{Deserialize, Serialize};

use super::ramp::{Ramp, Span};
use crate::event::parameter::{Kind, Param};
use crate::units::db_to_gain;

/// Maximum rise or fall of the network and harmony levels at full dynamics, in decibels. The network shapes its own
/// phrases, so its level changes less.
const SWING_DB: [f32; 2] = [3.5, 8.0];
/// Smoothing time of the phrase dynamics in seconds.
const PHRASE_SECONDS: f32 = 0.35;

/// Returns the default of a numeric parameter, or 0 or 1 for a toggle; 0 for parameters of other kinds.
pub(super) fn default_value(param: Param) -> f32 {
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
    mute: Param,
    gain: f32,
    muted: bool,
    ramp: Ramp,
}

impl Fader {
    fn new(level: Param, mute: Param) -> Self {
        let gain = db_to_gain(default_value(level));
        Self { level, mute, gain, muted: false, ramp: Ramp::for_param(level, gain) }
    }

    /// Returns the gain over the next quantum.
    pub(super) fn step(&mut self) -> Span {
        self.ramp.step()
    }

    fn update_target(&mut self) {
        self.ramp.set(if self.muted { 0.0 } else { self.gain });
    }
}

/// All faders, and the phrase dynamics.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Mixer {
    pub(super) network: Fader,
    pub(super) bass: Fader,
    pub(super) pad: Fader,
    pub(super) upper: Fader,
    pub(super) harmony: Fader,
    pub(super) master: Fader,
    /// Gains of network and harmony from the phrase dynamics.
    pub(super) phrase: [Ramp; 2],
    dynamics: f32,
    expression: f32,
}

impl Mixer {
    pub(super) fn new() -> Self {
        Self {
            network: Fader::new(Param::LevelNetwork, Param::MuteNetwork),
            bass: Fader::new(Param::LevelBass, Param::MuteBass),
            pad: Fader::new(Param::LevelPad, Param::MutePad),
            upper: Fader::new(Param::LevelUpper, Param::MuteUpper),
            harmony: Fader::new(Param::LevelHarmony, Param::MuteHarmony),
            master: Fader::new(Param::LevelMaster, Param::MuteMaster),
            phrase: [Ramp::new(1.0, PHRASE_SECONDS); 2],
            dynamics: default_value(Param::Dynamics),
            expression: 0.5,
        }
    }

    fn faders(&mut self) -> [&mut Fader; 6] {
        [&mut self.network, &mut self.bass, &mut self.pad, &mut self.upper, &mut self.harmony, &mut self.master]
    }

    /// Sets a level or the dynamics; ignores other parameters.
    pub(super) fn set_number(&mut self, param: Param, value: f32) {
        if param == Param::Dynamics {
            self.dynamics = value;
            self.update_phrase();
        }
        if let Some(fader) = self.faders().into_iter().find(|fader| fader.level == param) {
            fader.gain = db_to_gain(value);
            fader.update_target();
        }
    }

    /// Sets a mute; ignores other parameters.
    pub(super) fn set_toggle(&mut self, param: Param, on: bool) {
        if let Some(fader) = self.faders().into_iter().find(|fader| fader.mute == param) {
            fader.muted = on;
            fader.update_target();
        }
    }

    /// Sets the loudness within the phrase, from 0 (softest) to 1 (loudest).
    pub(super) fn set_expression(&mut self, expression: f32) {
        self.expression = expression;
        self.update_phrase();
    }

    fn update_phrase(&mut self) {
        for (ramp, swing) in self.phrase.iter_mut().zip(SWING_DB) {
            ramp.set(db_to_gain((2.0 * self.expression - 1.0) * self.dynamics * swing));
        }
    }
}
