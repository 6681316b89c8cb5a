//! Measures the loudness of the last seconds as defined in ITU-R BS.1770: K-weighted power above a gate.

use serde::{Deserialize, Serialize};

use super::QUANTUM;
use super::dsp::Bus;
use crate::bytes;
use crate::units::SAMPLE_RATE;

/// Number of quanta in a step of the measurement: 100 ms.
pub(super) const QUANTA_PER_STEP: u32 = SAMPLE_RATE / 10 / QUANTUM as u32;
/// Duration of a step.
pub(super) const STEP_SECONDS: f32 = (QUANTA_PER_STEP as usize * QUANTUM) as f32 / SAMPLE_RATE as f32;
/// Number of steps measured: six seconds, over which single chords and most swells average out.
const STEPS: usize = 60;
/// Number of steps that count as the current sound: 400 ms, a block of the standard.
const RECENT: usize = 4;
/// Power of the absolute gate, −60 LUFS. The standard's −70 LUFS would count the end of a reverb tail as music.
const SILENCE: f64 = 1.172_465e-6;
/// Relative gate, −20 LU. The standard's −10 LU would ignore the sparse ends of phrases.
const RELATIVE_GATE: f64 = 0.01;

/// The coefficients of a second-order filter. In double precision, because the poles of the high-pass are close to 1, and
/// so that no finite input overflows.
#[derive(Debug, Clone, Copy)]
struct Coefficients {
    b: [f64; 3],
    a: [f64; 2],
}

/// K-weighting at 48 kHz, from the tables of BS.1770-5: a shelf for the effect of the head, then a high-pass.
const K_WEIGHTING: [Coefficients; 2] = [
    Coefficients {
        b: [1.535_124_859_586_97, -2.691_696_189_406_38, 1.198_392_810_852_85],
        a: [-1.690_659_293_182_41, 0.732_480_774_215_85],
    },
    Coefficients { b: [1.0, -2.0, 1.0], a: [-1.990_047_454_833_98, 0.990_072_250_366_21] },
];
const _: () = assert!(SAMPLE_RATE == 48_000);

/// The K-weighting filter of one signal.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct KWeighting {
    states: [[f64; 2]; 2],
}

impl KWeighting {
    fn next(&mut self, input: f64) -> f64 {
        let mut signal = input;
        for ([s1, s2], Coefficients { b, a }) in self.states.iter_mut().zip(K_WEIGHTING) {
            let output = b[0] * signal + *s1;
            *s1 = flush(b[1] * signal - a[0] * output + *s2);
            *s2 = flush(b[2] * signal - a[1] * output);
            signal = output;
        }
        signal
    }
}

/// Like [`super::dsp::flush`], in double precision.
fn flush(value: f64) -> f64 {
    if value.abs() < 1e-30 { 0.0 } else { value }
}

/// What [`Meter::add`] measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Loudness {
    /// Loudness of the last six seconds in LUFS.
    pub(super) lufs: f32,
    /// Whether the last 400 ms are above the gate, rather than silent or dying away.
    pub(super) is_sounding: bool,
}

/// A loudness meter.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Meter {
    mid: KWeighting,
    side: KWeighting,
    /// Power of the last steps, newest at `newest`; 0 where nothing has been measured.
    #[serde(with = "bytes")]
    powers: [f64; STEPS],
    newest: usize,
    /// Energy and number of quanta of the current step.
    energy: f64,
    quanta: u32,
}

impl Meter {
    pub(super) fn new() -> Self {
        Self {
            mid: KWeighting::default(),
            side: KWeighting::default(),
            powers: [0.0; STEPS],
            newest: 0,
            energy: 0.0,
            quanta: 0,
        }
    }

    /// Adds a quantum, which must be finite. Returns the loudness at the end of each step, unless all is silent.
    pub(super) fn add(&mut self, bus: &Bus) -> Option<Loudness> {
        for (mid, side) in bus.mid.iter().zip(&bus.side) {
            let (mid, side) = (self.mid.next(f64::from(*mid)), self.side.next(f64::from(*side)));
            // The sum of the powers of left and right.
            self.energy += 2.0 * (mid * mid + side * side);
        }
        self.quanta += 1;
        if self.quanta < QUANTA_PER_STEP {
            return None;
        }
        self.newest = (self.newest + 1) % STEPS;
        self.powers[self.newest] = self.energy / f64::from(QUANTA_PER_STEP * QUANTUM as u32);
        (self.energy, self.quanta) = (0.0, 0);
        self.measure()
    }

    fn measure(&self) -> Option<Loudness> {
        let ungated = self.mean_above(SILENCE)?;
        let gate = SILENCE.max(RELATIVE_GATE * ungated);
        let power = self.mean_above(gate)?;
        let recent =
            (0..RECENT).map(|age| self.powers[(self.newest + STEPS - age) % STEPS]).sum::<f64>() / RECENT as f64;
        Some(Loudness { lufs: (10.0 * power.log10() - 0.691) as f32, is_sounding: recent > gate })
    }

    /// Returns the mean power of the steps above a gate, if there are any.
    fn mean_above(&self, gate: f64) -> Option<f64> {
        let above = self.powers.iter().filter(|power| **power > gate);
        let (sum, count) = above.fold((0.0, 0), |(sum, count), power| (sum + power, count + 1));
        (count > 0).then(|| sum / f64::from(count))
    }
}

#[cfg(test)]
mod tests {
    use ebur128::{EbuR128, Mode};

    use super::*;

    /// Returns the last loudness of ten seconds of a sine wave that is louder on the left, and that of the reference.
    fn measured(hz: f64, level: f32) -> (Option<Loudness>, f64) {
        let (mut meter, mut last) = (Meter::new(), None);
        let mut reference = EbuR128::new(2, SAMPLE_RATE, Mode::S).unwrap();
        for quantum in 0..7500 {
            let mid: [f32; QUANTUM] = std::array::from_fn(|n| {
                let frame = (quantum * QUANTUM + n) as f64;
                level * (std::f64::consts::TAU * hz * frame / f64::from(SAMPLE_RATE)).sin() as f32
            });
            let bus = Bus { mid, side: mid.map(|sample| 0.3 * sample) };
            last = meter.add(&bus).or(last);
            let frames: Vec<f32> = mid.iter().flat_map(|sample| [1.3 * sample, 0.7 * sample]).collect();
            reference.add_frames_f32(&frames).unwrap();
        }
        (last, reference.loudness_shortterm().unwrap())
    }

    #[test]
    fn the_loudness_agrees_with_the_reference_implementation() {
        for (hz, level) in [(35.0, 0.5), (110.0, 0.2), (997.0, 0.1), (2500.0, 0.01), (12_000.0, 0.8)] {
            let (loudness, reference) = measured(hz, level);
            let Loudness { lufs, is_sounding } = loudness.unwrap();
            assert!(
                (f64::from(lufs) - reference).abs() < 0.05 && is_sounding,
                "{lufs} LUFS, not {reference}, at {hz} Hz"
            );
        }
    }

    #[test]
    fn silence_has_no_loudness() {
        assert_eq!(measured(997.0, 0.0).0, None);
        assert_eq!(measured(997.0, 0.0005).0, None);
    }

    #[test]
    fn sound_that_has_died_away_does_not_count() {
        let (mut meter, mut lufs) = (Meter::new(), Vec::new());
        for quantum in 0..7500 {
            let level = if quantum < 3750 { 0.1 } else { 0.004 };
            let bus =
                Bus { mid: std::array::from_fn(|n| if n % 32 < 16 { level } else { -level }), side: [0.0; QUANTUM] };
            lufs.extend(meter.add(&bus));
        }
        let (before, after) = (lufs[40], lufs[90]);
        assert!(before.is_sounding && !after.is_sounding);
        assert!((before.lufs - after.lufs).abs() < 0.1, "{before:?}, then {after:?}");
    }
}
