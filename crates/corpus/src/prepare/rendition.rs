//! Chooses the copies to make of each piece, and their keys and tempos.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::Options;
use super::catalogue::Content;
use super::piece::{Piece, Source, Split, hash};
use super::random::{shuffle, uniform_index};

/// Maximum transposition of a copy, up or down, in semitones.
const MAX_TRANSPOSITION: i32 = 5;
/// Minimum and maximum tempo of a copy, as a percentage of the original tempo.
const TEMPO_PERCENT: (u32, u32) = (85, 115);
/// Maximum number of pieces by one composer in a round of copies, for corpora balanced by composer.
const MAX_PER_COMPOSER: usize = 32;

/// A planned copy of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rendition {
    /// Index of the piece.
    pub(crate) piece: usize,
    /// Transposition in semitones.
    pub(crate) transpose: i32,
    /// Tempo as a percentage of the original tempo.
    pub(crate) tempo_percent: u32,
    /// Whether the unchanged recording is used instead of rendering the notes.
    pub(crate) recorded: bool,
}

/// Returns the copies to make, in random order, so that any prefix of the list is a fair sample. Training pieces vary
/// in key and tempo; held-out pieces and recordings are used once, unchanged.
pub(crate) fn plan(loaded: &[(Piece, Content)], options: &Options) -> Vec<Rendition> {
    let mut by_composer: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    let mut plan = Vec::new();
    for (index, (piece, _)) in loaded.iter().enumerate() {
        if options.held_out && piece.split == Split::Train {
            continue;
        }
        let recorded = piece.source.audio().is_some();
        if recorded || piece.split != Split::Train {
            plan.push(Rendition { piece: index, transpose: 0, tempo_percent: 100, recorded });
        }
        if piece.split != Split::Train || matches!(piece.source, Source::Audio(_)) {
            continue;
        }
        match &piece.composer {
            Some(composer) => by_composer.entry((piece.corpus.name(), composer)).or_default().push(index),
            None => plan.extend(copies(index, piece, options, 0, 1)),
        }
    }
    for pieces in by_composer.values() {
        let rounds = pieces.len().div_ceil(MAX_PER_COMPOSER);
        for (position, index) in pieces.iter().enumerate() {
            plan.extend(copies(*index, &loaded[*index].0, options, position % rounds, rounds));
        }
    }
    let mut random = ChaCha8Rng::from_seed(hash(&["order", &options.seed.to_string()]));
    shuffle(&mut random, &mut plan);
    plan
}

/// Returns the copies of a piece that takes part in every `rounds`th round of copies, from `first_round` on.
fn copies(index: usize, piece: &Piece, options: &Options, first_round: usize, rounds: usize) -> Vec<Rendition> {
    let mut random = seeded_random(piece, options, "copies");
    let mut keys: Vec<i32> = (-MAX_TRANSPOSITION..=MAX_TRANSPOSITION).collect();
    shuffle(&mut random, &mut keys);
    let total = options.copies * piece.corpus.weight();
    let tempos = (TEMPO_PERCENT.1 - TEMPO_PERCENT.0 + 1) as usize;
    (0..total)
        .map(|copy| (copy, keys[copy % keys.len()], TEMPO_PERCENT.0 + uniform_index(&mut random, tempos) as u32))
        .filter(|(copy, ..)| copy % rounds == first_round)
        .map(|(_, transpose, tempo_percent)| Rendition { piece: index, transpose, tempo_percent, recorded: false })
        // The shard of the unchanged recording already has this name.
        .filter(|copy| piece.source.audio().is_none() || (copy.transpose, copy.tempo_percent) != (0, 100))
        .collect()
}

/// Returns a random generator seeded for a piece and a purpose.
fn seeded_random(piece: &Piece, options: &Options, purpose: &str) -> ChaCha8Rng {
    ChaCha8Rng::from_seed(hash(&[purpose, piece.corpus.name(), &piece.id, &options.seed.to_string()]))
}

impl Rendition {
    /// Returns the path of the shard.
    pub(crate) fn path(&self, out: &Path, piece: &Piece) -> PathBuf {
        let Self { transpose, tempo_percent, .. } = self;
        let name = format!("{}-{}-t{transpose:+}-s{tempo_percent}.safetensors", piece.corpus, piece.id);
        out.join(piece.split.name()).join(name)
    }

    /// Returns a random generator seeded for the copy and a purpose.
    pub(crate) fn seeded_random(&self, purpose: &str, piece: &Piece, options: &Options) -> ChaCha8Rng {
        seeded_random(piece, options, &format!("{purpose} {} {}", self.transpose, self.tempo_percent))
    }
}
