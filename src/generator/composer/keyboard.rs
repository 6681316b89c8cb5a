//! The state of keys and pedal at each latent: which keys are down, and which strings the pedal sustains.

use serde::{Deserialize, Serialize};
use serde_big_array::BigArray;

use crate::generator::notes::{KEYS, NO_MELODY, OFFSETS, Pedal, SOUNDING_WIDTH, WrittenNote};
use crate::mel::LATENTS_PER_SECOND;

/// Maximum time for which the pedal sustains a string.
const MAX_SUSTAIN_SECONDS: f64 = 4.0;
/// Decay time constant of a sounding key's level.
const DECAY_SECONDS: f64 = 1.0;
/// Level towards which a sounding key decays.
const MIN_LEVEL: f64 = 0.25;
/// Value of [`Key::up`] while the performer holds the key.
const HELD: i64 = i64::MAX / 2;
/// Value of [`Key::struck`] before the key is first struck.
const NOT_STRUCK: i64 = i64::MAX;

/// A key and its string. Latents are counted from the start of the performance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Key {
    /// The latent after the one in which the key was struck.
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
    /// The key of the last melody note; [`NO_MELODY`] before the first.
    pub melody: u8,
    /// The pedal action of the last latent.
    pub pedal: Pedal,
}

impl Default for Keyboard {
    fn default() -> Self {
        let key = Key { struck: NOT_STRUCK, up: 0, damped: 0 };
        Self { keys: [key; KEYS], melody: NO_MELODY, pedal: Pedal::Up }
    }
}

impl Keyboard {
    pub(super) fn strike(&mut self, latent: u64, note: WrittenNote) {
        let latent = latent as i64;
        let held = f64::from(note.offset) / OFFSETS as f64 + note.seconds() * LATENTS_PER_SECOND;
        let up = if note.is_held() { HELD } else { latent + held.ceil() as i64 };
        self.keys[usize::from(note.key)] =
            Key { struck: latent + 1, up: up.max(latent + 1), damped: up + max_sustain() };
        if note.is_melody() {
            self.melody = note.key;
        }
    }

    /// Releases a key that the performer holds; ignores other keys.
    pub(super) fn release(&mut self, latent: u64, key: u8) {
        let key = &mut self.keys[usize::from(key)];
        if key.up == HELD {
            key.up = latent as i64 + 1;
            key.damped = if self.pedal == Pedal::Up { key.up } else { key.up + max_sustain() };
        }
    }

    /// Returns whether the performer holds a key.
    pub(super) const fn is_held(&self, key: usize) -> bool {
        self.keys[key].up == HELD
    }

    /// Applies a latent's pedal action. Raising the pedal damps the strings whose keys are up.
    pub(super) fn apply_pedal(&mut self, latent: u64, pedal: Pedal) {
        self.pedal = pedal;
        if pedal == Pedal::Down {
            return;
        }
        let next = latent as i64 + 1;
        for key in &mut self.keys {
            if key.up < next || key.up == next && pedal == Pedal::Up {
                key.damped = key.damped.min(key.up.max(next));
            }
        }
    }

    /// Writes the levels of the keys held at the start of a latent, then those of the strings that only the pedal sustains;
    /// each level decays from 1 towards [`MIN_LEVEL`].
    pub(super) fn write_levels(&self, latent: u64, out: &mut [f32]) {
        let latent = latent as i64;
        let level = |start: i64| {
            let seconds = (latent - start) as f64 / LATENTS_PER_SECOND;
            (MIN_LEVEL + (1.0 - MIN_LEVEL) * (-seconds / DECAY_SECONDS).exp()) as f32
        };
        let (held, sustained) = out[..SOUNDING_WIDTH].split_at_mut(KEYS);
        for ((key, held), sustained) in self.keys.iter().zip(held).zip(sustained) {
            let struck = key.struck <= latent;
            *held = if struck && latent < key.up { level(key.struck) } else { 0.0 };
            *sustained = if struck && (key.up..key.damped).contains(&latent) { level(key.up) } else { 0.0 };
        }
    }
}

/// Returns the maximum number of latents for which the pedal sustains a string.
fn max_sustain() -> i64 {
    (MAX_SUSTAIN_SECONDS * LATENTS_PER_SECOND).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::notes;

    fn levels(keyboard: &Keyboard, latent: u64, key: usize) -> (f32, f32) {
        let mut out = [0.0; SOUNDING_WIDTH];
        keyboard.write_levels(latent, &mut out);
        (out[key], out[KEYS + key])
    }

    #[test]
    fn the_pedal_sustains_a_released_key() {
        // Class 12 lasts 0.48 s: 5.6 latents.
        let note = WrittenNote { key: 40, duration: 12, ..WrittenNote::default() };
        let mut keyboard = Keyboard::default();
        keyboard.strike(10, note);
        assert_eq!(levels(&keyboard, 10, 40), (0.0, 0.0), "a key should sound from the next latent onwards");
        assert_eq!(levels(&keyboard, 11, 40), (1.0, 0.0));
        keyboard.apply_pedal(12, Pedal::Down);
        assert!(levels(&keyboard, 15, 40).0 > 0.25);
        assert_eq!(levels(&keyboard, 16, 40), (0.0, 1.0));
        keyboard.apply_pedal(18, Pedal::Changed);
        assert!(levels(&keyboard, 18, 40).1 > 0.25);
        assert_eq!(levels(&keyboard, 19, 40), (0.0, 0.0));
    }

    #[test]
    fn releasing_a_key_without_the_pedal_damps_its_string() {
        let mut keyboard = Keyboard::default();
        keyboard.strike(0, WrittenNote { key: 3, voice: 1, ..WrittenNote::default() });
        keyboard.apply_pedal(0, Pedal::Up);
        assert_eq!((levels(&keyboard, 1, 3), keyboard.melody), ((0.0, 0.0), 3));
    }

    #[test]
    fn a_held_key_sounds_until_it_is_released() {
        let mut keyboard = Keyboard::default();
        let note = WrittenNote { key: 40, duration: notes::HELD, ..WrittenNote::default() };
        for (pedal, sustained) in [(Pedal::Up, false), (Pedal::Down, true)] {
            keyboard.apply_pedal(10, pedal);
            keyboard.strike(10, note);
            assert!(keyboard.is_held(40) && levels(&keyboard, 500, 40).0 > 0.0);
            keyboard.release(500, 41);
            assert!(keyboard.is_held(40), "another key was released");
            keyboard.release(500, 40);
            assert!(!keyboard.is_held(40));
            let (held, sustain) = levels(&keyboard, 501, 40);
            assert_eq!((held, sustain > 0.0), (0.0, sustained));
        }
    }
}
