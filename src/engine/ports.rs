//! The rings between the engine and the rest.

use ringbuf::traits::Split;
use ringbuf::{HeapCons, HeapProd, HeapRb};

use crate::event::{EngineEvent, Hop, TimedCommand};
use crate::units::SAMPLE_RATE;

/// Commands that may wait; a full bar of notes is far less.
const COMMANDS: usize = 4096;
/// Hops that may wait; the engine moves them into its own table at every quantum.
const HOPS: usize = 128;
/// Events that may wait until the daemon looks.
const EVENTS: usize = 256;
/// Frames of finished sound that may wait for the recorder: four seconds, as long as a disk may hang.
const TAP: usize = 4 * SAMPLE_RATE as usize;

/// A frame of the tap that stands for frames that found it full: how many. Sound has no such frames, since the engine
/// replaces numbers that are none.
#[must_use]
pub const fn gap(frames: u32) -> [f32; 2] {
    [f32::NAN, f32::from_bits(frames)]
}

/// How many frames a frame of the tap stands for, if it is a [`gap`].
#[must_use]
pub const fn gap_in(frame: [f32; 2]) -> Option<u32> {
    if frame[0].is_nan() { Some(frame[1].to_bits()) } else { None }
}

/// The engine's ends of the rings.
#[allow(missing_debug_implementations, reason = "ring ends have nothing to show")]
pub struct EnginePorts {
    /// Commands, in the order of their frames.
    pub commands: HeapCons<TimedCommand>,
    /// The network's sound.
    pub hops: HeapCons<Hop>,
    /// What happened.
    pub events: HeapProd<EngineEvent>,
    /// Everything that was played, as left and right, for the recorder.
    pub tap: HeapProd<[f32; 2]>,
}

/// The other ends: commands come from the control side, hops from the generator, the tap goes to the recorder.
#[allow(missing_debug_implementations, reason = "ring ends have nothing to show")]
pub struct EngineEnds {
    /// Where the control side sends commands; their frames never fall.
    pub commands: HeapProd<TimedCommand>,
    /// Where the generator sends hops.
    pub hops: HeapProd<Hop>,
    /// What happened in the engine.
    pub events: HeapCons<EngineEvent>,
    /// Everything that was played; what finds the ring full is dropped and counted, and a [`gap`] stands in its place.
    pub tap: HeapCons<[f32; 2]>,
}

/// Makes the rings.
#[must_use]
pub fn ports() -> (EnginePorts, EngineEnds) {
    let (command_prod, commands) = HeapRb::new(COMMANDS).split();
    let (hop_prod, hops) = HeapRb::new(HOPS).split();
    let (events, event_cons) = HeapRb::new(EVENTS).split();
    let (tap, tap_cons) = HeapRb::new(TAP).split();
    (
        EnginePorts { commands, hops, events, tap },
        EngineEnds { commands: command_prod, hops: hop_prod, events: event_cons, tap: tap_cons },
    )
}
