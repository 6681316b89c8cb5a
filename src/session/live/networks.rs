//! Reloads the networks on a separate thread when their folder changes. If the new files are invalid, the current model
//! keeps playing.

use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::event::{Part, Troubles};
use crate::files::watch::{Changed, watch};
use crate::generator::model::{Models, Runtime};
use crate::generator::{GeneratorError, Networks};
use crate::threads;

/// Networks that have been checked and warmed up, with their fingerprint.
#[derive(Debug)]
pub(super) struct Replacement {
    pub(super) networks: Networks,
    /// See [`crate::generator::model::Manifest::fingerprint`].
    pub(super) fingerprint: String,
}

/// Watches a model's folder; `playing` is the fingerprint of the current model. Returns a sender that requests a check,
/// and a receiver for replacements, which are delivered one at a time.
///
/// # Errors
/// When no thread can be created.
pub(super) fn watch_model(
    runtime: &'static Runtime,
    folder: &Path,
    playing: String,
    troubles: Troubles,
) -> io::Result<(SyncSender<Changed>, Receiver<Replacement>)> {
    let (requests, changed) = sync_channel(1);
    let (sender, replacements) = sync_channel(1);
    watch(vec![folder.to_owned()], |_| true, requests.clone(), troubles.clone())?;
    let folder = folder.to_owned();
    let mut current = playing;
    let check = move || {
        for Changed(_) in &changed {
            match load(runtime, &folder, &current) {
                Ok(None) => troubles.clear(Part::Model),
                Ok(Some(replacement)) => {
                    troubles.clear(Part::Model);
                    current.clone_from(&replacement.fingerprint);
                    if sender.send(replacement).is_err() {
                        return;
                    }
                }
                Err(error) => troubles.set(Part::Model, format!("{error}; keeping the current model")),
            }
        }
    };
    threads::spawn_restarting("melos-model", check)?;
    Ok((requests, replacements))
}

/// Loads the networks in a folder; returns `None` if they are the current ones.
fn load(runtime: &Runtime, folder: &Path, current: &str) -> Result<Option<Replacement>, GeneratorError> {
    let models = Models::load(runtime, folder)?;
    let fingerprint = models.manifest.fingerprint();
    if fingerprint == current {
        return Ok(None);
    }
    Ok(Some(Replacement { networks: Networks::new(models)?, fingerprint }))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::mpsc::TryRecvError;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::generator::model::runtime;

    /// Far longer than needed, so that only a failing test waits this long.
    const TIMEOUT: Duration = Duration::from_secs(30);

    /// Copies the tiny test model to a temporary folder.
    fn model() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for entry in fs::read_dir("tests/fixtures/tiny-model").unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
        folder
    }

    /// Removes the vocoder from a manifest, which then describes a different but valid model.
    fn without_vocoder(manifest: &str) -> String {
        let files = manifest.split("[[file]]");
        files.filter(|file| !file.contains("vocoder.onnx")).collect::<Vec<_>>().join("[[file]]")
    }

    #[test]
    fn an_invalid_model_is_rejected_and_a_valid_one_is_loaded() {
        let folder = model();
        let at = |name: &str| folder.path().join(name);
        let manifest = fs::read_to_string(at("model.toml")).unwrap();
        let runtime = runtime().unwrap();
        let playing = Models::load(runtime, folder.path()).unwrap().manifest.fingerprint();
        let assert_rejected = |reason: &str| match load(runtime, folder.path(), &playing) {
            Err(error) => assert!(error.to_string().contains(reason), "{reason:?} is not in {error}"),
            Ok(_) => panic!("the model was accepted; expected {reason:?}"),
        };
        assert!(
            load(runtime, folder.path(), &playing).unwrap().is_none(),
            "an unchanged model should not be loaded again"
        );

        let decoder = fs::read(at("pianist-decoder.onnx")).unwrap();
        fs::remove_file(at("pianist-decoder.onnx")).unwrap();
        assert_rejected("pianist-decoder.onnx: No such file");
        fs::write(at("pianist-decoder.onnx"), &decoder[..1000]).unwrap();
        assert_rejected("truncated");
        fs::write(at("pianist-decoder.onnx"), vec![0; decoder.len()]).unwrap();
        assert_rejected("SHA-256");
        fs::write(at("pianist-decoder.onnx"), &decoder).unwrap();
        fs::write(at("model.toml"), manifest.replacen("layers = 1", "layers = 2", 1)).unwrap();
        assert_rejected("should be float");

        fs::write(at("model.toml"), without_vocoder(&manifest)).unwrap();
        let replacement = load(runtime, folder.path(), &playing).unwrap().expect("a changed model should be loaded");
        assert_ne!(replacement.fingerprint, playing);
    }

    #[test]
    fn only_valid_models_are_delivered() {
        let folder = model();
        let path = folder.path().join("model.toml");
        let manifest = fs::read_to_string(&path).unwrap();
        let runtime = runtime().unwrap();
        let playing = Models::load(runtime, folder.path()).unwrap().manifest.fingerprint();
        let troubles = Troubles::default();
        let (requests, replacements) = watch_model(runtime, folder.path(), playing.clone(), troubles.clone()).unwrap();

        fs::write(&path, "schema = \"none\"").unwrap();
        requests.send(Changed(Vec::new())).unwrap();
        let start = Instant::now();
        while !troubles.now().0.contains_key(&Part::Model) {
            assert!(start.elapsed() < TIMEOUT, "the invalid model was not reported");
            std::thread::sleep(Duration::from_millis(10));
        }
        let trouble = &troubles.now().0[&Part::Model];
        assert!(
            trouble.contains("model.toml:1: schema") && trouble.ends_with("; keeping the current model"),
            "{trouble}"
        );
        fs::write(&path, without_vocoder(&manifest)).unwrap();
        let first = replacements.recv_timeout(TIMEOUT).unwrap();
        assert_ne!(first.fingerprint, playing);
        assert!(troubles.now().0.is_empty(), "{:?}", troubles.now().0);
        fs::write(&path, &manifest).unwrap();
        assert_eq!(replacements.recv_timeout(TIMEOUT).unwrap().fingerprint, playing);
        assert_eq!(replacements.try_recv().unwrap_err(), TryRecvError::Empty);
    }
}
