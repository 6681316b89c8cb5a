//! The tone control: removes DC and tilts the spectrum.

use serde::{Deserialize, Serialize};

use super::dsp::{Bus, LowPass, one_pole};
use super::mixer::default_value;
use super::ramp::{Ramp, Span};
use crate::event::parameter::Param;

/// Cutoff of the DC blocker.
const DC_CUTOFF_HZ: f32 = 12.0;
/// Pivot of the tilt.
const PIVOT_HZ: f32 = 900.0;
/// Maximum tilt: the boost at one end of the spectrum and the cut at the other.
const TILT_DB: f32 = 6.0;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Channel {
    offset: LowPass,
    low: LowPass,
}

/// A DC blocker and a tilt equalizer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Tone {
    mid: Channel,
    side: Channel,
    tilt_db: Ramp,
}

impl Tone {
    pub(super) fn new() -> Self {
        Self::with(default_value(Param::Tone))
    }

    /// Creates a control set to `tone`, from −1 (darkest) to 1 (brightest).
    fn with(tone: f32) -> Self {
        let tilt_db = Ramp::for_param(Param::Tone, TILT_DB * tone);
        Self { mid: Channel::default(), side: Channel::default(), tilt_db }
    }

    /// Sets the tone; ignores other parameters.
    pub(super) fn set_number(&mut self, param: Param, value: f32) {
        if param == Param::Tone {
            self.tilt_db.set(TILT_DB * value);
        }
    }

    pub(super) fn clear(&mut self) {
        self.mid = Channel::default();
        self.side = Channel::default();
    }

    pub(super) fn render(&mut self, bus: &mut Bus) {
        let span = self.tilt_db.step();
        let gain = |db: f32| 10f32.powf(db / 20.0);
        let gains = Span { from: gain(span.from), to: gain(span.to) };
        let (offset, pivot) = (one_pole(DC_CUTOFF_HZ), one_pole(PIVOT_HZ));
        for (channel, samples) in [(&mut self.mid, &mut bus.mid), (&mut self.side, &mut bus.side)] {
            for (n, sample) in samples.iter_mut().enumerate() {
                let high_gain = gains.at(n);
                let clean = *sample - channel.offset.next(*sample, offset);
                let low = channel.low.next(clean, pivot);
                *sample = low / high_gain + (clean - low) * high_gain;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::QUANTUM;
    use crate::engine::dsp::{advance, sine};

    /// Returns the gain at `hz` with the control set to `tone`.
    fn gain_at(tone: f32, hz: f32) -> f32 {
        let mut filter = Tone::with(tone);
        let (mut phase, mut power) = (0.0, 0.0);
        for quantum in 0..1500 {
            let mut bus = Bus::SILENT;
            for sample in &mut bus.mid {
                *sample = 0.5 + sine(phase);
                advance(&mut phase, hz / 48_000.0);
            }
            filter.render(&mut bus);
            if quantum >= 750 {
                power += bus.mid.iter().map(|sample| sample * sample).sum::<f32>();
            }
        }
        (power / (750.0 * QUANTUM as f32) * 2.0).sqrt()
    }

    #[test]
    fn neutral_tone_removes_only_dc() {
        for hz in [60.0, 900.0, 9000.0] {
            assert!((gain_at(0.0, hz) - 1.0).abs() < 0.05, "{hz}");
        }
    }

    #[test]
    fn the_tone_tilts_the_spectrum() {
        for (tone, hz, expected) in [(1.0, 9000.0, 2.0), (1.0, 60.0, 0.5), (-1.0, 9000.0, 0.5), (-1.0, 60.0, 2.0)] {
            let gain = gain_at(tone, hz);
            assert!((gain / expected - 1.0).abs() < 0.25, "tone {tone} at {hz} Hz: gain {gain}");
        }
    }
}
