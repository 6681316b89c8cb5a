//! The fuzz target for audio files, which only the corpus tools read.

use std::path::Path;

use melos_corpus::analysis::decode;

/// Decodes arbitrary bytes as an audio file.
pub fn audio(bytes: &[u8]) {
    let folder = Path::new("/dev/shm");
    let folder = if folder.is_dir() { folder.to_owned() } else { std::env::temp_dir() };
    for name in ["sound.wav", "sound.flac", "sound.mp3", "sound.ogg"] {
        let path = folder.join(format!("melos-fuzz-{}-{name}", std::process::id()));
        std::fs::write(&path, bytes).expect("there should be room for a small file");
        if let Ok(samples) = decode::decode(&path) {
            // A few bytes of a compressed file may decode to seconds of silence, but not to hours.
            assert!(samples.len() < 1 << 28, "{} samples from {} bytes", samples.len(), bytes.len());
        }
    }
}
