//! Reverb: a feedback delay network (Jot and Chaigne 1991), mono in, mid/side out.

use serde::{Deserialize, Serialize};

use super::QUANTUM;
use super::dsp::{AllPass, Bus, LowPass, advance, flush, one_pole, sine};
use super::mixer::default_value;
use super::ramp::{Ramp, Span};
use crate::bytes;
use crate::event::parameter::Param;
use crate::units::SAMPLE_RATE;

const LINES: usize = 8;
/// Delays of the largest room, in frames: primes, so that echoes rarely coincide.
const LINE_DELAYS: [f32; LINES] = [2053.0, 2311.0, 2539.0, 2767.0, 3001.0, 3259.0, 3533.0, 3793.0];
/// Buffer length of one line: a power of two above the longest delay.
const LINE_BUFFER: usize = 4096;
/// Ratio of the smallest room's delays to the largest room's.
const MIN_SCALE: f32 = 0.38;
/// RT60 of the smallest and the largest room.
const RT60_SECONDS: [f32; 2] = [0.6, 6.5];
/// Damping cutoff of the smallest and the largest room.
const DAMPING_HZ: [f32; 2] = [7200.0, 4200.0];
/// Pre-delay of the smallest and the largest room.
const PRE_DELAY_SECONDS: [f32; 2] = [0.004, 0.026];
const PRE_DELAY_BUFFER: usize = 2048;
/// Cutoff of the high-pass filter that removes rumble from the input.
const LOW_CUT_HZ: f32 = 110.0;
/// Depth, in frames, of the delay modulation that suppresses resonances.
const MODULATION_DEPTH: f32 = 5.0;
/// Rate of the delay modulation in cycles per quantum: 0.29 Hz.
const MODULATION_RATE: f32 = 0.29 * QUANTUM as f32 / SAMPLE_RATE as f32;
/// Reverb level at amount 1.
const WET_LEVEL: f32 = 1.3;

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    #[serde(with = "bytes")]
    buffer: Box<[f32]>,
    delay: f32,
    damping: LowPass,
}

/// The reverb.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Reverb {
    lines: [Line; LINES],
    diffusion: [AllPass; 4],
    #[serde(with = "bytes")]
    pre_delay: Box<[f32]>,
    write: usize,
    low_cut: LowPass,
    modulation_phase: f32,
    size: Ramp,
    wet: Ramp,
}

/// Interpolates geometrically between the values for the smallest (0) and the largest (1) room.
fn interpolate([small, large]: [f32; 2], size: f32) -> f32 {
    small * (large / small).powf(size)
}

/// Returns the delay of a line in frames, without modulation.
fn line_delay(line: usize, size: f32) -> f32 {
    LINE_DELAYS[line] * (MIN_SCALE + (1.0 - MIN_SCALE) * size)
}

impl Reverb {
    pub(super) fn new() -> Self {
        Self::with(default_value(Param::Reverb), default_value(Param::ReverbSize))
    }

    #[expect(clippy::disallowed_macros, reason = "never called on the audio thread")]
    fn with(amount: f32, size: f32) -> Self {
        let line = |n| Line {
            buffer: vec![0.0; LINE_BUFFER].into_boxed_slice(),
            delay: line_delay(n, size),
            damping: LowPass::default(),
        };
        Self {
            lines: std::array::from_fn(line),
            diffusion: [(149, 0.72), (223, 0.68), (397, 0.62), (571, 0.58)].map(|(n, gain)| AllPass::new(n, gain)),
            pre_delay: vec![0.0; PRE_DELAY_BUFFER].into_boxed_slice(),
            write: 0,
            low_cut: LowPass::default(),
            modulation_phase: 0.0,
            size: Ramp::for_param(Param::ReverbSize, size),
            wet: Ramp::for_param(Param::Reverb, amount),
        }
    }

    /// Sets one of the reverb's parameters; ignores others.
    pub(super) fn set_number(&mut self, param: Param, value: f32) {
        match param {
            Param::Reverb => self.wet.set(value),
            // The parameter's long smoothing time lets the delays change without clicks.
            Param::ReverbSize => self.size.set(value),
            _ => {}
        }
    }

    /// Clears the tail.
    pub(super) fn clear(&mut self) {
        for line in &mut self.lines {
            line.buffer.fill(0.0);
            line.damping = LowPass::default();
        }
        self.diffusion.iter_mut().for_each(AllPass::clear);
        self.pre_delay.fill(0.0);
        self.low_cut = LowPass::default();
    }

    /// Adds reverb to the bus.
    pub(super) fn render(&mut self, bus: &mut Bus) {
        let size = self.size.step().to;
        let wet = self.wet.step();
        let seconds = interpolate(RT60_SECONDS, size);
        let damping = one_pole(interpolate(DAMPING_HZ, size));
        let low_cut = one_pole(LOW_CUT_HZ);
        let pre_delay = (interpolate(PRE_DELAY_SECONDS, size) * SAMPLE_RATE as f32) as usize;
        advance(&mut self.modulation_phase, MODULATION_RATE);
        let mut delays = [Span { from: 0.0, to: 0.0 }; LINES];
        let mut gains = [0.0; LINES];
        for n in 0..LINES {
            let delay = line_delay(n, size) + MODULATION_DEPTH * sine(self.modulation_phase + n as f32 / LINES as f32);
            delays[n] = Span { from: self.lines[n].delay, to: delay };
            self.lines[n].delay = delay;
            gains[n] = 10f32.powf(-3.0 * delay / (seconds * SAMPLE_RATE as f32));
        }
        // Compensate for the greater energy of longer tails.
        let mean = gains.iter().sum::<f32>() / LINES as f32;
        let level = WET_LEVEL * (1.0 - mean * mean).sqrt();
        for (n, wet) in (0..QUANTUM).zip(wet.iter()) {
            self.pre_delay[self.write % PRE_DELAY_BUFFER] = bus.mid[n];
            let delayed = self.pre_delay[(self.write + PRE_DELAY_BUFFER - pre_delay) % PRE_DELAY_BUFFER];
            let mut input = delayed - self.low_cut.next(delayed, low_cut);
            for stage in &mut self.diffusion {
                input = stage.next(input);
            }
            let mut out = [0.0; LINES];
            for (m, line) in self.lines.iter_mut().enumerate() {
                let delay = delays[m].at(n);
                let whole = delay as usize;
                let fraction = delay - whole as f32;
                let read = self.write + LINE_BUFFER - whole;
                let (near, far) = (line.buffer[read % LINE_BUFFER], line.buffer[(read - 1) % LINE_BUFFER]);
                out[m] = gains[m] * line.damping.next(near + fraction * (far - near), damping);
            }
            // A Householder matrix mixes every line into every other and preserves energy.
            let sum = out.iter().sum::<f32>() * (2.0 / LINES as f32);
            for (m, line) in self.lines.iter_mut().enumerate() {
                let sign = if m % 2 == 0 { 1.0 } else { -1.0 };
                line.buffer[self.write % LINE_BUFFER] = flush(sign * input + out[m] - sum);
            }
            // Even lines feed the left channel and odd lines the right, so the mono mix contains them all.
            let left = out[0] - out[2] + out[4] - out[6];
            let right = out[1] + out[3] - out[5] - out[7];
            bus.mid[n] += level * wet * 0.5 * (left + right);
            bus.side[n] += level * wet * 0.5 * (left - right);
            self.write = (self.write + 1) % (LINE_BUFFER * PRE_DELAY_BUFFER);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn impulse_response(size: f32, quanta: usize) -> Vec<f32> {
        let mut reverb = Reverb::with(1.0, size);
        let mut samples = Vec::new();
        for quantum in 0..quanta {
            let mut bus = Bus::SILENT;
            if quantum == 0 {
                bus.mid[0] = 1.0;
            }
            reverb.render(&mut bus);
            if quantum == 0 {
                bus.mid[0] -= 1.0;
            }
            samples.extend(bus.mid);
        }
        samples
    }

    fn energy(samples: &[f32]) -> f32 {
        samples.iter().map(|sample| sample * sample).sum()
    }

    #[test]
    fn the_decay_matches_the_reverberation_time() {
        for size in [0.0, 0.5, 1.0] {
            let seconds = interpolate(RT60_SECONDS, size);
            let samples = impulse_response(size, (seconds * 750.0) as usize + 200);
            let quarter = (seconds * SAMPLE_RATE as f32 / 4.0) as usize;
            let start = 4800;
            let decay_db =
                10.0 * (energy(&samples[start..start + 4800]) / energy(&samples[start + quarter..][..4800])).log10();
            assert!((12.0..26.0).contains(&decay_db), "size {size}: {decay_db} dB in a quarter of the RT60");
        }
    }

    #[test]
    fn all_room_sizes_are_similarly_loud() {
        let levels = [0.0, 0.5, 1.0].map(|size| 10.0 * energy(&impulse_response(size, 4000)).log10());
        assert!(levels.iter().all(|level| (level - levels[1]).abs() < 4.0), "{levels:?}");
    }

    #[test]
    fn stays_bounded_while_resized_and_clears_to_silence() {
        let mut reverb = Reverb::with(1.0, 0.5);
        let mut phase = 0.0;
        for quantum in 0..3000 {
            reverb.set_number(Param::ReverbSize, (quantum / 40 % 3) as f32 / 2.0);
            let mut bus = Bus::SILENT;
            for sample in &mut bus.mid {
                *sample = sine(phase);
                advance(&mut phase, 0.0093);
            }
            reverb.render(&mut bus);
            assert!(bus.mid.iter().chain(&bus.side).all(|sample| sample.abs() < 8.0));
        }
        reverb.clear();
        let mut bus = Bus::SILENT;
        reverb.render(&mut bus);
        assert!(bus.mid.iter().chain(&bus.side).all(|sample| *sample == 0.0));
    }
}
