//! Runs the fuzz target for audio files on all seeds and on mutated seeds.

#[path = "../../../../fuzz/src/seeds.rs"]
mod seeds;
#[path = "../../../../fuzz/src/sound.rs"]
#[allow(unreachable_pub, reason = "also part of the fuzzing crate")]
mod sound;

#[test]
fn decoding_arbitrary_bytes_never_panics() {
    seeds::run(std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds/audio")), sound::audio);
}
