//! Parses `model.toml`.

use std::ops::RangeInclusive;
use std::path::Path;

use super::{Audio, ConditionLayout, File, LatentLayout, Manifest, PianistLayout, TransformerLayout, VocoderLayout};
use crate::files::document::{Document, Problem, Table};

/// Range of counts; the maximum is larger than any network needs.
const COUNT: RangeInclusive<i64> = 0..=1 << 20;
/// Ranges of the transformer's dimensions. If all were at their maximum, the cache would take terabytes, so their product is
/// limited too.
const LAYERS: RangeInclusive<i64> = 1..=256;
const HEADS: RangeInclusive<i64> = 1..=256;
const HEAD_DIM: RangeInclusive<i64> = 2..=1024;
const SLOTS: RangeInclusive<i64> = 1..=16_384;
const WIDTH: RangeInclusive<i64> = 1..=1 << 16;
/// Maximum number of elements in the KV cache of all layers: 1 GiB of floats.
const CACHE_ELEMENTS: u64 = 1 << 28;
/// Range of the size of a network file, in bytes.
const BYTES: RangeInclusive<i64> = 0..=4 << 30;
/// Number of hexadecimal digits in a SHA-256 hash.
const SHA256_DIGITS: usize = 64;

pub(super) fn manifest(file: &Path, text: &str) -> Result<Manifest, Vec<Problem>> {
    let (mut parsed, mut root) = Document::parse(file, text);
    let document = &mut parsed;
    let schema = count(document, &mut root, "schema");
    let name = root.required_text(document, "name");
    let licence = root.required_text(document, "licence");
    let training_data = root.required_text(document, "training_data");
    let training_commit = root.required_text(document, "training_commit");
    root.text(document, "attribution");

    let mut table = section(document, &mut root, "audio");
    let audio = Audio {
        sample_rate: count(document, &mut table, "sample_rate"),
        n_fft: count(document, &mut table, "n_fft"),
        hop: count(document, &mut table, "hop"),
        mel_bands: count(document, &mut table, "mel_bands"),
        mel_min_hz: number(document, &mut table, "mel_min_hz"),
        mel_max_hz: number(document, &mut table, "mel_max_hz"),
        floor: number(document, &mut table, "floor"),
    };
    for key in ["window", "mel_scale", "mel_norm", "log"] {
        table.text(document, key);
    }
    table.finish(document);

    let mut table = section(document, &mut root, "latent");
    let latent = LatentLayout {
        dims: count(document, &mut table, "dims"),
        mel_frames: count(document, &mut table, "mel_frames"),
    };
    table.finish(document);

    let mut table = section(document, &mut root, "composer");
    let conditions = ConditionLayout {
        step: count(document, &mut table, "frame"),
        fine: count(document, &mut table, "fine"),
        memory: count(document, &mut table, "memory"),
    };
    let composer = transformer(document, &mut table);
    table.finish(document);

    let mut table = section(document, &mut root, "pianist");
    let pianist =
        PianistLayout { ahead: count(document, &mut table, "ahead"), roll: count(document, &mut table, "roll") };
    let pianos = table.texts(document, "pianos");
    table.finish(document);

    let mut table = section(document, &mut root, "vocoder");
    let vocoder = VocoderLayout { look_ahead: count(document, &mut table, "look_ahead") };
    for key in ["n_fft", "hop"] {
        table.integer(document, key, COUNT);
    }
    table.finish(document);

    let tables = root.tables(document, "file");
    let files = tables.into_iter().map(|table| file_entry(document, table)).collect();
    root.finish(document);
    parsed.finish(Manifest {
        schema,
        name,
        licence,
        training_data,
        training_commit,
        audio,
        latent,
        conditions,
        composer,
        pianos,
        pianist,
        vocoder,
        files,
        path: file.to_owned(),
    })
}

/// Takes a required table. If it is missing, reports a problem and returns an empty table.
fn section<'a>(document: &mut Document<'_>, root: &mut Table<'a>, key: &'static str) -> Table<'a> {
    root.table(document, key).unwrap_or_else(|| {
        root.missing(document, key, "a table");
        Table::absent()
    })
}

fn transformer(document: &mut Document<'_>, table: &mut Table<'_>) -> TransformerLayout {
    let transformer = TransformerLayout {
        width: dimension(document, table, "width", WIDTH),
        window: dimension(document, table, "window", SLOTS),
        slots: dimension(document, table, "slots", SLOTS),
        layers: dimension(document, table, "layers", LAYERS),
        heads: dimension(document, table, "heads", HEADS),
        head_dim: dimension(document, table, "head_dim", HEAD_DIM),
        rope_base: number(document, table, "rope_base"),
    };
    let sizes = [transformer.layers, 2, 2, transformer.heads, transformer.slots, transformer.head_dim];
    let elements = sizes.iter().map(|size| *size as u64).product::<u64>();
    if elements > CACHE_ELEMENTS {
        let message = format!(
            "the cache has 2 × 2 × layers × heads × slots × head_dim = {elements} numbers; expected at most \
             {CACHE_ELEMENTS}"
        );
        document.add(table.span(), "", message);
    }
    transformer
}

fn file_entry(document: &mut Document<'_>, mut table: Table<'_>) -> File {
    let name = table.required_text(document, "name");
    if name.is_empty() || name.contains('/') || name == ".." {
        document.add(table.span(), "", "file.name: expected the name of a file beside model.toml");
    }
    let sha256 = table.required_text(document, "sha256").to_ascii_lowercase();
    if sha256.len() != SHA256_DIGITS || !sha256.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        document.add(table.span(), "", format!("file.sha256 of {name:?}: expected {SHA256_DIGITS} hexadecimal digits"));
    }
    let bytes = required(document, &mut table, "bytes", BYTES);
    for key in ["input", "output"] {
        for mut port in table.tables(document, key) {
            port.required_text(document, "name");
            port.text(document, "meaning");
            if let Some(shape) = port.take("shape").filter(|shape| shape.numbers().is_none()) {
                let _: Option<()> = shape.reject(document, "a list of numbers");
            }
            port.finish(document);
        }
    }
    table.finish(document);
    File { name, sha256, bytes }
}

fn count(document: &mut Document<'_>, table: &mut Table<'_>, key: &'static str) -> u64 {
    required(document, table, key, COUNT)
}

fn dimension(
    document: &mut Document<'_>,
    table: &mut Table<'_>,
    key: &'static str,
    range: RangeInclusive<i64>,
) -> usize {
    required(document, table, key, range) as usize
}

/// Takes a required integer. If it is missing or invalid, reports a problem and returns the lowest allowed value.
fn required(document: &mut Document<'_>, table: &mut Table<'_>, key: &'static str, range: RangeInclusive<i64>) -> u64 {
    let minimum = range.start().unsigned_abs();
    match table.take(key) {
        Some(field) => field.integer(document, range).map_or(minimum, i64::unsigned_abs),
        None => {
            table.missing(document, key, "an integer");
            minimum
        }
    }
}

/// Takes a required number above 0. If it is missing or invalid, reports a problem and returns 1.
fn number(document: &mut Document<'_>, table: &mut Table<'_>, key: &'static str) -> f64 {
    match table.take(key) {
        Some(field) => match field.number() {
            Some(number) if number.is_finite() && number > 0.0 => number,
            _ => field.reject(document, "a number above 0").unwrap_or(1.0),
        },
        None => {
            table.missing(document, key, "a number above 0");
            1.0
        }
    }
}
