//! Parameter smoothing.

use serde::{Deserialize, Serialize};

use super::QUANTUM;
use crate::event::parameter::Param;
use crate::units::SAMPLE_RATE;

/// A value that moves linearly to its target.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Ramp {
    value: f32,
    target: f32,
    step: f32,
    remaining: u32,
    quanta: u32,
}

/// Returns the number of quanta in a duration, rounded up, but at least 1.
fn quanta(seconds: f32) -> u32 {
    (seconds * SAMPLE_RATE as f32 / QUANTUM as f32).ceil().max(1.0) as u32
}

impl Ramp {
    /// Creates a ramp at `value` whose changes each take `seconds`, rounded up to whole quanta.
    pub(super) fn new(value: f32, seconds: f32) -> Self {
        Self { value, target: value, step: 0.0, remaining: 0, quanta: quanta(seconds) }
    }

    /// Creates a ramp at `value` with a parameter's smoothing time.
    pub(super) fn for_param(param: Param, value: f32) -> Self {
        Self::new(value, param.spec().smoothing_ms / 1000.0)
    }

    /// Sets a new target, starting from the current value.
    pub(super) fn set(&mut self, target: f32) {
        if target != self.target {
            self.target = target;
            self.remaining = self.quanta;
            self.step = (target - self.value) / self.quanta as f32;
        }
    }

    /// Sets a new target and the duration of this and later changes, in seconds.
    pub(super) fn set_over(&mut self, target: f32, seconds: f32) {
        self.quanta = quanta(seconds);
        self.set(target);
    }

    /// Sets the value and the target to `value` at once.
    pub(super) fn jump(&mut self, value: f32) {
        *self = Self { value, target: value, step: 0.0, remaining: 0, quanta: self.quanta };
    }

    /// Returns the current value.
    pub(super) fn value(&self) -> f32 {
        self.value
    }

    /// Returns the target.
    pub(super) fn target(&self) -> f32 {
        self.target
    }

    /// Returns whether the value is `value` and does not move.
    pub(super) fn rests_at(&self, value: f32) -> bool {
        self.value == value && self.target == value
    }

    /// Advances by one quantum and returns the values over it.
    pub(super) fn step(&mut self) -> Span {
        let from = self.value;
        if self.remaining > 0 {
            self.remaining -= 1;
            self.value = if self.remaining == 0 { self.target } else { self.value + self.step };
        }
        Span { from, to: self.value }
    }
}

/// A linear segment over one quantum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Span {
    pub(super) from: f32,
    pub(super) to: f32,
}

impl Span {
    /// Returns the value at a frame of the quantum. At the last frame, it is `to`.
    pub(super) fn at(self, frame: usize) -> f32 {
        self.from + (self.to - self.from) * ((frame + 1) as f32 / QUANTUM as f32)
    }

    /// Iterates over the values, one per frame.
    pub(super) fn iter(self) -> impl Iterator<Item = f32> {
        (0..QUANTUM).map(move |frame| self.at(frame))
    }

    /// Scales a quantum of samples.
    pub(super) fn scale(self, samples: &mut [f32; QUANTUM]) {
        for (sample, gain) in samples.iter_mut().zip(self.iter()) {
            *sample *= gain;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_reaches_its_target_in_even_steps() {
        let mut ramp = Ramp::new(0.0, 0.02);
        ramp.set(1.0);
        let mut last = 0.0;
        let mut largest = 0.0f32;
        for _ in 0..15 {
            for value in ramp.step().iter() {
                largest = largest.max(value - last);
                last = value;
            }
        }
        assert_eq!(ramp.value(), 1.0);
        assert!((largest - 1.0 / 960.0).abs() < 1e-6, "{largest}");
    }

    #[test]
    fn a_new_target_starts_from_the_current_value() {
        let mut ramp = Ramp::new(0.0, 0.02);
        ramp.set(1.0);
        ramp.step();
        let current = ramp.value();
        ramp.set(0.0);
        assert_eq!(ramp.step().from, current);
    }
}
