//! Upgrading does not disturb a running daemon.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::process::Command;

#[test]
fn files_in_use_are_replaced_and_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let install = || {
        let output = Command::new("packaging/install.sh")
            .arg(env!("CARGO_BIN_EXE_melos"))
            .envs([("DESTDIR", folder.path().to_str().unwrap()), ("PREFIX", "/usr/local")])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    install();
    let names = ["bin/melos", "lib/melos/libonnxruntime.so", "share/melos/presets/calm.toml"];
    let paths = names.map(|name| folder.path().join("usr/local").join(name));
    // Held open, as by a running daemon.
    let held = paths.each_ref().map(|path| File::open(path).unwrap());
    install();
    for (path, held) in paths.iter().zip(held) {
        let (old, new) = (held.metadata().unwrap(), fs::metadata(path).unwrap());
        assert!(old.nlink() == 0 && old.ino() != new.ino(), "{path:?} was overwritten");
        assert_eq!(old.len(), new.len());
    }
}
