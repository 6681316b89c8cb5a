//! Converts control positions to parameter values and back.

use std::ops::RangeInclusive;

/// The response of a control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Curve {
    /// Equal steps.
    #[default]
    Linear,
    /// Equal ratios; both ends must be above 0.
    Exponential,
    /// The taper of a mixer's fader, for levels: at half travel, 12 dB below `high`, if `low` is at least 24 dB below it;
    /// `low` must be the quieter end.
    Decibel,
}

/// A curve between two ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// Value at position 0.
    pub low: f32,
    /// Value at position 1; may be below `low`, except for [`Curve::Decibel`].
    pub high: f32,
    /// The response between the ends.
    pub curve: Curve,
}

/// Attenuation at a tenth of the travel, in decibels: the square law of mixer faders.
const DECIBELS_PER_DECADE: f32 = 40.0;

impl Scale {
    /// Returns the value at a position, 0..=1.
    #[must_use]
    pub fn value(&self, position: f32) -> f32 {
        let Self { low, high, curve } = *self;
        let position = position.clamp(0.0, 1.0);
        match curve {
            // This form is exact at both ends.
            Curve::Linear => low * (1.0 - position) + high * position,
            Curve::Exponential => low * (high / low).powf(position),
            Curve::Decibel => {
                let (knee, level) = self.knee();
                if position < knee {
                    low + (level - low) * position / knee
                } else {
                    high + DECIBELS_PER_DECADE * position.log10()
                }
            }
        }
    }

    /// Returns the position of a value, 0..=1. Values beyond an end map to that end.
    #[must_use]
    pub fn position(&self, value: f32) -> f32 {
        let Self { low, high, curve } = *self;
        let position = match curve {
            Curve::Linear => (value - low) / (high - low),
            Curve::Exponential => (value.max(f32::MIN_POSITIVE) / low).ln() / (high / low).ln(),
            Curve::Decibel => {
                let (knee, level) = self.knee();
                if value < level {
                    knee * (value - low) / (level - low)
                } else {
                    10f32.powf((value - high) / DECIBELS_PER_DECADE)
                }
            }
        };
        if position.is_finite() { position.clamp(0.0, 1.0) } else { 0.0 }
    }

    /// Returns the position, and its value, below which [`Curve::Decibel`] is straight. The square law alone would reach `low`
    /// halfway to there, and an encoder could not leave the positions below.
    fn knee(&self) -> (f32, f32) {
        let knee = (2.0 * 10f32.powf((self.low - self.high) / DECIBELS_PER_DECADE)).min(1.0);
        (knee, self.high + DECIBELS_PER_DECADE * knee.log10())
    }

    /// Checks that the ends suit the curve and the parameter's `range`. Returns a hint if they do not.
    pub(super) fn check(&self, range: RangeInclusive<f32>) -> Result<(), String> {
        let (min, max) = (range.start(), range.end());
        if !range.contains(&self.low) || !range.contains(&self.high) {
            return Err(format!("both ends must be in the parameter's range from {min} to {max}"));
        }
        match self.curve {
            _ if self.low == self.high => Err("the ends must differ".to_owned()),
            Curve::Exponential if self.low <= 0.0 || self.high <= 0.0 => {
                Err("an exponential curve needs both ends above 0".to_owned())
            }
            Curve::Decibel if self.low > self.high => Err("a decibel curve needs the quieter end first".to_owned()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn converts_positions_to_values_and_back() {
        for (low, high, curve, middle) in [
            (-1.0, 1.0, Curve::Linear, 0.0),
            (2.0, 0.0, Curve::Linear, 1.0),
            (0.1, 10.0, Curve::Exponential, 1.0),
            (-60.0, 0.0, Curve::Decibel, -12.041),
            (-30.0, 6.0, Curve::Decibel, -6.041),
            // So close together that the whole curve is straight.
            (-6.0, 0.0, Curve::Decibel, -3.0),
        ] {
            let scale = Scale { low, high, curve };
            assert_eq!((scale.value(0.0), scale.value(1.0)), (low, high), "{scale:?}");
            assert!((scale.value(0.5) - middle).abs() < 1e-3, "{scale:?}: {}", scale.value(0.5));
            for step in 0..=100u8 {
                let position = f32::from(step) / 100.0;
                assert!((scale.position(scale.value(position)) - position).abs() < 1e-4, "{scale:?} {position}");
            }
            assert_eq!((scale.position(low), scale.position(high)), (0.0, 1.0));
        }
    }
}
