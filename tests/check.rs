//! `melos check`: all problems of all files at once.
#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

use std::fs;
use std::path::Path;
use std::process::Command;

fn check(paths: &[&Path]) -> (Option<i32>, Vec<String>) {
    let output = Command::new(env!("CARGO_BIN_EXE_melos")).arg("check").args(paths).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), said.lines().map(str::to_owned).collect())
}

#[test]
fn what_comes_with_melos_is_right() {
    let (code, said) = check(&["presets", "mappings", "models"].map(Path::new));
    assert_eq!(code, Some(0), "{said:?}");
    assert!(said.last().unwrap().ends_with("0 problems"), "{said:?}");
}

#[test]
fn every_problem_is_said_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("presets/dusk.toml", "schema = 1\nname = \"Dusk\"\ntempo = 9000\nrevreb = 0.5\n");
    write("presets/dawn.toml", "schema = 1\nname = \"Dawn\"\ntempo = 138.7\n");
    write("mappings/box.toml", "schema = 1\nname = \"Box\"\n[[bind]]\ncc = 128\nto = \"reverb\"\n");
    write("melos.toml", "[audio]\nhost = \"jak\"\n");
    let (code, said) = check(
        &["presets", "mappings", "melos.toml"]
            .map(|name| folder.path().join(name))
            .each_ref()
            .map(|path| path.as_path()),
    );
    assert_eq!(code, Some(78), "{said:?}");
    for (line, wanted) in said.iter().zip([
        "presets/dusk.toml:3: tempo = 9000: expected a number from 40 to 200",
        "presets/dusk.toml:4: revreb = 0.5: there is no parameter \"revreb\"; did you mean \"reverb\"?",
        "mappings/box.toml:4: bind.cc = 128: expected a whole number from 0 to 119",
        "melos.toml:2: host = \"jak\": unknown variant `jak`, expected one of",
        "4 files checked, 4 problems",
    ]) {
        assert!(line.contains(wanted), "{wanted} in {said:#?}");
    }
    assert_eq!(said.len(), 5, "{said:#?}");
}
