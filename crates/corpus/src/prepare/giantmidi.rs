//! GiantMIDI-Piano: one MIDI file per part of a recording, with the recording's YouTube id in the file name.

use std::path::Path;

use super::corpus::{Corpus, CorpusError};
use super::paths::{files, identifier, stem};
use super::piece::{Listing, Piece, Source, Split};

/// Number of characters in a YouTube id.
const YOUTUBE_ID_LENGTH: usize = 11;

pub(crate) fn list(root: &Path) -> Result<Listing, CorpusError> {
    let folders = [root.join("midis_for_evaluation/giantmidi-piano"), root.join("midis_preview"), root.to_path_buf()];
    let mut listing = Listing::default();
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        for path in files(folder, &["mid", "midi"])? {
            let stem = stem(&path);
            let split = Split::of(Corpus::GiantMidi, recording(&stem));
            let id = identifier(&stem);
            listing.pieces.push(Piece::new(Corpus::GiantMidi, id, split, Source::Midi(path), "CC BY 4.0"));
        }
    }
    Ok(listing)
}

/// Returns the YouTube id in `<Work>_<id>` or `<Work>, <id>`, ignoring suffixes such as `_cut` and `_part1`; without an
/// id, returns the whole stem.
fn recording(stem: &str) -> &str {
    let mut rest = stem;
    loop {
        let shorter = ["_cut", "_midi", "_a", "_b"].iter().find_map(|suffix| rest.strip_suffix(suffix)).or_else(|| {
            let without_number = rest.trim_end_matches(|c: char| c.is_ascii_digit());
            ["_mov_", "_no_", "_part"]
                .iter()
                .find_map(|suffix| without_number.strip_suffix(suffix))
                .filter(|_| without_number != rest)
        });
        match shorter {
            Some(shorter) => rest = shorter,
            None => break,
        }
    }
    let start = rest.len().saturating_sub(YOUTUBE_ID_LENGTH);
    match rest.get(start..) {
        Some(id) if start > 0 && rest[..start].ends_with(['_', ' ']) => id,
        _ => stem,
    }
}

#[cfg(test)]
mod tests {
    use super::recording;

    #[test]
    fn parts_of_a_recording_share_its_id() {
        for (stem, id) in [
            ("Chopin_Etudes_Op10_g0hoN6_HDVU_no_12_cut", "g0hoN6_HDVU"),
            ("Chopin, Frédéric, Études, Op.10, g0hoN6_HDVU", "g0hoN6_HDVU"),
            ("Debussy_Estampes_R-YcnPXY2yE_cut_no_1", "R-YcnPXY2yE"),
            ("Bach_Prelude_and_Fugue_in_A-flat_major_BWV862_gCL5Zvnt0TU_a", "gCL5Zvnt0TU"),
            ("Liszt_Reminiscences_de_Don_Juan_S418_JI6JfJXcUjU_part1", "JI6JfJXcUjU"),
            ("Beethoven_Piano_Sonata_No_3_Op_2_No_3_3asWeutbY0c_cut_midi", "3asWeutbY0c"),
        ] {
            assert_eq!(recording(stem), id);
        }
        assert_eq!(recording("short"), "short");
    }
}
