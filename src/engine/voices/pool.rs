//! Polyphony and voice stealing.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_big_array::BigArray;

use crate::engine::QUANTUM;
use crate::engine::dsp::Bus;
use crate::engine::envelope::{Envelope, Shape};
use crate::engine::ramp::Ramp;
use crate::units::note_to_hz;

/// Fade-out time of a stolen note, in seconds.
const STEAL_SECONDS: f32 = 0.006;

/// Synthesizes one note.
pub(in crate::engine) trait Synth: Default {
    /// Returns the envelope's shape for a velocity of 0..=1.
    fn shape(velocity: f32) -> Shape;

    /// Starts a note.
    fn start(&mut self, hz: f32, velocity: f32);

    /// Adds the next quantum to the bus, scaled by `level`.
    fn render(&mut self, level: &[f32; QUANTUM], bus: &mut Bus);
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct NoteOn {
    note: u8,
    velocity: f32,
}

#[derive(Debug, Serialize, Deserialize)]
struct Slot<T> {
    synth: T,
    note_on: NoteOn,
    envelope: Envelope,
    /// Fades to 0 when another note steals the slot.
    steal_fade: Ramp,
    /// The note that starts when the stolen one has faded out.
    next: Option<NoteOn>,
    /// Value of [`Pool::count`] when the note started; orders the notes by age.
    started: u64,
}

/// A synthesizer with up to `N` simultaneous notes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "T: Serialize + DeserializeOwned")]
pub(in crate::engine) struct Pool<T, const N: usize> {
    #[serde(with = "BigArray")]
    slots: [Slot<T>; N],
    /// Number of notes requested so far.
    count: u64,
}

impl<T: Synth, const N: usize> Pool<T, N> {
    pub(in crate::engine) fn new() -> Self {
        let slots = std::array::from_fn(|_| Slot {
            synth: T::default(),
            note_on: NoteOn { note: 0, velocity: 0.0 },
            envelope: Envelope::default(),
            steal_fade: Ramp::new(1.0, STEAL_SECONDS),
            next: None,
            started: 0,
        });
        Self { slots, count: 0 }
    }

    /// Starts a note, after releasing any note of the same pitch. If all slots are in use, steals the slot of the quietest
    /// released note or, if none is released, of the oldest note; the stolen note fades out over [`STEAL_SECONDS`].
    pub(in crate::engine) fn note_on(&mut self, note: u8, velocity: f32) {
        self.note_off(note);
        self.count += 1;
        let note_on = NoteOn { note, velocity };
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.envelope.is_off() && slot.next.is_none()) {
            slot.start(note_on, self.count);
            return;
        }
        let steal_order = |slot: &Slot<T>| (slot.next.is_some(), slot.envelope.is_held(), slot.envelope.level());
        let compare = |a: &&mut Slot<T>, b: &&mut Slot<T>| {
            let ((a_next, a_held, a_level), (b_next, b_held, b_level)) = (steal_order(a), steal_order(b));
            let by_level_or_age = if a_held { a.started.cmp(&b.started) } else { a_level.total_cmp(&b_level) };
            a_next.cmp(&b_next).then(a_held.cmp(&b_held)).then(by_level_or_age)
        };
        if let Some(slot) = self.slots.iter_mut().min_by(compare) {
            slot.next = Some(note_on);
            slot.steal_fade.set(0.0);
        }
    }

    /// Releases a note.
    pub(in crate::engine) fn note_off(&mut self, note: u8) {
        for slot in &mut self.slots {
            if slot.next.is_some_and(|next| next.note == note) {
                slot.next = None;
            }
            if slot.note_on.note == note {
                slot.envelope.release();
            }
        }
    }

    /// Stops all notes immediately; the caller must mask the click.
    pub(in crate::engine) fn clear(&mut self) {
        for slot in &mut self.slots {
            slot.envelope = Envelope::default();
            slot.next = None;
            slot.steal_fade.jump(1.0);
        }
    }

    /// Adds the next quantum to the bus.
    pub(in crate::engine) fn render(&mut self, bus: &mut Bus) {
        let mut level = [0.0; QUANTUM];
        for slot in &mut self.slots {
            if !slot.envelope.is_off() {
                slot.envelope.render(&mut level);
                slot.steal_fade.step().scale(&mut level);
                slot.synth.render(&level, bus);
            }
            if slot.envelope.is_off() || slot.steal_fade.value() == 0.0 {
                slot.envelope = Envelope::default();
                slot.steal_fade.jump(1.0);
                if let Some(note_on) = slot.next.take() {
                    slot.start(note_on, self.count);
                }
            }
        }
    }
}

impl<T: Synth> Slot<T> {
    fn start(&mut self, note_on: NoteOn, count: u64) {
        self.synth.start(note_to_hz(f32::from(note_on.note)), note_on.velocity);
        self.envelope = Envelope::start(&T::shape(note_on.velocity));
        self.steal_fade.jump(1.0);
        self.note_on = note_on;
        self.started = count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Bass;

    /// Plays `quanta` quanta and returns the peak and the largest step between consecutive samples.
    fn peak_and_step(pool: &mut Pool<Bass, 2>, quanta: usize, last: &mut f32) -> (f32, f32) {
        let (mut peak, mut step) = (0.0f32, 0.0f32);
        for _ in 0..quanta {
            let mut bus = Bus::SILENT;
            pool.render(&mut bus);
            for sample in bus.mid {
                peak = peak.max(sample.abs());
                step = step.max((sample - *last).abs());
                *last = sample;
            }
        }
        (peak, step)
    }

    #[test]
    fn stealing_a_note_does_not_click() {
        let mut pool = Pool::<Bass, 2>::new();
        let mut last = 0.0;
        pool.note_on(40, 1.0);
        pool.note_on(47, 1.0);
        let (_, normal) = peak_and_step(&mut pool, 400, &mut last);
        let mut largest = 0.0f32;
        for note in 30..50 {
            pool.note_on(note, 1.0);
            largest = largest.max(peak_and_step(&mut pool, 37, &mut last).1);
        }
        assert!(largest < 1.5 * normal, "{largest}, normally {normal}");
    }

    #[test]
    fn all_notes_can_be_released() {
        let mut pool = Pool::<Bass, 2>::new();
        let mut last = 0.0;
        for note in [40, 44, 48, 52] {
            pool.note_on(note, 0.8);
        }
        assert!(peak_and_step(&mut pool, 100, &mut last).0 > 0.01);
        for note in [40, 44, 48, 52] {
            pool.note_off(note);
        }
        peak_and_step(&mut pool, 3000, &mut last);
        assert_eq!(peak_and_step(&mut pool, 10, &mut last).0, 0.0);
    }

    #[test]
    fn a_cleared_pool_is_silent() {
        let mut pool = Pool::<Bass, 2>::new();
        let mut last = 0.0;
        pool.note_on(40, 1.0);
        peak_and_step(&mut pool, 20, &mut last);
        pool.clear();
        assert_eq!(peak_and_step(&mut pool, 20, &mut last).0, 0.0);
    }
}
