//! Writes a minimal SoundFont: a looped sine for all keys.

use std::fs;
use std::path::{Path, PathBuf};

const RATE: u32 = 48_000;
/// Number of samples of the sine: almost a whole number of periods of C4 (60).
const SAMPLES: u32 = 18_347;

fn chunk(id: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = id.to_vec();
    bytes.extend((body.len() as u32).to_le_bytes());
    bytes.extend(body);
    if body.len() % 2 == 1 {
        bytes.push(0);
    }
    bytes
}

fn list(id: &[u8; 4], chunks: &[Vec<u8>]) -> Vec<u8> {
    chunk(b"LIST", &[id.to_vec(), chunks.concat()].concat())
}

fn name(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(20, 0);
    bytes
}

fn words(words: &[u16]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Writes the SoundFont to a folder, and returns its path.
pub(crate) fn write(folder: &Path) -> PathBuf {
    let sine = |i: u32| (f64::from(i) / f64::from(RATE) * 261.625_565 * std::f64::consts::TAU).sin() * 20_000.0;
    let mut samples: Vec<u8> = (0..SAMPLES).flat_map(|i| (sine(i) as i16).to_le_bytes()).collect();
    samples.resize(samples.len() + 92, 0);
    let long = |numbers: &[u32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();

    let info = list(b"INFO", &[chunk(b"ifil", &words(&[2, 1])), chunk(b"isng", b"EMU8000\0"), chunk(b"INAM", b"sine")]);
    let data = list(b"sdta", &[chunk(b"smpl", &samples)]);
    let preset = |text: &str, bag: u16| [name(text), words(&[0, 0, bag]), long(&[0, 0, 0])].concat();
    let sample = [name("sine"), long(&[0, SAMPLES, 8, SAMPLES - 8, RATE]), vec![60, 0], words(&[0, 1])].concat();
    let end = [name("EOS"), vec![0; 26]].concat();
    // Generators: 41 instrument, 53 sample, 54 sample mode (1: loop), 38 release (timecents).
    let zones = list(
        b"pdta",
        &[
            chunk(b"phdr", &[preset("sine", 0), preset("EOP", 1)].concat()),
            chunk(b"pbag", &words(&[0, 0, 1, 0])),
            chunk(b"pmod", &[0; 10]),
            chunk(b"pgen", &words(&[41, 0, 0, 0])),
            chunk(b"inst", &[name("sine"), words(&[0]), name("EOI"), words(&[1])].concat()),
            chunk(b"ibag", &words(&[0, 0, 3, 0])),
            chunk(b"imod", &[0; 10]),
            chunk(b"igen", &words(&[54, 1, 38, (-4000i16) as u16, 53, 0, 0, 0])),
            chunk(b"shdr", &[sample, end].concat()),
        ],
    );
    let path = folder.join("sine.sf2");
    let body = [b"sfbk".to_vec(), info, data, zones].concat();
    fs::write(&path, chunk(b"RIFF", &body)).expect("the folder should be writable");
    path
}
