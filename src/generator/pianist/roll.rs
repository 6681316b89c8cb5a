//! The piano roll: the state of keys and strings, hop by hop.

use serde::{Deserialize, Serialize};
use serde_big_array::BigArray;

use crate::generator::notes::{CHANNELS, KEYS, LIFT, OFFSETS, Pedal, ROLL_WIDTH, WrittenFrame, WrittenNote};
use crate::mel::HOP;
use crate::units::SAMPLE_RATE;

/// Seconds of a hop.
const HOP_SECONDS: f64 = HOP as f64 / SAMPLE_RATE as f64;
/// Decay time constants of the channels young and old, in seconds.
const YOUNG: f64 = 0.25;
const OLD: f64 = 1.5;
/// Maximum time the pedal sustains a string, in seconds.
const LONGEST_SUSTAIN: f64 = 4.0;

/// A sounding string; times in hops from the start of the performance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Sound {
    struck: u64,
    /// Velocity / 127.
    velocity: f32,
    key_up: f64,
    damped: bool,
}

/// The state of all strings and of the pedal.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(in crate::generator) struct Strings {
    #[serde(with = "BigArray")]
    keys: [Option<Sound>; KEYS],
    pedal: bool,
}

impl Default for Strings {
    fn default() -> Self {
        Self { keys: [None; KEYS], pedal: false }
    }
}

impl Strings {
    /// Plays a latent of notes and writes its rows, one for each hop, [`ROLL_WIDTH`] numbers each.
    pub(in crate::generator) fn play(&mut self, latent: u64, written: &WrittenFrame, rows: &mut [f32]) {
        rows.fill(0.0);
        let begin = latent * OFFSETS as u64;
        for (offset, row) in (0u8..).zip(rows.chunks_exact_mut(ROLL_WIDTH)) {
            let hop = begin + u64::from(offset);
            self.pedal = is_down(written, offset, self.pedal);
            for note in written.notes.iter().filter(|note| note.offset == offset) {
                self.strike(hop, *note, row);
            }
            self.sound(hop, row);
            row[CHANNELS * KEYS] = if self.pedal { 1.0 } else { 0.0 };
            row[CHANNELS * KEYS + 1] = 1.0;
        }
    }

    fn strike(&mut self, hop: u64, note: WrittenNote, row: &mut [f32]) {
        let key = usize::from(note.key);
        // A key that is still down is released before it is struck again.
        if self.keys[key].is_some_and(|sound| sound.key_up > hop as f64) {
            row[5 * KEYS + key] = 1.0;
        }
        let velocity = f32::from(note.midi_velocity()) / 127.0;
        (row[key], row[KEYS + key]) = (1.0, velocity);
        let key_up = hop as f64 + note.seconds() / HOP_SECONDS;
        self.keys[key] = Some(Sound { struck: hop, velocity, key_up, damped: false });
    }

    /// Writes the strings sounding in a hop, and damps those that have ended.
    fn sound(&mut self, hop: u64, row: &mut [f32]) {
        for (key, slot) in self.keys.iter_mut().enumerate() {
            let Some(sound) = slot else { continue };
            let place = hop as f64;
            // An event between two hops is distributed over both by linear interpolation.
            let rise = 1.0 - (sound.key_up - place).abs();
            let rising = &mut row[5 * KEYS + key];
            *rising = rising.max(rise.max(0.0) as f32);
            let longest = sound.key_up + LONGEST_SUSTAIN / HOP_SECONDS;
            sound.damped |= place >= sound.key_up && !self.pedal || place >= longest;
            if sound.damped {
                if place > sound.key_up + 1.0 {
                    *slot = None;
                }
                continue;
            }
            let age = (hop - sound.struck) as f64 * HOP_SECONDS;
            row[2 * KEYS + key] = sound.velocity;
            row[3 * KEYS + key] = sound.velocity * (-age / YOUNG).exp() as f32;
            row[4 * KEYS + key] = sound.velocity * (-age / OLD).exp() as f32;
        }
    }
}

/// Whether the pedal is down in a hop of a latent, given the hop before.
fn is_down(written: &WrittenFrame, offset: u8, before: bool) -> bool {
    let moves = written.pedal_offset;
    match written.pedal {
        _ if offset < moves => before,
        Pedal::Up => false,
        Pedal::Down => true,
        Pedal::Changed => offset >= (moves + LIFT).min(OFFSETS as u8 - 1),
    }
}
