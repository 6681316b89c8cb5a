//! Reads shards.

use std::fs;
use std::path::{Path, PathBuf};

use half::f16;
use melos::music::conditions::CONDITION_COUNT;
use serde_json::Value;

/// The contents of a shard.
pub(crate) struct Shard {
    pub(crate) mel: Vec<f32>,
    pub(crate) frames: usize,
    pub(crate) conditions: Vec<[f32; CONDITION_COUNT]>,
    pub(crate) notes: Vec<[f32; 4]>,
    pub(crate) key_up: Vec<f32>,
    pub(crate) pedal: Vec<[f32; 2]>,
    pub(crate) audio: Option<Vec<i16>>,
    pub(crate) side: Option<Vec<i16>>,
    pub(crate) metadata: Value,
}

/// Returns the paths of all shards in an output folder, sorted.
pub(crate) fn find(out: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for split in ["train", "valid", "test"] {
        for entry in fs::read_dir(out.join(split)).expect("the split should have a folder") {
            paths.push(entry.expect("the file should be readable").path());
        }
    }
    paths.sort();
    paths
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

/// Reads a shard.
pub(crate) fn read(path: &Path) -> Shard {
    let bytes = fs::read(path).expect("the shard should exist");
    let (length, rest) = bytes.split_at(8);
    let length = u64::from_le_bytes(length.try_into().expect("the length should have eight bytes")) as usize;
    assert_eq!(length % 8, 0, "the tensors should be aligned");
    let (header, data) = rest.split_at(length);
    let header: Value = serde_json::from_slice(header).expect("the header should be JSON");
    let tensor = |name: &str| {
        let offsets = &header[name]["data_offsets"];
        let at = |index: usize| offsets[index].as_u64().map(|at| at as usize);
        at(0).zip(at(1)).map(|(from, to)| &data[from..to])
    };
    let sound = |name: &str| {
        tensor(name).map(|bytes| bytes.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect())
    };
    let mel = tensor("mel").expect("the shard should contain mel frames");
    assert_eq!(header["mel"]["dtype"], "F16");
    assert_eq!(header["mel"]["shape"][1], 128);
    let conditions = floats(tensor("conditions").expect("the shard should contain conditions"));
    let shard = Shard {
        mel: mel.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
        frames: header["mel"]["shape"][0].as_u64().expect("the value should be a number") as usize,
        conditions: conditions
            .chunks_exact(CONDITION_COUNT)
            .map(|row| row.try_into().expect("the rows should be complete"))
            .collect(),
        notes: floats(tensor("notes").expect("the shard should contain notes"))
            .chunks_exact(4)
            .map(|n| n.try_into().expect("a note should have four values"))
            .collect(),
        key_up: floats(tensor("key_up").expect("the shard should contain key releases")),
        pedal: floats(tensor("pedal").expect("the shard should contain the pedal"))
            .chunks_exact(2)
            .map(|p| [p[0], p[1]])
            .collect(),
        audio: sound("audio"),
        side: sound("side"),
        metadata: header["__metadata__"].clone(),
    };
    assert_eq!(shard.mel.len(), shard.frames * 128);
    assert_eq!(shard.frames, shard.conditions.len() * 8);
    shard
}
