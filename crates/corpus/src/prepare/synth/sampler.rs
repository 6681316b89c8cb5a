//! Plays a sample library.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::library::Library;
use super::sound::Sound;
use super::{Stereo, SynthError};
use crate::prepare::midi::Note;
use melos::units::{SAMPLE_RATE, db_to_gain};

/// Velocities on each side of a layer boundary within which both layers are mixed, if the layers are wide enough.
const CROSSFADE: f32 = 2.0;
/// Decibels by which a damped sound has decayed when it is cut off.
const DAMPED_DB: f32 = 90.0;
/// Lowest and highest key of a piano, whose dampers are the slowest and the fastest.
const KEYBOARD: (f32, f32) = (21.0, 108.0);

/// The sample of a key in a layer, or on release (`None`).
type Place = (Option<usize>, u8);

/// A sample library, whose samples are decoded and transposed when first played, and then cached.
#[derive(Debug)]
pub(super) struct Sampler {
    library: Library,
    kept: Mutex<BTreeMap<Place, Arc<Sound>>>,
}

/// When a sound starts and is damped, in samples, and how fast it then decays.
struct Timing {
    start: usize,
    damped: Option<usize>,
    /// Gain from one sample to the next once damped.
    remains: f32,
}

impl Sampler {
    pub(super) fn new(library: Library) -> Self {
        Self { library, kept: Mutex::default() }
    }

    pub(super) fn render(&self, notes: &[Note], length: usize) -> Result<Stereo, SynthError> {
        let mut out = Stereo::silence(length);
        let frame = |seconds: f64| (seconds.max(0.0) * f64::from(SAMPLE_RATE)).round() as usize;
        for (index, note) in notes.iter().enumerate() {
            let (start, up) = (frame(note.start), frame(note.key_up));
            // A string without a damper sounds until it is struck again.
            let again = notes[index + 1..].iter().find(|later| later.pitch == note.pitch);
            let damped = if note.pitch < self.library.undamped_from {
                Some(frame(note.end))
            } else {
                again.map(|later| frame(later.start))
            };
            for (layer, weight) in layers(&self.library, note.velocity) {
                let gain = weight * db_to_gain(self.library.gain_db + tilt(&self.library, layer, note.velocity));
                let sound = self.sound((Some(layer), note.pitch))?;
                add(&mut out, &sound, gain, &Timing { start, damped, remains: self.decay(note.pitch) });
            }
            if let Some(release) = &self.library.release {
                let gain = db_to_gain(self.library.gain_db + release.gain_db);
                let sound = self.sound((None, note.pitch))?;
                add(&mut out, &sound, gain, &Timing { start: up, damped: None, remains: 1.0 });
            }
        }
        Ok(out)
    }

    fn sound(&self, place: Place) -> Result<Arc<Sound>, SynthError> {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sound) = kept().get(&place) {
            return Ok(Arc::clone(sound));
        }
        // Decode without holding the lock, so that other threads can continue; at worst, a sample is decoded twice.
        let (layer, key) = place;
        let sound = match layer {
            Some(layer) => {
                let sampled = self.library.nearest(key);
                Sound::read(&self.library.strike(layer, sampled), true, i32::from(key) - i32::from(sampled))?
            }
            None => {
                let path = self.library.noise(key).expect("requested only if there are release samples");
                Sound::read(&path, false, 0)?
            }
        };
        let sound = Arc::new(sound);
        kept().insert(place, Arc::clone(&sound));
        Ok(sound)
    }

    /// The gain of a damped sound from one sample to the next.
    fn decay(&self, key: u8) -> f32 {
        let [low, high] = self.library.damping_seconds;
        let along = ((f32::from(key) - KEYBOARD.0) / (KEYBOARD.1 - KEYBOARD.0)).clamp(0.0, 1.0);
        let seconds = low * (high / low).powf(along);
        db_to_gain(-60.0 / (seconds * SAMPLE_RATE as f32))
    }
}

/// The layers that play a velocity, with their weights: two near a boundary, with constant power, otherwise one.
fn layers(library: &Library, velocity: f32) -> impl Iterator<Item = (usize, f32)> + use<> {
    let velocity = velocity.clamp(1.0, 127.0);
    let half = |index: usize| {
        let [low, high] = library.layers[index].velocity;
        (f32::from(high - low) + 1.0) / 2.0
    };
    let mut found = [(0, 1.0), (0, 0.0)];
    for index in 1..library.layers.len() {
        let bound = f32::from(library.layers[index].velocity[0]) - 0.5;
        // A layer must finish fading in before it starts to fade out.
        let reach = CROSSFADE.min(half(index - 1)).min(half(index));
        let harder = ((velocity - bound + reach) / (2.0 * reach)).clamp(0.0, 1.0);
        if harder > 0.0 {
            found = [(index - 1, (1.0 - harder).sqrt()), (index, harder.sqrt())];
        }
    }
    found.into_iter().filter(|(_, weight)| *weight > 0.0)
}

/// The gain of a layer at a velocity, in decibels, so that loudness rises linearly from the centre of each layer to that
/// of the next.
fn tilt(library: &Library, layer: usize, velocity: f32) -> f32 {
    let middle = |index: usize| {
        let [low, high] = library.layers[index].velocity;
        (f32::from(low) + f32::from(high)) / 2.0
    };
    let level = |index: usize| library.layers[index].level_db;
    let last = library.layers.len() - 1;
    if last == 0 {
        return 0.0;
    }
    // Below the first centre and above the last one, the nearest slope continues.
    let above = (1..last).find(|index| velocity < middle(*index)).unwrap_or(last);
    let slope = (level(above) - level(above - 1)) / (middle(above) - middle(above - 1));
    level(above - 1) + slope * (velocity - middle(above - 1)) - level(layer)
}

/// Adds a sound to the output.
fn add(out: &mut Stereo, sound: &Sound, gain: f32, timing: &Timing) {
    let room = out.left.len().saturating_sub(timing.start).min(sound.len());
    let damped = timing.damped.map_or(room, |at| at.saturating_sub(timing.start).min(room));
    let lasting = timing.damped.map_or(0, |_| (-DAMPED_DB / (20.0 * timing.remains.log10())) as usize);
    let count = if timing.damped.is_some() { (damped + lasting).min(room) } else { room };
    let mut gain = gain;
    let from = timing.start.min(out.left.len());
    let ears = out.left[from..].iter_mut().zip(&mut out.right[from..]);
    for (index, ((left, right), frame)) in ears.zip(sound.frames()).take(count).enumerate() {
        if index >= damped {
            gain *= timing.remains;
        }
        *left += gain * frame[0];
        *right += gain * frame[1];
    }
}
