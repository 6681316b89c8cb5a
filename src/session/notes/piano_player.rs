//! Turns strokes and pedal movements into MIDI events: every note ends, and striking a sounding key ends its previous note.

use super::piano_part::{Movement, Stroke};

/// Something that happens to a key or the pedal of the piano.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::session) enum PianoEvent {
    NoteOn {
        key: u8,
        velocity: u8,
    },
    NoteOff {
        key: u8,
    },
    /// True is down.
    Pedal(bool),
}

/// The frame at which a held key comes up, which is not known yet.
const HELD: u64 = u64::MAX;

/// The keys that are down, and the pedal.
#[derive(Debug, Default)]
pub(in crate::session) struct PianoPlayer {
    /// The keys that are down, with the frames at which they come up; [`HELD`] for keys held until their release.
    down: Vec<(u64, u8)>,
    pedal: bool,
}

impl PianoPlayer {
    /// Makes a movement at a frame. Appends the events to `out`, including those that are due before.
    pub(in crate::session) fn perform(&mut self, frame: u64, movement: Movement, out: &mut Vec<(u64, PianoEvent)>) {
        self.release_until(frame, out);
        match movement {
            Movement::Strike(stroke) => self.strike(stroke, out),
            Movement::Release(key) => {
                if let Some(index) = self.down.iter().position(|down| *down == (HELD, key)) {
                    self.down.swap_remove(index);
                    out.push((frame, PianoEvent::NoteOff { key }));
                }
            }
            Movement::Pedal(down) if down != self.pedal => {
                self.pedal = down;
                out.push((frame, PianoEvent::Pedal(down)));
            }
            Movement::Pedal(_) => {}
        }
    }

    fn strike(&mut self, Stroke { frame, length, key, velocity }: Stroke, out: &mut Vec<(u64, PianoEvent)>) {
        if let Some(index) = self.down.iter().position(|(_, down)| *down == key) {
            self.down.swap_remove(index);
            out.push((frame, PianoEvent::NoteOff { key }));
        }
        self.down.push((length.map_or(HELD, |length| frame + u64::from(length)), key));
        out.push((frame, PianoEvent::NoteOn { key, velocity }));
    }

    /// Releases the keys that come up by a frame.
    pub(in crate::session) fn release_until(&mut self, frame: u64, out: &mut Vec<(u64, PianoEvent)>) {
        let first = out.len();
        let released = self.down.extract_if(.., |(end, _)| *end <= frame);
        out.extend(released.map(|(end, key)| (end, PianoEvent::NoteOff { key })));
        out[first..].sort_by_key(|(end, _)| *end);
    }

    /// Releases all keys and the pedal at a frame.
    pub(in crate::session) fn stop(&mut self, frame: u64, out: &mut Vec<(u64, PianoEvent)>) {
        self.release_until(frame, out);
        out.extend(self.down.drain(..).map(|(_, key)| (frame, PianoEvent::NoteOff { key })));
        self.perform(frame, Movement::Pedal(false), out);
    }

    /// Assumes that the pedal is down, because the instrument may have missed that it came up.
    pub(in crate::session) const fn distrust_pedal(&mut self) {
        self.pedal = true;
    }
}
