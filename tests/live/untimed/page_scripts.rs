//! Static checks of the page's scripts.

use std::process::{Command, Stdio};

/// The TypeScript compiler checks the types in the scripts' comments.
#[test]
fn the_scripts_are_well_typed() {
    let checked = Command::new("tests/clients/node/node_modules/.bin/tsc")
        .args(["--noEmit", "--checkJs", "--allowJs", "--strict", "--noUnusedLocals", "--target", "es2023"])
        .args(["--lib", "es2023,dom,dom.iterable", "--module", "esnext", "--moduleResolution", "bundler"])
        .arg("src/remote/page/main.js")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[test]
fn the_scripts_are_linted() {
    let checked = Command::new("tests/clients/node/node_modules/.bin/eslint")
        .args(["--config", "tests/clients/node/eslint.config.js", "--max-warnings", "0", "src/remote/page"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}
