//! Even loudness: brings the music slowly towards one loudness, whatever the mood.
//!
//! The leveller measures the music in front of the master level and the play fade, so these work as without it. It
//! always measures, even while it is off, so that it can be turned up at any time.

use serde::{Deserialize, Serialize};

use super::dsp::Bus;
use super::loudness::{Loudness, Meter, STEP_SECONDS};
use super::mixer::default_value;
use super::ramp::{Ramp, Span};
use crate::event::parameter::Param;
use crate::units::db_to_gain;

/// The loudness of even music, in LUFS: that of broadcasts (EBU R 128), which leaves headroom for soft moods with loud attacks.
const TARGET_LUFS: f32 = -23.0;
/// Maximum boost and cut, in decibels.
const RANGE_DB: f32 = 12.0;
/// Maximum speed at which the gain rises, in decibels per second: slower than the swell of a phrase, which must survive.
const RISE: f32 = 0.5;
/// Maximum speed at which the gain falls. Music that has become too loud disturbs more than music that is still soft.
const FALL: f32 = 2.0;

/// A slow automatic gain.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Leveller {
    evenness: Ramp,
    meter: Meter,
    /// The gain at full evenness, in decibels.
    correction_db: Ramp,
    /// The gain at the end of the last quantum.
    gain: f32,
}

impl Leveller {
    pub(super) fn new() -> Self {
        Self {
            evenness: Ramp::for_param(Param::Evenness, default_value(Param::Evenness)),
            meter: Meter::new(),
            correction_db: Ramp::new(0.0, STEP_SECONDS),
            gain: 1.0,
        }
    }

    /// Sets the evenness; ignores other parameters.
    pub(super) fn set_number(&mut self, param: Param, value: f32) {
        if param == Param::Evenness {
            self.evenness.set(value);
        }
    }

    /// Forgets what was measured, but keeps the gain.
    pub(super) fn clear(&mut self) {
        self.meter = Meter::new();
    }

    /// Returns the gain over the next quantum: exactly 1 without evenness. Unless `may_rise`, the correction does not
    /// increase.
    pub(super) fn step(&mut self, may_rise: bool) -> Span {
        if !may_rise && self.correction_db.target() > self.correction_db.value() {
            self.correction_db.jump(self.correction_db.value());
        }
        let from = self.gain;
        self.gain = db_to_gain(self.evenness.step().to * self.correction_db.step().to);
        Span { from, to: self.gain }
    }

    /// Measures a quantum of the music, which must be finite.
    pub(super) fn measure(&mut self, bus: &Bus) {
        let Some(Loudness { lufs, is_sounding }) = self.meter.add(bus) else { return };
        let current = self.correction_db.value();
        let missing = (TARGET_LUFS - lufs).clamp(-RANGE_DB, RANGE_DB) - current;
        let rise = if is_sounding { RISE * STEP_SECONDS } else { 0.0 };
        self.correction_db.set(current + missing.clamp(-FALL * STEP_SECONDS, rise));
    }
}

#[cfg(test)]
mod tests;
