//! A feedback controller that keeps density, register and loudness near their targets.

use serde::{Deserialize, Serialize};
use serde_big_array::BigArray;

use crate::generator::notes::{KEYS, LOWEST_KEY, VELOCITIES, VELOCITY_WIDTH, WrittenNote};
use crate::mel::LATENTS_PER_SECOND;
use crate::music::conditions::Conditions;

/// Windows, in latents, over which the notes are compared with the targets: 4 s and 16 s.
const WINDOWS: [u64; 2] = [47, 188];
/// Number of latents stored: more than the longest window plus the longest rollback.
const CAPACITY: usize = 256;
/// Gain of each window: the bias of the end-of-latent logit, in nats, per nat of excess density.
const GAIN: f64 = 2.0;
/// Maximum bias of the end-of-latent logit, in nats.
const MAX_BIAS: f64 = 3.0;
/// Tilt of the key logits in nats per semitone, for each semitone of error in the mean note; and the maximum tilt.
const KEY_TILT: (f64, f64) = (0.02, 0.12);
/// Tilt of the velocity logits in nats per class, for each unit of error in the mean velocity; and the maximum tilt.
const VELOCITY_TILT: (f64, f64) = (0.03, 0.3);
/// Notes per second added to the played and the requested density before comparison, so that rests do not dominate.
const SMOOTHING: f64 = 0.7;
/// Number of latents over which the gain for the density rises to full strength after the start or a restart.
const RAMP_LATENTS: f64 = 24.0;
/// Number of notes above which their mean is meaningful.
const MIN_NOTES: f64 = 3.0;

/// Sums over the notes of a latent: their number, MIDI notes and MIDI velocities.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Sums {
    count: f64,
    note: f64,
    velocity: f64,
}

/// Biases added to the logits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bias {
    /// Added to the end-of-latent logit.
    pub end: f64,
    /// Added to the key logits, per semitone from the middle.
    pub key_tilt: f64,
    /// Added to the velocity logits, per class from the middle.
    pub velocity_tilt: f64,
}

impl Bias {
    pub(super) fn for_key(self, key: usize) -> f64 {
        self.key_tilt * (key as f64 - (KEYS / 2) as f64)
    }

    pub(super) fn for_velocity(self, class: usize) -> f64 {
        self.velocity_tilt * (class as f64 - (VELOCITIES / 2) as f64)
    }
}

/// Statistics of the latest notes by position; writing a position again resets its statistics.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Servo(#[serde(with = "BigArray")] [Sums; CAPACITY]);

impl Default for Servo {
    fn default() -> Self {
        Self([Sums::default(); CAPACITY])
    }
}

impl Servo {
    /// Resets the statistics of a position and returns the biases for it. Ignores positions before `start`.
    pub(super) fn start_step(&mut self, position: u64, start: u64, requested: &Conditions) -> Bias {
        self.0[position as usize % CAPACITY] = Sums::default();
        let sums_over = |window: u64| {
            let first = position.saturating_sub(window).max(start);
            (first..position).fold((Sums::default(), position - first), |(sums, latents), index| {
                let Sums { count, note, velocity } = self.0[index as usize % CAPACITY];
                (
                    Sums { count: sums.count + count, note: sums.note + note, velocity: sums.velocity + velocity },
                    latents,
                )
            })
        };
        let ramp = ((position - start) as f64 / RAMP_LATENTS).min(1.0);
        let end = requested.density.map_or(0.0, |density| {
            let biases = WINDOWS.map(|window| {
                let (sums, latents) = sums_over(window);
                let rate = sums.count * LATENTS_PER_SECOND / latents.max(1) as f64;
                GAIN * ((rate + SMOOTHING) / (f64::from(density) + SMOOTHING)).ln()
            });
            biases.iter().sum::<f64>().clamp(-MAX_BIAS, MAX_BIAS) * ramp
        });
        let (sums, _) = sums_over(WINDOWS[0]);
        let slope = |requested: Option<f32>, sum: f64, (gain, limit): (f64, f64)| match requested {
            Some(requested) if sums.count > MIN_NOTES => {
                (gain * (f64::from(requested) - sum / sums.count)).clamp(-limit, limit)
            }
            _ => 0.0,
        };
        let (key_tilt, velocity_tilt) =
            (slope(requested.register, sums.note, KEY_TILT), slope(requested.loudness, sums.velocity, VELOCITY_TILT));
        Bias { end, key_tilt, velocity_tilt }
    }

    /// Counts a note.
    pub(super) fn count(&mut self, position: u64, note: WrittenNote) {
        let sums = &mut self.0[position as usize % CAPACITY];
        sums.count += 1.0;
        sums.note += f64::from(note.key + LOWEST_KEY);
        sums.velocity += (f64::from(note.velocity) + 0.5) * f64::from(VELOCITY_WIDTH);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the biases after 100 latents, each with `notes` copies of a note.
    fn bias_after(notes: usize, note: WrittenNote, requested: &Conditions) -> Bias {
        let mut servo = Servo::default();
        for position in 0..100 {
            servo.start_step(position, 0, requested);
            (0..notes).for_each(|_| servo.count(position, note));
        }
        servo.start_step(100, 0, requested)
    }

    #[test]
    fn excess_notes_raise_and_missing_notes_lower_the_end_logit() {
        let requested = Conditions { density: Some(11.71875), ..Conditions::default() };
        let note = WrittenNote::default();
        assert!(bias_after(1, note, &requested).end.abs() < 1e-9, "a matching density should need no bias");
        assert!(bias_after(2, note, &requested).end > 2.0 && bias_after(0, note, &requested).end == -3.0);
        assert_eq!(bias_after(2, note, &Conditions::default()), Bias { end: 0.0, key_tilt: 0.0, velocity_tilt: 0.0 });
    }

    #[test]
    fn corrects_low_and_soft_notes() {
        let requested = Conditions { register: Some(62.0), loudness: Some(60.0), ..Conditions::default() };
        let low = WrittenNote { key: 36, velocity: 10, ..WrittenNote::default() };
        let bias = bias_after(1, low, &requested);
        assert!((bias.key_tilt - 0.1).abs() < 1e-9 && (bias.velocity_tilt - 0.3).abs() < 1e-9, "{bias:?}");
        assert!(bias.for_key(87) > 0.0 && bias.for_velocity(0) < 0.0);
    }
}
