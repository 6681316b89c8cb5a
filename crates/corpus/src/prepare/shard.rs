//! Stores a rendered copy of a piece as a safetensors file: the length of the header, a JSON header that describes the
//! tensors, and the tensors' bytes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use half::f16;
use serde_json::{Map, Value, json};

use super::midi::{Note, Pedal};
use melos::mel::{BANDS, HOP, MelFrame};
use melos::music::conditions::{CONDITION_COUNT, Conditions};

/// Maximum size of a header in bytes; typical headers are smaller than 1 kB.
const MAX_HEADER: u64 = 1 << 20;

/// The contents of a shard.
#[derive(Debug, Clone, Default)]
pub struct Shard {
    /// Mel frames; their number is a multiple of eight.
    pub mel: Vec<MelFrame>,
    /// Conditions for each latent, that is, for every eight mel frames.
    pub conditions: Vec<Conditions>,
    /// Notes, in seconds from the shard's start.
    pub notes: Vec<Note>,
    /// Movements of the sustain pedal, in seconds from the shard's start. Before the first one, the pedal is in the
    /// opposite position.
    pub pedal: Vec<Pedal>,
    /// The audio, `mel.len() · HOP` samples, or empty. For stereo, this is the mid signal (half the sum of the
    /// channels), from which the mel frames are computed.
    pub audio: Vec<f32>,
    /// The side signal (half the difference of the channels), as long as `audio`, or empty.
    pub side: Vec<f32>,
    /// Piano, corpus, piece, split, transposition, tempo factor, start position in the piece, and licence.
    pub metadata: BTreeMap<String, String>,
}

impl Shard {
    /// Writes the shard under a temporary name, then renames it, so that readers never see a partial file.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut table = Map::new();
        let mut data: Vec<u8> = Vec::new();
        // A dimension of usize::MAX is omitted from the shape.
        let mut add = |name: &str, dtype: &str, shape: [usize; 2], bytes: Vec<u8>| {
            let from = data.len();
            data.extend_from_slice(&bytes);
            let shape: Vec<usize> = shape.into_iter().filter(|size| *size != usize::MAX).collect();
            table
                .insert(name.to_owned(), json!({ "dtype": dtype, "shape": shape, "data_offsets": [from, data.len()] }));
        };
        let conditions = self.conditions.iter().flat_map(Conditions::to_vector).flat_map(f32::to_le_bytes).collect();
        add("conditions", "F32", [self.conditions.len(), CONDITION_COUNT], conditions);
        let notes = self.notes.iter().flat_map(|note| {
            [note.start as f32, note.end as f32, f32::from(note.pitch), note.velocity].map(f32::to_le_bytes)
        });
        add("notes", "F32", [self.notes.len(), 4], notes.flatten().collect());
        let key_up = self.notes.iter().flat_map(|note| (note.key_up as f32).to_le_bytes()).collect();
        add("key_up", "F32", [self.notes.len(), usize::MAX], key_up);
        let pedal = self.pedal.iter().flat_map(|pedal| [pedal.time as f32, f32::from(u8::from(pedal.down))]);
        add("pedal", "F32", [self.pedal.len(), 2], pedal.flat_map(f32::to_le_bytes).collect());
        let mel = self.mel.iter().flatten().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect();
        add("mel", "F16", [self.mel.len(), BANDS], mel);
        let sample = |x: &f32| ((x.clamp(-1.0, 1.0) * 32_767.0).round() as i16).to_le_bytes();
        let signals = [("audio", &self.audio), ("side", &self.side)];
        for (name, signal) in signals.into_iter().filter(|(_, signal)| !signal.is_empty()) {
            add(name, "I16", [signal.len(), usize::MAX], signal.iter().flat_map(sample).collect());
        }
        table.insert("__metadata__".to_owned(), json!(self.metadata));
        let mut header = Value::Object(table).to_string().into_bytes();
        header.resize(header.len().next_multiple_of(8), b' ');

        let temporary = path.with_extension("part");
        let mut file = File::create(&temporary)?;
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(&header)?;
        file.write_all(&data)?;
        file.sync_data()?;
        fs::rename(temporary, path)
    }
}

/// Returns the length of a shard in seconds, reading only its header.
///
/// # Errors
/// If the file cannot be read or is not a shard.
pub fn duration(path: &Path) -> io::Result<f64> {
    let mut file = File::open(path)?;
    let mut length = [0; 8];
    file.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    let invalid = || io::Error::new(io::ErrorKind::InvalidData, "not a shard");
    if length > MAX_HEADER {
        return Err(invalid());
    }
    let mut header = String::new();
    file.take(length).read_to_string(&mut header)?;
    let table: Value = serde_json::from_str(&header).map_err(|_| invalid())?;
    let frames = table["mel"]["shape"][0].as_u64().ok_or_else(invalid)?;
    Ok(frames as f64 * HOP as f64 / f64::from(melos::units::SAMPLE_RATE))
}
