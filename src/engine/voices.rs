//! The harmony voices: bass, pad and upper voice, each a small synthesizer.

mod bass;
mod pad;
mod pool;
mod upper;

pub(super) use bass::Bass;
pub(super) use pad::Pad;
pub(super) use pool::Pool;
pub(super) use upper::Upper;

/// Converts a velocity (0..=1) to an amplitude by squaring it, as General MIDI does (40 dB per decade) and the network's
/// piano roughly does. With a flatter curve, the voices would be too loud under a soft piano and inaudible under a loud one.
fn amplitude(velocity: f32) -> f32 {
    velocity * velocity
}
