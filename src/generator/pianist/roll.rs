//! The pianist's roll: the state of keys, strings and pedal in each hop.

use serde::{Deserialize, Serialize};
use serde_big_array::BigArray;

use crate::generator::notes::{CHANNELS, KEYS, OFFSETS, PEDAL_LIFT_HOPS, Pedal, ROLL_WIDTH, StepNotes, WrittenNote};
use crate::mel::HOP;
use crate::units::SAMPLE_RATE;

/// Duration of a hop in seconds.
const HOP_SECONDS: f64 = HOP as f64 / SAMPLE_RATE as f64;
/// Time constants of the channels with fast and slow decay, in seconds.
const FAST_DECAY: f64 = 0.25;
const SLOW_DECAY: f64 = 1.5;
/// Maximum time for which the pedal sustains a string, in seconds.
const MAX_SUSTAIN: f64 = 4.0;

/// A sounding string. Times are in hops on the timeline.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct SoundingString {
    struck: u64,
    /// MIDI velocity divided by 127.
    velocity: f32,
    key_up: f64,
    damped: bool,
}

/// The state of all strings and of the pedal.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(in crate::generator) struct Strings {
    #[serde(with = "BigArray")]
    keys: [Option<SoundingString>; KEYS],
    pedal: bool,
}

impl Default for Strings {
    fn default() -> Self {
        Self { keys: [None; KEYS], pedal: false }
    }
}

impl Strings {
    /// Plays the notes of a latent and writes one row of [`ROLL_WIDTH`] values for each hop.
    pub(in crate::generator) fn play(&mut self, latent: u64, written: &StepNotes, rows: &mut [f32]) {
        rows.fill(0.0);
        let first_hop = latent * OFFSETS as u64;
        for (offset, row) in (0u8..).zip(rows.chunks_exact_mut(ROLL_WIDTH)) {
            let hop = first_hop + u64::from(offset);
            self.pedal = is_down(written, offset, self.pedal);
            for release in written.releases.iter().filter(|release| release.offset == offset) {
                self.release(hop, release.key);
            }
            for note in written.notes.iter().filter(|note| note.offset == offset) {
                self.strike(hop, *note, row);
            }
            self.write_sounding(hop, row);
            row[CHANNELS * KEYS] = if self.pedal { 1.0 } else { 0.0 };
            row[CHANNELS * KEYS + 1] = 1.0;
        }
    }

    fn strike(&mut self, hop: u64, note: WrittenNote, row: &mut [f32]) {
        let key = usize::from(note.key);
        // A key that is still down is released before it is struck again.
        if self.keys[key].is_some_and(|string| string.key_up > hop as f64) {
            row[5 * KEYS + key] = 1.0;
        }
        let velocity = f32::from(note.midi_velocity()) / 127.0;
        (row[key], row[KEYS + key]) = (1.0, velocity);
        let key_up = if note.is_held() { f64::INFINITY } else { hop as f64 + note.seconds() / HOP_SECONDS };
        self.keys[key] = Some(SoundingString { struck: hop, velocity, key_up, damped: false });
    }

    /// Releases a key that the performer holds; ignores other keys.
    fn release(&mut self, hop: u64, key: u8) {
        if let Some(string) = self.keys[usize::from(key)].as_mut().filter(|string| string.key_up.is_infinite()) {
            string.key_up = hop as f64;
        }
    }

    /// Writes the sounding strings and the released keys of a hop, and damps the strings that stop sounding.
    fn write_sounding(&mut self, hop: u64, row: &mut [f32]) {
        for (key, slot) in self.keys.iter_mut().enumerate() {
            let Some(string) = slot else { continue };
            let time = hop as f64;
            // A release between two hops is distributed over both by linear interpolation.
            let release = 1.0 - (string.key_up - time).abs();
            let release_channel = &mut row[5 * KEYS + key];
            *release_channel = release_channel.max(release.max(0.0) as f32);
            let sustain_end = string.key_up + MAX_SUSTAIN / HOP_SECONDS;
            string.damped |= time >= string.key_up && !self.pedal || time >= sustain_end;
            if string.damped {
                if time > string.key_up + 1.0 {
                    *slot = None;
                }
                continue;
            }
            let age = (hop - string.struck) as f64 * HOP_SECONDS;
            row[2 * KEYS + key] = string.velocity;
            row[3 * KEYS + key] = string.velocity * (-age / FAST_DECAY).exp() as f32;
            row[4 * KEYS + key] = string.velocity * (-age / SLOW_DECAY).exp() as f32;
        }
    }
}

/// Returns whether the pedal is down in a hop of a latent, given its state in the hop before.
fn is_down(written: &StepNotes, offset: u8, was_down: bool) -> bool {
    let pedal_offset = written.pedal_offset;
    match written.pedal {
        _ if offset < pedal_offset => was_down,
        Pedal::Up => false,
        Pedal::Down => true,
        Pedal::Changed => offset >= (pedal_offset + PEDAL_LIFT_HOPS).min(OFFSETS as u8 - 1),
    }
}
