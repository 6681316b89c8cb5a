//! Runs the fuzz target for audio files on all seeds and on mutated seeds.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../../fuzz/src/seeds.rs"]
mod seeds;
#[path = "../../../fuzz/src/sound.rs"]
#[allow(unreachable_pub, reason = "a crate of its own")]
mod sound;

#[test]
fn decoding_any_bytes_succeeds_or_fails_cleanly() {
    seeds::run(std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds/audio")), sound::audio);
}
