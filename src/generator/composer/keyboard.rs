//! The state of keyboard and pedal: which keys are down, and which strings the pedal sustains, latent by latent.

use serde::{Deserialize, Serialize};
use serde_big_array::BigArray;

use crate::generator::notes::{KEYS, NO_MELODY, OFFSETS, Pedal, SOUNDING_WIDTH, WrittenNote};
use crate::mel::LATENTS_PER_SECOND;

/// Maximum time the pedal sustains a string, in seconds.
const LONGEST_SUSTAIN: f64 = 4.0;
/// Time constant of the decay of a sounding key's level, in seconds.
const DECAY: f64 = 1.0;
/// The level that a sounding key decays to.
const LOWEST: f64 = 0.25;
/// A latent that never comes.
const NEVER: i64 = i64::MAX;

/// A key and its string. Latents are counted from the start of the performance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Key {
    /// The latent after the key was struck.
    struck: i64,
    /// The first latent in which the key is up again.
    up: i64,
    /// The first latent in which the string is damped.
    damped: i64,
}

/// The state of all keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Keyboard {
    #[serde(with = "BigArray")]
    keys: [Key; KEYS],
    /// The last key of the melody; [`NO_MELODY`] before the first.
    pub melody: u8,
    /// The pedal action of the last latent.
    pub pedal: Pedal,
}

impl Default for Keyboard {
    fn default() -> Self {
        let key = Key { struck: NEVER, up: 0, damped: 0 };
        Self { keys: [key; KEYS], melody: NO_MELODY, pedal: Pedal::Up }
    }
}

impl Keyboard {
    pub(super) fn strike(&mut self, frame: u64, note: WrittenNote) {
        let frame = frame as i64;
        let held = f64::from(note.offset) / OFFSETS as f64 + note.seconds() * LATENTS_PER_SECOND;
        let up = frame + held.ceil() as i64;
        let sustain = (LONGEST_SUSTAIN * LATENTS_PER_SECOND).round() as i64;
        self.keys[usize::from(note.key)] = Key { struck: frame + 1, up: up.max(frame + 1), damped: up + sustain };
        if note.is_melody() {
            self.melody = note.key;
        }
    }

    /// Moves the pedal in a latent. Lifting it damps the strings of keys that are up.
    pub(super) fn move_pedal(&mut self, frame: u64, pedal: Pedal) {
        self.pedal = pedal;
        if pedal == Pedal::Down {
            return;
        }
        let next = frame as i64 + 1;
        for key in &mut self.keys {
            if key.up < next || key.up == next && pedal == Pedal::Up {
                key.damped = key.damped.min(key.up.max(next));
            }
        }
    }

    /// Levels of the keys held at the start of a latent, then of the strings that only the pedal sustains; each decays
    /// from 1 towards [`LOWEST`].
    pub(super) fn sounding(&self, frame: u64, out: &mut [f32]) {
        let frame = frame as i64;
        let level = |since: i64| {
            let seconds = (frame - since) as f64 / LATENTS_PER_SECOND;
            (LOWEST + (1.0 - LOWEST) * (-seconds / DECAY).exp()) as f32
        };
        let (held, sustained) = out[..SOUNDING_WIDTH].split_at_mut(KEYS);
        for ((key, held), sustained) in self.keys.iter().zip(held).zip(sustained) {
            let struck = key.struck <= frame;
            *held = if struck && frame < key.up { level(key.struck) } else { 0.0 };
            *sustained = if struck && (key.up..key.damped).contains(&frame) { level(key.up) } else { 0.0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sounding(keyboard: &Keyboard, frame: u64, key: usize) -> (f32, f32) {
        let mut out = [0.0; SOUNDING_WIDTH];
        keyboard.sounding(frame, &mut out);
        (out[key], out[KEYS + key])
    }

    #[test]
    fn a_key_sounds_until_it_is_up_and_longer_under_the_pedal() {
        // Class 12 lasts 0.48 s: 5.6 latents.
        let note = WrittenNote { key: 40, duration: 12, ..WrittenNote::default() };
        let mut keyboard = Keyboard::default();
        keyboard.strike(10, note);
        assert_eq!(sounding(&keyboard, 10, 40), (0.0, 0.0), "only what sounds before the frame counts");
        assert_eq!(sounding(&keyboard, 11, 40), (1.0, 0.0));
        keyboard.move_pedal(12, Pedal::Down);
        assert!(sounding(&keyboard, 15, 40).0 > 0.25);
        assert_eq!(sounding(&keyboard, 16, 40), (0.0, 1.0));
        keyboard.move_pedal(18, Pedal::Changed);
        assert!(sounding(&keyboard, 18, 40).1 > 0.25);
        assert_eq!(sounding(&keyboard, 19, 40), (0.0, 0.0));
    }

    #[test]
    fn without_the_pedal_a_string_is_damped_when_its_key_is_released() {
        let mut keyboard = Keyboard::default();
        keyboard.strike(0, WrittenNote { key: 3, voice: 1, ..WrittenNote::default() });
        keyboard.move_pedal(0, Pedal::Up);
        assert_eq!((sounding(&keyboard, 1, 3), keyboard.melody), ((0.0, 0.0), 3));
    }
}
