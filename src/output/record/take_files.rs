//! The files that make up a take: its sound, and the companions of the same name.

use std::path::{Path, PathBuf};

use crate::files::unused_stem;

/// Extensions of the sound of a take.
pub const SOUND: [&str; 2] = ["wav", "flac"];
/// Extension of the MIDI file with a take's notes.
pub const NOTES: &str = "mid";
/// Extension of the file that keeps the mood of a renamed take.
pub const MOOD: &str = "mood";
/// Extensions of the files that accompany a take: its control log, the checkpoint from which rendering starts, its notes,
/// and its mood.
pub const COMPANIONS: [&str; 4] = ["log", "checkpoint", NOTES, MOOD];
/// All these extensions.
pub const EXTENSIONS: [&str; 6] = [SOUND[0], SOUND[1], COMPANIONS[0], COMPANIONS[1], COMPANIONS[2], COMPANIONS[3]];

/// Returns a path for the sound of a new take whose name no file of another take has, so that every companion belongs to
/// one take: the given path or, if its name is taken, one with a number, such as `calm-2.wav`.
pub(super) fn unused(path: &Path) -> PathBuf {
    unused_stem(path, &EXTENSIONS)
}
