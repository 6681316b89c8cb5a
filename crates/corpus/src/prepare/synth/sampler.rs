//! Renders notes with a sample library.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::library::Library;
use super::sound::Sound;
use super::{Stereo, SynthError};
use crate::prepare::midi::Note;
use melos::units::{SAMPLE_RATE, db_to_gain};

/// Distance in velocity from a layer boundary within which the two layers are mixed; smaller if a layer is narrow.
const CROSSFADE: f32 = 2.0;
/// Decay in decibels after which a damped sound ends.
const DAMPED_DB: f32 = 90.0;
/// Lowest and highest key of a piano; damping is slowest at the lowest key and fastest at the highest.
const KEYBOARD: (f32, f32) = (21.0, 108.0);

/// A layer (`None` for the release noise) and a key.
type SampleId = (Option<usize>, u8);

/// A sample library whose samples are decoded and transposed on first use, and then cached.
#[derive(Debug)]
pub(super) struct Sampler {
    library: Library,
    cache: Mutex<BTreeMap<SampleId, Arc<Sound>>>,
}

/// The timing of a sound: when it starts and is damped, in samples, and how fast it then decays.
struct Timing {
    start: usize,
    damped: Option<usize>,
    /// Gain per sample once damped.
    decay: f32,
}

impl Sampler {
    pub(super) fn new(library: Library) -> Self {
        Self { library, cache: Mutex::default() }
    }

    pub(super) fn render(&self, notes: &[Note], length: usize) -> Result<Stereo, SynthError> {
        let mut out = Stereo::silence(length);
        let frame = |seconds: f64| (seconds.max(0.0) * f64::from(SAMPLE_RATE)).round() as usize;
        for (index, note) in notes.iter().enumerate() {
            let (start, key_up) = (frame(note.start), frame(note.key_up));
            // A string without a damper sounds until it is struck again.
            let next_strike = notes[index + 1..].iter().find(|later| later.pitch == note.pitch);
            let damped = if note.pitch < self.library.undamped_from {
                Some(frame(note.end))
            } else {
                next_strike.map(|later| frame(later.start))
            };
            for (layer, weight) in layers(&self.library, note.velocity) {
                let gain =
                    weight * db_to_gain(self.library.gain_db + velocity_gain_db(&self.library, layer, note.velocity));
                let sound = self.sound((Some(layer), note.pitch))?;
                add(&mut out, &sound, gain, &Timing { start, damped, decay: self.decay(note.pitch) });
            }
            if let Some(release) = &self.library.release {
                let gain = db_to_gain(self.library.gain_db + release.gain_db);
                let sound = self.sound((None, note.pitch))?;
                add(&mut out, &sound, gain, &Timing { start: key_up, damped: None, decay: 1.0 });
            }
        }
        Ok(out)
    }

    fn sound(&self, id: SampleId) -> Result<Arc<Sound>, SynthError> {
        let cache = || self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sound) = cache().get(&id) {
            return Ok(Arc::clone(sound));
        }
        // Decode without the lock, so that other threads can continue; two threads may then decode the same sample.
        let (layer, key) = id;
        let sound = match layer {
            Some(layer) => {
                let sampled = self.library.nearest(key);
                Sound::read(&self.library.strike_sample(layer, sampled), true, i32::from(key) - i32::from(sampled))?
            }
            None => {
                let path = self.library.release_sample(key).expect("the library should have release samples");
                Sound::read(&path, false, 0)?
            }
        };
        let sound = Arc::new(sound);
        cache().insert(id, Arc::clone(&sound));
        Ok(sound)
    }

    /// Returns the gain per sample of a damped sound.
    fn decay(&self, key: u8) -> f32 {
        let [low, high] = self.library.damping_seconds;
        let position = ((f32::from(key) - KEYBOARD.0) / (KEYBOARD.1 - KEYBOARD.0)).clamp(0.0, 1.0);
        let seconds = low * (high / low).powf(position);
        db_to_gain(-60.0 / (seconds * SAMPLE_RATE as f32))
    }
}

/// Returns the layers for a velocity, with their weights: two layers near a boundary, mixed with constant power;
/// otherwise one.
fn layers(library: &Library, velocity: f32) -> impl Iterator<Item = (usize, f32)> + use<> {
    let velocity = velocity.clamp(1.0, 127.0);
    let half_width = |index: usize| {
        let [low, high] = library.layers[index].velocity;
        (f32::from(high - low) + 1.0) / 2.0
    };
    let mut weighted = [(0, 1.0), (0, 0.0)];
    for index in 1..library.layers.len() {
        let bound = f32::from(library.layers[index].velocity[0]) - 0.5;
        // In a narrow layer, the fade-in must end before the fade-out starts.
        let half_fade = CROSSFADE.min(half_width(index - 1)).min(half_width(index));
        let fraction = ((velocity - bound + half_fade) / (2.0 * half_fade)).clamp(0.0, 1.0);
        if fraction > 0.0 {
            weighted = [(index - 1, (1.0 - fraction).sqrt()), (index, fraction.sqrt())];
        }
    }
    weighted.into_iter().filter(|(_, weight)| *weight > 0.0)
}

/// Returns the gain of a layer at a velocity, in decibels, chosen so that the level in decibels rises linearly from the
/// centre of one layer to that of the next.
fn velocity_gain_db(library: &Library, layer: usize, velocity: f32) -> f32 {
    let middle = |index: usize| {
        let [low, high] = library.layers[index].velocity;
        (f32::from(low) + f32::from(high)) / 2.0
    };
    let level = |index: usize| library.layers[index].level_db;
    let last = library.layers.len() - 1;
    if last == 0 {
        return 0.0;
    }
    // Below the first centre and above the last, the slope of the nearest segment applies.
    let above = (1..last).find(|index| velocity < middle(*index)).unwrap_or(last);
    let slope = (level(above) - level(above - 1)) / (middle(above) - middle(above - 1));
    level(above - 1) + slope * (velocity - middle(above - 1)) - level(layer)
}

/// Mixes a sound into the output, dropping samples beyond the output's end.
fn add(out: &mut Stereo, sound: &Sound, gain: f32, timing: &Timing) {
    let available = out.left.len().saturating_sub(timing.start).min(sound.len());
    let damped = timing.damped.map_or(available, |at| at.saturating_sub(timing.start).min(available));
    let decaying = timing.damped.map_or(0, |_| (-DAMPED_DB / (20.0 * timing.decay.log10())) as usize);
    let count = if timing.damped.is_some() { (damped + decaying).min(available) } else { available };
    let mut gain = gain;
    let from = timing.start.min(out.left.len());
    let channels = out.left[from..].iter_mut().zip(&mut out.right[from..]);
    for (index, ((left, right), frame)) in channels.zip(sound.frames()).take(count).enumerate() {
        if index >= damped {
            gain *= timing.decay;
        }
        *left += gain * frame[0];
        *right += gain * frame[1];
    }
}
