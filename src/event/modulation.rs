//! Modulation of a parameter by a wave, a random walk, or an external input.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::parameter::{Effect, Kind, Param};

/// A modulation of a parameter around its set value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Modulation {
    /// The waveform or input.
    pub shape: Shape,
    /// Depth above and below the set value, in the parameter's unit; a negative depth inverts the shape.
    pub depth: f32,
    /// The period; for a walk, the time from one point to the next; unused for an input.
    pub period: Period,
    /// Starting point as a fraction of the period, 0..=1.
    pub phase: f32,
}

/// A modulation's waveform or input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shape {
    /// A sine wave.
    Sine,
    /// A triangle wave.
    Triangle,
    /// A rising sawtooth wave.
    Ramp,
    /// Glides from one random point to the next; depends on the seed.
    Walk,
    /// Follows an input parameter, whose centre is 0.5.
    Input(Param),
}

/// A duration in seconds or in bars.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Period {
    /// Seconds.
    Seconds(f64),
    /// Bars, following the tempo.
    Bars(f64),
}

impl Shape {
    /// The shapes that are generated rather than taken from an input, with their names.
    pub const GENERATED: [(&'static str, Self); 4] =
        [("sine", Self::Sine), ("triangle", Self::Triangle), ("ramp", Self::Ramp), ("walk", Self::Walk)];

    /// Returns the waveform's value, −1..=1, after a number of periods; 0 for a walk or an input, whose values do not
    /// depend on time alone.
    #[must_use]
    pub fn at(self, periods: f64) -> f64 {
        let phase = periods.rem_euclid(1.0);
        match self {
            Self::Sine => (phase * std::f64::consts::TAU).sin(),
            Self::Triangle => 4.0 * ((phase + 0.75).rem_euclid(1.0) - 0.5).abs() - 1.0,
            Self::Ramp => 2.0 * phase - 1.0,
            Self::Walk | Self::Input(_) => 0.0,
        }
    }
}

impl Param {
    /// The inputs that a modulation can follow.
    pub const INPUTS: [Self; 4] = [Self::Input1, Self::Input2, Self::Input3, Self::Input4];

    /// Returns whether the parameter can be modulated: true for valence, arousal, and the numeric parameters of the
    /// network and the engine.
    #[must_use]
    pub fn can_be_modulated(self) -> bool {
        let is_supported = match self.policy().effect {
            Effect::Engine | Effect::Network => true,
            Effect::Mood => matches!(self, Self::Valence | Self::Arousal),
            _ => false,
        };
        is_supported && matches!(self.spec().kind, Kind::Number { .. })
    }
}

impl fmt::Display for Modulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.shape {
            Shape::Input(param) => f.write_str(param.spec().id)?,
            shape => {
                let name = Shape::GENERATED.iter().find(|(_, known)| *known == shape).map_or("", |(name, _)| *name);
                f.write_str(name)?;
            }
        }
        let (unit, length) = match self.period {
            Period::Seconds(seconds) => ("seconds", seconds),
            Period::Bars(bars) => ("bars", bars),
        };
        write!(f, " {} {unit} {length} {}", self.depth, self.phase)
    }
}

impl FromStr for Modulation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let [shape, depth, unit, length, phase] = text.split(' ').collect::<Vec<_>>()[..] else {
            return Err("expected a shape, a depth, `seconds` or `bars`, the period, and a phase".to_owned());
        };
        let generated = Shape::GENERATED.iter().find(|(name, _)| *name == shape).map(|(_, shape)| *shape);
        let input = || Param::INPUTS.into_iter().find(|param| param.spec().id == shape).map(Shape::Input);
        let shape = generated.or_else(input).ok_or_else(|| format!("unknown shape {shape:?}"))?;
        let finite = |text: &str| {
            let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
            number.ok_or_else(|| format!("{text:?} is not a number"))
        };
        let length = finite(length)?;
        if length <= 0.0 {
            return Err("the period must be above 0".to_owned());
        }
        let period = match unit {
            "seconds" => Period::Seconds(length),
            "bars" => Period::Bars(length),
            _ => return Err(format!("expected seconds or bars, not {unit:?}")),
        };
        finite(depth)?;
        finite(phase)?;
        let parse_f32 = |text: &str| text.parse::<f32>().unwrap_or(0.0);
        Ok(Self { shape, depth: parse_f32(depth), period, phase: parse_f32(phase) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waveforms_have_the_expected_values() {
        for (shape, points) in [
            (Shape::Sine, [0.0, 1.0, 0.0, -1.0]),
            (Shape::Triangle, [0.0, 1.0, 0.0, -1.0]),
            (Shape::Ramp, [-1.0, -0.5, 0.0, 0.5]),
        ] {
            for (quarter, expected) in points.into_iter().enumerate() {
                for cycle in [0.0, 3.0] {
                    let value = shape.at(cycle + quarter as f64 / 4.0);
                    assert!((value - expected).abs() < 1e-9, "{shape:?} at {quarter} quarters: {value}");
                }
            }
        }
    }

    #[test]
    fn modulations_round_trip_and_invalid_ones_are_rejected() {
        for shape in Shape::GENERATED.map(|(_, shape)| shape).into_iter().chain([Shape::Input(Param::Input3)]) {
            for period in [Period::Seconds(0.1), Period::Bars(8.0)] {
                let modulation = Modulation { shape, depth: -0.3, period, phase: 0.25 };
                assert_eq!(modulation.to_string().parse(), Ok(modulation));
            }
        }
        for (text, hint) in [
            ("sine 1 bars 4", "expected a shape"),
            ("square 1 bars 4 0", "square"),
            ("sine nan bars 4 0", "not a number"),
            ("sine 1 hours 4 0", "expected seconds or bars"),
            ("sine 1 bars 0 0", "must be above 0"),
        ] {
            let error = text.parse::<Modulation>().unwrap_err();
            assert!(error.contains(hint), "{error}");
        }
    }

    #[test]
    fn only_supported_parameters_can_be_modulated() {
        for param in [Param::Tempo, Param::Seed, Param::Glide, Param::Happy, Param::Key, Param::MutePad, Param::Input1]
        {
            assert!(!param.can_be_modulated(), "{param:?}");
        }
        for param in [Param::Valence, Param::Density, Param::Tone, Param::LevelMaster] {
            assert!(param.can_be_modulated(), "{param:?}");
        }
    }
}
