//! A module uses only modules above it in `src/lib.rs`, which lists them in data-flow order.
#![allow(clippy::unwrap_used, reason = "a failing helper fails the test")]

use std::fs;
use std::path::{Path, PathBuf};

fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Returns the modules in the order of `src/lib.rs`.
fn declared() -> Vec<String> {
    let lib = fs::read_to_string("src/lib.rs").unwrap();
    lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).map(str::to_owned).collect()
}

/// Returns the top-level modules that a source text names as `crate::x` or `crate::{x, y::z}`.
fn named(source: &str) -> Vec<String> {
    let code: String = source.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n");
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut names = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let (mut depth, mut start) = (0, true);
            for (index, character) in group.char_indices() {
                match character {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => start = true,
                    c if start && !c.is_whitespace() => {
                        names.push(word(&group[index..]));
                        start = false;
                    }
                    _ => {}
                }
            }
        } else {
            names.push(word(rest));
        }
    }
    names
}

#[test]
fn modules_only_name_modules_above_them() {
    let order = declared();
    assert!(order.len() > 10, "src/lib.rs declares its modules as `pub mod x;`");
    let mut files = Vec::new();
    rust_files(Path::new("src"), &mut files);
    let mut wrong = Vec::new();
    for file in files {
        let inside = file.strip_prefix("src").unwrap();
        // Tests may use modules below: they drive a module through its users.
        if inside.iter().any(|part| part == "tests" || part == "tests.rs") {
            continue;
        }
        let module = inside.iter().next().unwrap().to_string_lossy().trim_end_matches(".rs").to_owned();
        let Some(own) = order.iter().position(|name| *name == module) else { continue };
        for name in named(&fs::read_to_string(&file).unwrap()) {
            if order.iter().position(|other| *other == name).is_some_and(|other| other > own) {
                wrong.push(format!("{}: names {name}, which stands below {module}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Returns the first column of the module table in `ARCHITECTURE.md`.
fn documented() -> Vec<String> {
    let text = fs::read_to_string("ARCHITECTURE.md").unwrap();
    let rows = text.lines().skip_while(|line| !line.starts_with("| module |")).skip(2);
    rows.map_while(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned())).collect()
}

#[test]
fn the_module_table_matches_the_source_folder() {
    let mut found: Vec<_> = fs::read_dir("src")
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .filter(|name| name != "lib" && name != "main" && name != "cli")
        .collect();
    found.sort();
    found.dedup();
    let mut declared_sorted = declared();
    declared_sorted.sort();
    assert_eq!(declared_sorted, found, "src/lib.rs declares what is in src/");
    assert_eq!(documented(), declared(), "ARCHITECTURE.md lists the modules in the order of src/lib.rs");
}

#[test]
fn grouped_imports_are_recognised() {
    assert_eq!(named("use crate::{units::X, plan};\nlet a = crate::mel::HOP;"), ["units", "plan", "mel"]);
    assert!(named("// crate::nothing").is_empty());
}
