//! Runs fuzz targets without a fuzzer, on seeds and on mutated seeds.

use std::path::Path;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Number of mutated seeds per target, unless `MELOS_FUZZ_ROUNDS` sets it.
const MUTATED_SEEDS: usize = 300;

/// Runs a target on each of its seeds and on mutated seeds. The mutations are the same in every run.
///
/// # Panics
/// If the seeds cannot be read, if there are none, or if the target panics.
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
    let rounds = std::env::var("MELOS_FUZZ_ROUNDS").map_or(MUTATED_SEEDS, |rounds| rounds.parse().unwrap());
    for round in 0..rounds {
        let mut bytes = seeds[round % seeds.len()].clone();
        mutate(&mut bytes, &mut random);
        target(&bytes);
    }
}

/// Applies one to four random mutations: changes a byte, removes or copies a range, or truncates the input.
fn mutate(bytes: &mut Vec<u8>, random: &mut ChaCha8Rng) {
    let mut random_below = |limit: usize| random.next_u32() as usize % limit.max(1);
    for _ in 0..=random_below(4) {
        let (at, length) = (random_below(bytes.len()), random_below(16));
        let part = at..(at + length).min(bytes.len());
        match random_below(6) {
            0 => drop(bytes.drain(part)),
            1 => {
                let copy = bytes[part].to_vec();
                let to = random_below(bytes.len());
                bytes.splice(to..to, copy);
            }
            2 => bytes.truncate(at),
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = [0, 0xFF, b'\n', b'"', b'[', *byte ^ 1, byte.wrapping_add(1), random_below(256) as u8]
                        [random_below(8)];
                }
            }
        }
    }
}
