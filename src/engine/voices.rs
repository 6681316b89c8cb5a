//! The harmony voices: bass, pad and upper voice, each a small synthesiser with its own sound.

mod bass;
mod pad;
mod pool;
mod upper;

pub(super) use bass::Bass;
pub(super) use pad::Pad;
pub(super) use pool::Pool;
pub(super) use upper::Upper;
