//! The harmony voices: bass, pad and upper voice, each a small synthesiser with its own sound.

mod bass;
mod pad;
mod pool;
mod upper;

pub(super) use bass::Bass;
pub(super) use pad::Pad;
pub(super) use pool::Pool;
pub(super) use upper::Upper;

/// Amplitude of a touch, 0 to 1: velocities go by their square, as General MIDI's do (40 dB a decade), and as the network's
/// piano does about; a voice that followed less would cover a soft piano and be lost beside a loud one.
fn amplitude(velocity: f32) -> f32 {
    velocity * velocity
}
