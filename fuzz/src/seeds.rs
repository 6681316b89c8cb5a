//! Seeds, and changed ones, for running targets without a fuzzer.

use std::path::Path;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Changed seeds of each target, where `MELOS_FUZZ_ROUNDS` does not say how many.
const CHANGED: usize = 300;

/// Runs a target with each of its seeds and with changed ones, the same in every run.
///
/// # Panics
/// When there are no seeds, or the target does.
pub(crate) fn run(folder: &Path, target: fn(&[u8])) {
    let files = folder.read_dir().unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    let seeds: Vec<_> = files.into_iter().map(|file| std::fs::read(file).unwrap()).collect();
    assert!(!seeds.is_empty(), "{} is empty", folder.display());
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for seed in &seeds {
        target(seed);
    }
    let rounds = std::env::var("MELOS_FUZZ_ROUNDS").map_or(CHANGED, |rounds| rounds.parse().unwrap());
    for round in 0..rounds {
        let mut bytes = seeds[round % seeds.len()].clone();
        change(&mut bytes, &mut random);
        target(&bytes);
    }
}

/// Changes some bytes, or cuts, doubles or moves a part.
fn change(bytes: &mut Vec<u8>, random: &mut ChaCha8Rng) {
    let mut below = |end: usize| random.next_u32() as usize % end.max(1);
    for _ in 0..=below(4) {
        let (at, length) = (below(bytes.len()), below(16));
        let part = at..(at + length).min(bytes.len());
        match below(6) {
            0 => drop(bytes.drain(part)),
            1 => {
                let copy = bytes[part].to_vec();
                let to = below(bytes.len());
                bytes.splice(to..to, copy);
            }
            2 => bytes.truncate(at),
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = [0, 0xFF, b'\n', b'"', b'[', *byte ^ 1, byte.wrapping_add(1), below(256) as u8][below(8)];
                }
            }
        }
    }
}
