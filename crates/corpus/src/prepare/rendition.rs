//! The copies to make of each piece, with key and tempo.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::Options;
use super::catalogue::Material;
use super::piece::{Piece, Source, Split, hash};
use super::random::{below, shuffle};

/// Maximum transposition of a copy in semitones.
const TRANSPOSE: i32 = 5;
/// Tempo of a copy in percent of the written tempo.
const TEMPO: (u32, u32) = (85, 115);
/// Maximum pieces of one composer per round of copies, in corpora dominated by one composer.
const PER_COMPOSER: usize = 32;

/// A copy to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rendition {
    /// Index of the piece.
    pub(crate) piece: usize,
    /// Semitones up.
    pub(crate) transpose: i32,
    /// Percent of the written tempo.
    pub(crate) tempo_percent: u32,
    /// Whether the recording is used as it is, rather than the notes rendered.
    pub(crate) recorded: bool,
}

/// The copies to make, in random order, so that any prefix of the list is a fair sample. Training pieces are moved to
/// other keys and tempos; held-out ones and recordings are used once, unchanged.
pub(crate) fn plan(loaded: &[(Piece, Material)], options: &Options) -> Vec<Rendition> {
    let mut by_composer: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    let mut plan = Vec::new();
    for (index, (piece, _)) in loaded.iter().enumerate() {
        if options.held_out && piece.split == Split::Train {
            continue;
        }
        let recorded = piece.source.sound().is_some();
        if recorded || piece.split != Split::Train {
            plan.push(Rendition { piece: index, transpose: 0, tempo_percent: 100, recorded });
        }
        if piece.split != Split::Train || matches!(piece.source, Source::Sound(_)) {
            continue;
        }
        match &piece.composer {
            Some(composer) => by_composer.entry((piece.corpus.name(), composer)).or_default().push(index),
            None => plan.extend(copies(index, piece, options, 0, 1)),
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

/// The copies of one piece, which is included in one of every `rounds` copies.
fn copies(index: usize, piece: &Piece, options: &Options, turn: usize, rounds: usize) -> Vec<Rendition> {
    let mut random = seeded(piece, options, "copies");
    let mut keys: Vec<i32> = (-TRANSPOSE..=TRANSPOSE).collect();
    shuffle(&mut random, &mut keys);
    let total = options.copies * piece.corpus.weight();
    let tempos = (TEMPO.1 - TEMPO.0 + 1) as usize;
    (0..total)
        .map(|copy| (copy, keys[copy % keys.len()], TEMPO.0 + below(&mut random, tempos) as u32))
        .filter(|(copy, ..)| copy % rounds == turn)
        .map(|(_, transpose, tempo_percent)| Rendition { piece: index, transpose, tempo_percent, recorded: false })
        // This name is already used by the recording itself.
        .filter(|copy| piece.source.sound().is_none() || (copy.transpose, copy.tempo_percent) != (0, 100))
        .collect()
}

/// A piece's random generator for a purpose.
fn seeded(piece: &Piece, options: &Options, purpose: &str) -> ChaCha8Rng {
    ChaCha8Rng::from_seed(hash(&[purpose, piece.corpus.name(), &piece.id, &options.seed.to_string()]))
}

impl Rendition {
    /// The shard's path.
    pub(crate) fn path(&self, out: &Path, piece: &Piece) -> PathBuf {
        let Self { transpose, tempo_percent, .. } = self;
        let name = format!("{}-{}-t{transpose:+}-s{tempo_percent}.safetensors", piece.corpus, piece.id);
        out.join(piece.split.name()).join(name)
    }

    /// The copy's random generator for a purpose.
    pub(crate) fn seeded(&self, purpose: &str, piece: &Piece, options: &Options) -> ChaCha8Rng {
        seeded(piece, options, &format!("{purpose} {} {}", self.transpose, self.tempo_percent))
    }
}
