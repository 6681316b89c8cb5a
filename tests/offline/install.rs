//! Installing: upgrades do not disturb a running daemon, and the installed documents refer to installed files.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

fn install(folder: &Path) {
    let output = Command::new("packaging/install.sh")
        .arg(env!("CARGO_BIN_EXE_melos"))
        .envs([("DESTDIR", folder.to_str().unwrap()), ("PREFIX", "/usr/local")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Returns all Markdown files in a folder.
fn documents(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let nested = folders.iter().filter(|folder| !folder.is_symlink()).flat_map(|folder| documents(folder));
    files.into_iter().filter(|file| file.extension().is_some_and(|extension| extension == "md")).chain(nested).collect()
}

#[test]
fn the_links_in_installed_documents_lead_to_installed_files() {
    let folder = tempfile::tempdir().unwrap();
    install(folder.path());
    let documents = documents(&folder.path().join("usr/local/share"));
    assert!(documents.len() > 10, "{documents:?}");
    let mut dead = Vec::new();
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link) {
            let target = link.split('#').next().unwrap();
            // In a document that is a symbolic link, links are relative to the folder of its target.
            let base = document.canonicalize().unwrap();
            if !target.contains("://") && !base.parent().unwrap().join(target).exists() {
                dead.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}

#[test]
fn files_in_use_are_replaced_and_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    install(folder);
    let names = ["bin/melos", "lib/melos/libonnxruntime.so", "share/melos/presets/calm.toml"];
    let paths = names.map(|name| folder.join("usr/local").join(name));
    // A running daemon keeps its files open.
    let held = paths.each_ref().map(|path| File::open(path).unwrap());
    install(folder);
    for (path, held) in paths.iter().zip(held) {
        let (old, new) = (held.metadata().unwrap(), fs::metadata(path).unwrap());
        assert!(old.nlink() == 0 && old.ino() != new.ino(), "{path:?} was overwritten");
        assert_eq!(old.len(), new.len());
    }
}
