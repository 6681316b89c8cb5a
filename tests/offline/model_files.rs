//! Invalid model files are reported by name, with the expected and the actual value.

use std::fs;
use std::path::Path;

use melos::generator::model::{ModelError, Models, runtime};

const TINY: &str = "tests/fixtures/tiny-model";

/// Loads a copy of the tiny model modified by `change`.
fn load_changed(change: impl Fn(&Path)) -> Result<Models, ModelError> {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(TINY).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    change(folder.path());
    Models::load(runtime().unwrap(), folder.path())
}

fn edit(folder: &Path, from: &str, to: &str) {
    let path = folder.join("model.toml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from:?} is not in model.toml");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

fn assert_error_mentions(result: Result<Models, ModelError>, parts: &[&str]) {
    let message = result.expect_err("the model should be refused").to_string();
    for part in parts {
        assert!(message.contains(part), "{part:?} is missing from: {message}");
    }
}

#[test]
fn loads_a_valid_model() {
    let models = load_changed(|_| {}).unwrap();
    assert_eq!(models.manifest.name, "tiny-model");
    assert!(models.vocoder.is_some());
}

#[test]
fn names_a_missing_file() {
    let result = load_changed(|folder| fs::remove_file(folder.join("pianist-decoder.onnx")).unwrap());
    assert_error_mentions(result, &["pianist-decoder.onnx", "No such file"]);
    assert_error_mentions(load_changed(|folder| fs::remove_file(folder.join("model.toml")).unwrap()), &["model.toml"]);
}

#[test]
fn detects_a_truncated_file() {
    let result = load_changed(|folder| {
        let path = folder.join("vocoder.onnx");
        let bytes = fs::read(&path).unwrap();
        fs::write(path, &bytes[..1000]).unwrap();
    });
    assert_error_mentions(result, &["vocoder.onnx", "1000 bytes", "truncated"]);
}

#[test]
fn detects_a_damaged_file() {
    let result = load_changed(|folder| {
        let path = folder.join("composer-frame.onnx");
        let mut bytes = fs::read(&path).unwrap();
        bytes[1000] ^= 1;
        fs::write(path, bytes).unwrap();
    });
    assert_error_mentions(result, &["composer-frame.onnx", "SHA-256", "damaged"]);
}

#[test]
fn rejects_a_file_that_is_not_a_network() {
    let garbage = b"not a network";
    let result = load_changed(|folder| {
        let name = folder.join("pianist-decoder.onnx");
        let old = fs::read(&name).unwrap();
        fs::write(&name, garbage).unwrap();
        edit(folder, &format!("bytes = {}", old.len()), &format!("bytes = {}", garbage.len()));
        edit(folder, &sha256(&old), &sha256(garbage));
    });
    assert_error_mentions(result, &["pianist-decoder.onnx", "cannot load"]);
}

#[test]
fn detects_swapped_networks() {
    let result = load_changed(|folder| {
        let (decoder, vocoder) = (folder.join("pianist-decoder.onnx"), folder.join("vocoder.onnx"));
        let old = fs::read(&decoder).unwrap();
        fs::copy(&vocoder, &decoder).unwrap();
        let new = fs::read(&decoder).unwrap();
        edit(folder, &format!("bytes = {}", old.len()), &format!("bytes = {}", new.len()));
        edit(folder, &sha256(&old), &sha256(&new));
    });
    assert_error_mentions(result, &["pianist-decoder.onnx", "input \"z\"", "[1, 16]", "missing"]);
}

#[test]
fn detects_a_wrong_shape() {
    let result = load_changed(|folder| edit(folder, "heads = 2", "heads = 4"));
    assert_error_mentions(result, &["composer-frame.onnx", "input \"k0\"", "[2, 4, 72, 8]", "2, 72, 8"]);
}

#[test]
fn rejects_a_manifest_for_a_different_version() {
    let result = load_changed(|folder| edit(folder, "schema = 3", "schema = 2"));
    assert_error_mentions(result, &["model.toml", "schema is 2", "needs 3"]);
    let result = load_changed(|folder| edit(folder, "hop = 512", "hop = 256"));
    assert_error_mentions(result, &["model.toml", "audio.hop is 256", "needs 512"]);
    let result = load_changed(|folder| edit(folder, "slots = 72", "slots = 70"));
    assert_error_mentions(result, &["model.toml", "composer.slots is 70", "at least window + 32 = 72"]);
}

#[test]
fn reports_errors_in_the_manifest() {
    let result = load_changed(|folder| edit(folder, "window = 40", "window = \"all\""));
    assert_error_mentions(result, &["model.toml:26: composer.window = \"all\": expected an integer from 1 to 16384"]);
    let result =
        load_changed(|folder| edit(folder, "name = \"pianist-decoder.onnx\"", "name = \"pianist-dekoder.onnx\""));
    assert_error_mentions(result, &["model.toml", "no [[file]] named \"pianist-decoder.onnx\""]);
}

#[test]
fn checks_sizes_before_allocating() {
    for (from, to, hint) in [
        ("layers = 1", "layers = 1000000000", "composer.layers = 1000000000: expected an integer from 1 to 256"),
        ("layers = 1", "layers = 256\nheadz = 2", "composer.headz = 2: unknown key; did you mean \"heads\"?"),
        ("slots = 72", "slots = 9999999", "composer.slots = 9999999: expected an integer from 1 to 16384"),
        ("head_dim = 8", "head_dim = -8", "composer.head_dim = -8: expected an integer from 2 to 1024"),
        ("bytes = 48165", "bytes = 1000000000000000", "file.bytes = 1000000000000000: expected an integer"),
        (
            "name = \"pianist-decoder.onnx\"",
            "name = \"../pianist-decoder.onnx\"",
            "expected the name of a file beside model.toml",
        ),
    ] {
        assert_error_mentions(load_changed(|folder| edit(folder, from, to)), &["model.toml:", hint]);
    }
    let all = load_changed(|folder| {
        edit(folder, "layers = 1", "layers = 256");
        edit(folder, "heads = 2", "heads = 256");
        edit(folder, "slots = 72", "slots = 16384");
    });
    assert_error_mentions(all, &["numbers; expected at most 268435456"]);
}

#[test]
fn rejects_a_named_pipe_without_hanging() {
    for name in ["model.toml", "pianist-decoder.onnx"] {
        let result = load_changed(|folder| {
            fs::remove_file(folder.join(name)).unwrap();
            assert!(std::process::Command::new("mkfifo").arg(folder.join(name)).status().unwrap().success());
        });
        assert_error_mentions(result, &[name, "regular file"]);
    }
}

#[test]
fn accepts_a_model_without_a_vocoder() {
    let models = load_changed(|folder| {
        edit(folder, "name = \"vocoder.onnx\"", "name = \"spare.onnx\"");
        fs::remove_file(folder.join("vocoder.onnx")).unwrap();
    });
    assert!(models.unwrap().vocoder.is_none());
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
