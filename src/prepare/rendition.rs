//! One copy of a piece: in which key and tempo, which part of it, as sound and conditions.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::corpus::{Piece, Score, Split, hash};
use super::label::Labeller;
use super::midi::Note;
use super::random::{below, shuffle, uniform};
use super::shard::Shard;
use super::synth::Piano;
use super::{Options, PER_COMPOSER, condition};
use crate::mel::{FRAMES_PER_LATENT, HOP, MelAnalyzer};
use crate::units::SAMPLE_RATE;

/// Semitones a copy is moved by at most.
const TRANSPOSE: i32 = 5;
/// Percent of the written tempo a copy takes.
const TEMPO: (u32, u32) = (85, 115);
/// Below this tempo, half of the copies are counted twice as fast: slow pop is felt both ways, and the network has to know
/// what fast beats are.
const SLOW_BPM: f64 = 85.0;
/// Silence kept before the first onset, seconds.
const LEAD: f64 = 0.05;
/// Sound kept after the last onset, seconds.
const TAIL: f64 = 1.0;
/// Shortest piece worth keeping, seconds.
const SHORTEST: f64 = 6.0;

/// A copy to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rendition {
    /// Index of the piece.
    pub(crate) piece: usize,
    transpose: i32,
    tempo_percent: u32,
}

/// Why a copy was not made.
#[derive(Debug)]
pub(crate) enum Failure {
    TooShort,
    Output(io::Error),
}

/// The copies to make, in random order, so that any beginning of the list is a fair sample. Training pieces are moved to
/// other keys and tempos; held-out ones are taken once, as they are.
pub(crate) fn plan(loaded: &[(Piece, Score)], options: &Options) -> Vec<Rendition> {
    let mut by_composer: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    let mut plan = Vec::new();
    for (index, (piece, _)) in loaded.iter().enumerate() {
        match (&piece.composer, piece.split) {
            (_, Split::Valid | Split::Test) => plan.push(Rendition { piece: index, transpose: 0, tempo_percent: 100 }),
            (Some(composer), Split::Train) => {
                by_composer.entry((piece.corpus.name(), composer)).or_default().push(index);
            }
            (None, Split::Train) => plan.extend(copies(index, piece, options, 0, 1)),
        }
    }
    for pieces in by_composer.values() {
        let rounds = pieces.len().div_ceil(PER_COMPOSER);
        for (place, index) in pieces.iter().enumerate() {
            plan.extend(copies(*index, &loaded[*index].0, options, place % rounds, rounds));
        }
    }
    let mut random = ChaCha8Rng::from_seed(hash(&["order", &options.seed.to_string()]));
    shuffle(&mut random, &mut plan);
    plan
}

/// The copies of one piece: of every `rounds` copies it takes part in one.
fn copies(index: usize, piece: &Piece, options: &Options, turn: usize, rounds: usize) -> Vec<Rendition> {
    let mut random = seeded(piece, options, "copies");
    let mut keys: Vec<i32> = (-TRANSPOSE..=TRANSPOSE).collect();
    shuffle(&mut random, &mut keys);
    let total = options.copies * piece.corpus.weight();
    let tempos = (TEMPO.1 - TEMPO.0 + 1) as usize;
    (0..total)
        .map(|copy| (copy, keys[copy % keys.len()], TEMPO.0 + below(&mut random, tempos) as u32))
        .filter(|(copy, ..)| copy % rounds == turn)
        .map(|(_, transpose, tempo_percent)| Rendition { piece: index, transpose, tempo_percent })
        .collect()
}

fn seeded(piece: &Piece, options: &Options, purpose: &str) -> ChaCha8Rng {
    ChaCha8Rng::from_seed(hash(&[purpose, piece.corpus.name(), &piece.id, &options.seed.to_string()]))
}

impl Rendition {
    /// Where the shard goes.
    pub(crate) fn path(&self, out: &Path, piece: &Piece) -> PathBuf {
        let Self { transpose, tempo_percent, .. } = self;
        let name = format!("{}-{}-t{transpose:+}-s{tempo_percent}.safetensors", piece.corpus, piece.id);
        out.join(piece.split.name()).join(name)
    }

    /// The seconds of the piece, at the new tempo, to take: where they start and how many.
    fn excerpt(&self, notes: &[Note], piece: &Piece, options: &Options) -> (f64, f64) {
        let (first, last) = (notes[0].start, notes[notes.len() - 1].start);
        let longest = options.max_piece_seconds.unwrap_or(f64::INFINITY);
        let spare = last + TAIL - (first - LEAD) - longest;
        if spare <= 0.0 {
            return (first - LEAD, last + TAIL - (first - LEAD));
        }
        let purpose = format!("excerpt {} {}", self.transpose, self.tempo_percent);
        let wish = first + spare * uniform(&mut seeded(piece, options, &purpose));
        let onset = notes[notes.partition_point(|note| note.start < wish).min(notes.len() - 1)].start;
        (onset - LEAD, longest)
    }
}

/// What every rendition is made with.
pub(crate) struct Workshop<'a> {
    pub(crate) options: &'a Options,
    pub(crate) piano: &'a Piano,
    pub(crate) labeller: &'a Labeller,
}

impl Workshop<'_> {
    /// Makes one copy and writes its shard; the seconds it lasts.
    pub(crate) fn render(&self, rendition: &Rendition, piece: &Piece, score: &Score) -> Result<f64, Failure> {
        let factor = f64::from(rendition.tempo_percent) / 100.0;
        let moved: Vec<Note> = score
            .notes
            .iter()
            .filter_map(|note| {
                let pitch = u8::try_from(i32::from(note.pitch) + rendition.transpose).ok().filter(|p| *p < 128)?;
                Some(Note { start: note.start / factor, end: note.end / factor, pitch, ..*note })
            })
            .collect();
        if moved.is_empty() {
            return Err(Failure::TooShort);
        }
        let (from, seconds) = rendition.excerpt(&moved, piece, self.options);
        let latent = HOP * FRAMES_PER_LATENT;
        let latents = (seconds * f64::from(SAMPLE_RATE)) as usize / latent;
        if seconds < SHORTEST {
            return Err(Failure::TooShort);
        }
        let length = latents * latent;
        let seconds = length as f64 / f64::from(SAMPLE_RATE);
        let context: Vec<Note> =
            moved.iter().map(|note| Note { start: note.start - from, end: note.end - from, ..*note }).collect();
        let notes: Vec<Note> = context
            .iter()
            .filter(|note| note.start >= 0.0 && note.start < seconds)
            .map(|note| Note { end: note.end.min(seconds), ..*note })
            .collect();
        let beats = score.beats.as_ref().map(|beats| beats.map(|time| time / factor - from));
        let purpose = format!("count {} {}", rendition.transpose, rendition.tempo_percent);
        let twice = uniform(&mut seeded(piece, self.options, &purpose)) < 0.5;
        let beats = beats.map(|grid| if twice && grid.mean_tempo() < SLOW_BPM { grid.doubled() } else { grid });
        let audio = self.piano.render(&notes, length);
        let mut mel = MelAnalyzer::new().log_mel(&audio);
        mel.truncate(latents * FRAMES_PER_LATENT);
        let metadata = [
            ("corpus", piece.corpus.to_string()),
            ("piece", piece.id.clone()),
            ("split", piece.split.name().to_owned()),
            ("transpose", rendition.transpose.to_string()),
            ("tempo_factor", factor.to_string()),
        ];
        let shard = Shard {
            mel,
            conditions: condition::conditions(&notes, &context, beats.as_ref(), self.labeller, latents),
            notes,
            audio: if self.options.audio { audio } else { Vec::new() },
            metadata: metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        };
        shard.write(&rendition.path(&self.options.out, piece)).map_err(Failure::Output)?;
        Ok(seconds)
    }
}
