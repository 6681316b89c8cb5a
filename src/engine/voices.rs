//! The harmony voices: bass, pad and upper voice, each a small synthesizer.

mod bass;
mod pad;
mod pool;
mod upper;

pub(super) use bass::Bass;
pub(super) use pad::Pad;
pub(super) use pool::Pool;
pub(super) use upper::Upper;

/// Converts a velocity (0..=1) to an amplitude by squaring it: 40 dB per decade, like General MIDI and roughly like the
/// network's piano. A flatter curve would make the voices too loud under a soft piano and inaudible under a loud one.
fn amplitude(velocity: f32) -> f32 {
    velocity * velocity
}
