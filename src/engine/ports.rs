//! The ring buffers between the engine and other threads.

use ringbuf::traits::{Consumer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

use crate::event::{EngineEvent, Executed, Hop, QueuedCommand, SaveRequest, Saved};
use crate::units::SAMPLE_RATE;

/// Capacity for commands: far more than a dense bar of notes needs.
const COMMANDS: usize = 4096;
/// Capacity for immediate commands. While the ring is full, further commands are sent as timed ones.
const IMMEDIATE: usize = 256;
/// Capacity for hops, which the engine moves to its own table every quantum.
const HOPS: usize = 128;
/// Capacity for events that the daemon has not read yet.
const EVENTS: usize = 256;
/// Capacity for the engine's state, in bytes: almost twice its size.
const STATE: usize = 1 << 20;
/// Capacity of the tap in frames: four seconds, to bridge a disk stall.
const TAP: usize = 4 * SAMPLE_RATE as usize;

/// Encodes the number of dropped frames as a tap frame. Audio cannot be mistaken for it, because the engine never outputs NaN.
#[must_use]
pub const fn gap(frames: u32) -> [f32; 2] {
    [f32::NAN, f32::from_bits(frames)]
}

/// Decodes a [`gap`]: returns the number of dropped frames, or `None` for audio.
#[must_use]
pub const fn gap_in(frame: [f32; 2]) -> Option<u32> {
    if frame[0].is_nan() { Some(frame[1].to_bits()) } else { None }
}

/// The engine's ends of the ring buffers.
#[allow(missing_debug_implementations, reason = "ring ends have no useful debug output")]
pub struct EnginePorts {
    /// Timed commands, in the order of their frames.
    pub commands: HeapCons<QueuedCommand>,
    /// Commands to be executed in the next quantum, before the timed ones.
    pub immediate: HeapCons<QueuedCommand>,
    /// Reports of when immediate and late commands were executed.
    pub executed: HeapProd<Executed>,
    /// Requests for the engine's state, one at a time.
    pub saves: HeapCons<SaveRequest>,
    /// Replies to `saves`.
    pub saved: HeapProd<Saved>,
    /// The requested state in postcard format.
    pub state: HeapProd<u8>,
    /// Hops from the generator.
    pub hops: HeapCons<Hop>,
    /// Reports from the engine.
    pub events: HeapProd<EngineEvent>,
    /// The output, for the recorder.
    pub tap: HeapProd<[f32; 2]>,
}

/// The other ends of the ring buffers, for the conductor, the generator and the recorder.
#[allow(missing_debug_implementations, reason = "ring ends have no useful debug output")]
pub struct EngineEnds {
    /// Timed commands to the engine; their frames never decrease.
    pub commands: HeapProd<QueuedCommand>,
    /// Commands to be executed in the next quantum.
    pub immediate: HeapProd<QueuedCommand>,
    /// Reports of when immediate and late commands were executed.
    pub executed: HeapCons<Executed>,
    /// Requests for the engine's state, one at a time.
    pub saves: HeapProd<SaveRequest>,
    /// Replies to `saves`.
    pub saved: HeapCons<Saved>,
    /// The requested state in postcard format. The ring must be empty when a state is requested.
    pub state: HeapCons<u8>,
    /// Hops from the generator.
    pub hops: HeapProd<Hop>,
    /// Reports from the engine.
    pub events: HeapCons<EngineEvent>,
    /// The output. If the ring is full, frames are dropped, counted and marked by a [`gap`].
    pub tap: HeapCons<[f32; 2]>,
}

/// Creates the ring buffers.
#[must_use]
pub fn ports() -> (EnginePorts, EngineEnds) {
    let (command_prod, commands) = HeapRb::new(COMMANDS).split();
    let (immediate_prod, immediate) = HeapRb::new(IMMEDIATE).split();
    let (executed, executed_cons) = HeapRb::new(COMMANDS).split();
    let (save_prod, saves) = HeapRb::new(1).split();
    let (saved, saved_cons) = HeapRb::new(1).split();
    let (mut state, mut state_cons) = HeapRb::new(STATE).split();
    // Touch the memory to avoid page faults when the audio thread first uses it.
    state.push_iter(std::iter::repeat_n(0, STATE));
    state_cons.clear();
    let (hop_prod, hops) = HeapRb::new(HOPS).split();
    let (events, event_cons) = HeapRb::new(EVENTS).split();
    let (tap, tap_cons) = HeapRb::new(TAP).split();
    (
        EnginePorts { commands, immediate, executed, saves, saved, state, hops, events, tap },
        EngineEnds {
            commands: command_prod,
            immediate: immediate_prod,
            executed: executed_cons,
            saves: save_prod,
            saved: saved_cons,
            state: state_cons,
            hops: hop_prod,
            events: event_cons,
            tap: tap_cons,
        },
    )
}
