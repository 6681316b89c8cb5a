//! Values that move without steps.

use super::QUANTUM;
use crate::units::SAMPLE_RATE;

/// A value that moves to its target in a straight line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ramp {
    value: f32,
    target: f32,
    step: f32,
    left: u32,
    quanta: u32,
}

/// Whole quanta that cover a time.
fn quanta(seconds: f32) -> u32 {
    (seconds * SAMPLE_RATE as f32 / QUANTUM as f32).ceil().max(1.0) as u32
}

impl Ramp {
    /// Rests at `value`; every change takes `seconds`, rounded up to whole quanta.
    pub(super) fn new(value: f32, seconds: f32) -> Self {
        Self { value, target: value, step: 0.0, left: 0, quanta: quanta(seconds) }
    }

    /// Sets off for a new target from wherever the value is.
    pub(super) fn set(&mut self, target: f32) {
        if target != self.target {
            self.target = target;
            self.left = self.quanta;
            self.step = (target - self.value) / self.quanta as f32;
        }
    }

    /// As [`Ramp::set`], over other `seconds` from now on.
    pub(super) fn set_over(&mut self, target: f32, seconds: f32) {
        self.quanta = quanta(seconds);
        self.set(target);
    }

    /// Is at `value` at once.
    pub(super) fn jump(&mut self, value: f32) {
        *self = Self { value, target: value, step: 0.0, left: 0, quanta: self.quanta };
    }

    /// Where the value is.
    pub(super) fn value(&self) -> f32 {
        self.value
    }

    /// Where it is going.
    pub(super) fn target(&self) -> f32 {
        self.target
    }

    /// Moves on by one quantum and returns the way there.
    pub(super) fn step(&mut self) -> Span {
        let from = self.value;
        if self.left > 0 {
            self.left -= 1;
            self.value = if self.left == 0 { self.target } else { self.value + self.step };
        }
        Span { from, to: self.value }
    }
}

/// A straight line across one quantum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Span {
    pub(super) from: f32,
    pub(super) to: f32,
}

impl Span {
    /// The value at a frame of the quantum; at the last one it is `to`.
    pub(super) fn at(self, frame: usize) -> f32 {
        self.from + (self.to - self.from) * ((frame + 1) as f32 / QUANTUM as f32)
    }

    /// The values frame by frame.
    pub(super) fn iter(self) -> impl Iterator<Item = f32> {
        (0..QUANTUM).map(move |frame| self.at(frame))
    }

    /// Multiplies a quantum of samples.
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
    fn a_ramp_arrives_exactly_and_in_even_steps() {
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
    fn a_new_target_starts_from_where_the_value_is() {
        let mut ramp = Ramp::new(0.0, 0.02);
        ramp.set(1.0);
        ramp.step();
        let here = ramp.value();
        ramp.set(0.0);
        assert_eq!(ramp.step().from, here);
    }
}
