//! The harmony voices: bass, pad and upper voice, each a small synthesiser.

mod bass;
mod pad;
mod pool;
mod upper;

pub(super) use bass::Bass;
pub(super) use pad::Pad;
pub(super) use pool::Pool;
pub(super) use upper::Upper;

/// Converts velocity (0 to 1) to amplitude by squaring it, as General MIDI does (40 dB per decade) and as the network's
/// piano roughly does. With a flatter curve, the voices would cover a soft piano and be inaudible beside a loud one.
fn amplitude(velocity: f32) -> f32 {
    velocity * velocity
}
