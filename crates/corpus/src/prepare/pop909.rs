//! POP909: `POP909/<id>/<id>.mid`, next to `beat_midi.txt`, which has one row per beat (time, half bar, downbeat).

use std::path::Path;

use super::beats::BeatGrid;
use super::corpus::{Corpus, CorpusError};
use super::paths::{entries, read};
use super::piece::{Listing, Piece, Source, Split};

/// Two arrangements of one song; the first takes the split of the second, so that both are in the same one.
const SAME_SONG: (&str, &str) = ("018", "017");

pub(crate) fn list(root: &Path) -> Result<Listing, CorpusError> {
    let mut listing = Listing::default();
    for folder in entries(&root.join("POP909"))? {
        let Some(id) = folder.file_name().and_then(|name| name.to_str()).filter(|_| folder.is_dir()) else { continue };
        let song = if id == SAME_SONG.0 { SAME_SONG.1 } else { id };
        let source = Source::Midi(folder.join(format!("{id}.mid")));
        listing.pieces.push(Piece::new(Corpus::Pop909, id.to_owned(), Split::of(Corpus::Pop909, song), source, "MIT"));
    }
    Ok(listing)
}

/// Reads the beats from `beat_midi.txt` next to a song's MIDI file. In triple time, this file marks a half bar on every
/// third beat and a downbeat on every sixth; the half bars are then the actual bars.
pub(crate) fn beats(midi: &Path) -> Result<Option<BeatGrid>, CorpusError> {
    let path = midi.with_file_name("beat_midi.txt");
    let text = String::from_utf8_lossy(&read(&path)?).into_owned();
    let mut rows = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let numbers: Vec<f64> = line.split_whitespace().map_while(|field| field.parse().ok()).collect();
        let [time, half_bar, downbeat] = numbers[..] else {
            let expected = "three numbers: time, half bar, downbeat";
            return Err(CorpusError::Annotation { path, line: index + 1, found: line.to_owned(), expected });
        };
        rows.push((time, half_bar > 0.5, downbeat > 0.5));
    }
    let downbeats: Vec<usize> = (0..rows.len()).filter(|i| rows[*i].2).collect();
    let triple = downbeats.windows(2).filter(|pair| pair[1] - pair[0] == 6).count() * 2 > downbeats.len();
    let marks: Vec<(f64, bool)> =
        rows.iter().map(|(time, half_bar, downbeat)| (*time, if triple { *half_bar } else { *downbeat })).collect();
    Ok(BeatGrid::new(&marks))
}
