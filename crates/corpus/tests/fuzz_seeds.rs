//! What the fuzz target for sound files does, with every seed and with many changed ones.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../../fuzz/src/seeds.rs"]
mod seeds;
#[path = "../../../fuzz/src/sound.rs"]
#[allow(unreachable_pub, reason = "a crate of its own")]
mod sound;

#[test]
fn sound_files_are_read_or_refused() {
    seeds::run(std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds/audio")), sound::audio);
}
