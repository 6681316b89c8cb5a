//! The performer's notes, as the composer writes them.

use crate::generator::notes::{HELD, KEYS, LOWEST_KEY, MELODY, Release, VELOCITY_WIDTH, WrittenNote};
use crate::mel::{HOP, LATENT_FRAMES};
use crate::music::plan::{Plan, PlayedNote};

/// MIDI note from which a note counts as melody: middle C.
const LOWEST_MELODY: u8 = 60;

/// Returns the performer's notes that begin in the latent at `from`, at offset `earliest` or later, in ascending order of
/// offset, then key.
pub(super) fn strokes(plan: &Plan, from: u64, earliest: u8) -> Vec<WrittenNote> {
    let stroke = |played: &PlayedNote| {
        Some(WrittenNote {
            offset: offset_of(played.frame, from)?,
            voice: if played.note < LOWEST_MELODY { 0 } else { MELODY },
            key: key_of(played)?,
            velocity: played.velocity / VELOCITY_WIDTH,
            duration: HELD,
        })
    };
    let mut strokes: Vec<_> = plan.played.iter().filter_map(stroke).filter(|note| note.offset >= earliest).collect();
    strokes.sort_by_key(|note| (note.offset, note.key));
    strokes
}

/// Returns the releases of the performer's notes in the latent at `from`, in ascending order of offset.
pub(super) fn releases(plan: &Plan, from: u64) -> Vec<Release> {
    let release =
        |played: &PlayedNote| Some(Release { offset: offset_of(played.released?, from)?, key: key_of(played)? });
    let mut releases: Vec<_> = plan.played.iter().filter_map(release).collect();
    releases.sort_by_key(|release| release.offset);
    releases
}

/// Returns the offset of a frame in the latent at `from`, if it is in that latent.
fn offset_of(frame: u64, from: u64) -> Option<u8> {
    (from..from + LATENT_FRAMES).contains(&frame).then(|| ((frame - from) / HOP as u64) as u8)
}

fn key_of(played: &PlayedNote) -> Option<u8> {
    played.note.checked_sub(LOWEST_KEY).filter(|key| usize::from(*key) < KEYS)
}
