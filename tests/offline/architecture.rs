//! The structure of the source: a module uses only modules above it in `src/lib.rs`, which lists them in data-flow
//! order; no files depend on each other in a cycle; every counter has a reader; and `ARCHITECTURE.md` lists all
//! modules.

use std::collections::{BTreeMap, BTreeSet};
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
fn declared_modules() -> Vec<String> {
    let lib = fs::read_to_string("src/lib.rs").unwrap();
    lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).map(str::to_owned).collect()
}

/// Returns the paths that a source text names, such as `crate::x::Y` or `super::y::{A, b::C}`, as lists of segments.
fn paths(source: &str) -> Vec<Vec<String>> {
    let code: String = source.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n");
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    // The path read so far, and the path in front of each open brace.
    let (mut path, mut groups): (Vec<String>, Vec<Vec<String>>) = (Vec::new(), Vec::new());
    let mut rest = code.as_str();
    while let Some(first) = rest.chars().next() {
        let word: String = rest.chars().take_while(|c| is_word(*c)).collect();
        if !word.is_empty() {
            path.push(word.clone());
            rest = &rest[word.len()..];
            if rest.starts_with("::") {
                rest = &rest[2..];
                continue;
            }
        } else if first == '{' && path.len() > groups.last().map_or(0, Vec::len) {
            groups.push(path.clone());
        } else if first == '}' && !groups.is_empty() {
            groups.pop();
        }
        if word.is_empty() {
            rest = &rest[first.len_utf8()..];
        } else if path.len() > 1 {
            found.push(path.clone());
        }
        path = groups.last().cloned().unwrap_or_default();
    }
    found
}

/// Returns the top-level modules that a source text names as `crate::x` or `crate::{x, y::z}`.
fn modules_named_in(source: &str) -> Vec<String> {
    paths(source).into_iter().filter(|path| path[0] == "crate").map(|path| path[1].clone()).collect()
}

/// Returns the part of a source text before its tests.
fn without_tests(source: &str) -> &str {
    source.split("\n#[cfg(test)]\nmod ").next().unwrap_or(source)
}

/// Separates the re-exports (`pub use`) from the rest of a source text.
fn split_reexports(source: &str) -> (String, String) {
    let (mut code, mut reexports) = (String::new(), String::new());
    for line in source.split_inclusive(';') {
        let start = line.rfind("\npub").map_or(0, |at| at + 1);
        let is_reexport = line[start..].starts_with("pub") && line[start..].contains(" use ");
        code.push_str(if is_reexport { &line[..start] } else { line });
        reexports.push_str(if is_reexport { &line[start..] } else { "" });
    }
    (code, reexports)
}

/// The files of a crate by module path, each with its code and the paths that it re-exports.
struct Crate(BTreeMap<Vec<String>, (String, Vec<Vec<String>>)>);

impl Crate {
    fn read(root: &str) -> Self {
        let mut files = Vec::new();
        rust_files(Path::new(root), &mut files);
        let modules = files.into_iter().filter_map(|file| {
            let relative = file.strip_prefix(root).unwrap().with_extension("");
            let mut path: Vec<String> = relative.iter().map(|part| part.to_string_lossy().into_owned()).collect();
            path.retain(|part| part != "lib" && part != "main");
            let (code, reexports) = split_reexports(without_tests(&fs::read_to_string(&file).unwrap()));
            (!path.iter().any(|part| part == "tests")).then(|| (path, (code, paths(&reexports))))
        });
        Self(modules.collect())
    }

    /// Returns the module whose file defines a path's item; `None` for paths into other crates.
    fn resolve(&self, from: &[String], path: &[String]) -> Option<Vec<String>> {
        let mut base = from.to_vec();
        let mut rest = path;
        match path[0].as_str() {
            "crate" => (base, rest) = (Vec::new(), &path[1..]),
            "self" => rest = &path[1..],
            "super" => {
                while rest.first().is_some_and(|part| part == "super") {
                    base.pop();
                    rest = &rest[1..];
                }
            }
            child => {
                let inside = [from, &[child.to_owned()]].concat();
                self.0.get(&inside)?;
            }
        }
        while let Some(next) = rest.first().map(|next| [base.as_slice(), std::slice::from_ref(next)].concat())
            && self.0.contains_key(&next)
        {
            (base, rest) = (next, &rest[1..]);
        }
        let reexport = rest.first().and_then(|item| self.0.get(&base)?.1.iter().find(|path| path.last() == Some(item)));
        reexport.and_then(|path| self.resolve(&base, path)).or(Some(base))
    }

    /// Returns the other modules that each module uses, except its ancestors: a submodule is part of its ancestors and
    /// shares their vocabulary.
    fn uses(&self) -> BTreeMap<&Vec<String>, Vec<Vec<String>>> {
        let uses = self.0.iter().map(|(module, (code, _))| {
            let used = paths(code).into_iter().filter_map(|path| self.resolve(module, &path));
            (module, used.filter(|used| !module.starts_with(used)).collect())
        });
        uses.collect()
    }
}

#[test]
fn files_do_not_depend_on_each_other_in_cycles() {
    for (root, at_least) in [("src", 800), ("crates/corpus/src", 50)] {
        let sources = Crate::read(root);
        let mut uses = sources.uses();
        assert!(uses.values().flatten().count() > at_least, "too few paths found in {root}");
        // A module that uses none of the remaining ones is not part of a cycle.
        loop {
            let left: Vec<_> = uses.keys().map(|module| (*module).clone()).collect();
            uses.retain(|_, used| used.iter().any(|used| left.contains(used)));
            if uses.len() == left.len() {
                break;
            }
        }
        let left: Vec<_> = uses.keys().map(|module| (*module).clone()).collect();
        let circular = uses.iter().flat_map(|(module, used)| {
            let used: BTreeSet<_> = used.iter().filter(|used| left.contains(used)).collect();
            used.into_iter().map(|used| format!("{root}: {} uses {}", module.join("::"), used.join("::")))
        });
        let circular: Vec<_> = circular.collect();
        assert!(circular.is_empty(), "part of a cycle, or dependent on one:\n{}", circular.join("\n"));
    }
}

#[test]
fn modules_name_only_modules_above_them() {
    let order = declared_modules();
    assert!(order.len() > 10, "src/lib.rs should declare its modules as `pub mod x;`");
    let mut files = Vec::new();
    rust_files(Path::new("src"), &mut files);
    let mut violations = Vec::new();
    for file in files {
        let relative = file.strip_prefix("src").unwrap();
        // Tests may use modules below their own, because they drive a module through its users.
        if relative.iter().any(|part| part == "tests" || part == "tests.rs") {
            continue;
        }
        let module = relative.iter().next().unwrap().to_string_lossy().trim_end_matches(".rs").to_owned();
        let Some(own) = order.iter().position(|name| *name == module) else { continue };
        for name in modules_named_in(&fs::read_to_string(&file).unwrap()) {
            if order.iter().position(|other| *other == name).is_some_and(|other| other > own) {
                violations.push(format!("{}: names {name}, which is below {module}", file.display()));
            }
        }
    }
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

/// Returns the name and body of every function in a source text.
fn functions(source: &str) -> Vec<(&str, &str)> {
    let name = |text: &str| text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(0);
    source.split("fn ").skip(1).map(|text| (&text[..name(text)], text)).collect()
}

/// Returns the names of the counters that a source text updates without using the result.
fn counters(source: &str) -> BTreeSet<&str> {
    let lines = source.lines().filter(|line| !line.trim_start().starts_with("let "));
    let before = lines.filter_map(|line| line.split_once(".fetch_add(").or_else(|| line.split_once(".fetch_max(")));
    before
        .map(|(before, _)| {
            let before = before.split_once('[').map_or(before, |(before, _)| before);
            &before[before.rfind(|c: char| !(c.is_alphanumeric() || c == '_')).map_or(0, |at| at + 1)..]
        })
        .collect()
}

#[test]
fn every_counter_has_a_reader() {
    let mut files = Vec::new();
    rust_files(Path::new("src"), &mut files);
    let sources = files.iter().filter(|file| !file.iter().any(|part| part == "tests" || part == "tests.rs"));
    let sources: Vec<String> = sources.map(|file| fs::read_to_string(file).unwrap()).collect();
    let all: Vec<_> = sources.iter().flat_map(|source| functions(without_tests(source))).collect();
    let mut found = 0;
    for source in &sources {
        let own = functions(without_tests(source));
        for counter in counters(without_tests(source)) {
            found += 1;
            let is_tuple_field = counter.chars().all(|c| c.is_ascii_digit());
            let name = format!(".{counter}");
            let reads = |body: &str| {
                body.split(&name).skip(1).any(|rest| {
                    let after_index = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
                    let rest = after_index.map_or(rest, |(_, rest)| rest);
                    [".load(", ".swap(", ".each_ref(", ".iter("].iter().any(|read| rest.starts_with(read))
                })
            };
            // A function that reads the counter must be called by another one, except `drop`, which is called implicitly.
            let readers = if is_tuple_field { &own } else { &all };
            let is_called = |name: &str| {
                let call = [format!(".{name}("), format!("::{name}(")];
                name == "drop"
                    || all.iter().any(|(other, body)| *other != name && call.iter().any(|call| body.contains(call)))
            };
            // `callbacks` shows tests that the output progresses; nothing else reads it.
            if counter == "callbacks" {
                continue;
            }
            let is_read = readers.iter().any(|(name, body)| reads(body) && is_called(name));
            assert!(is_read, "nothing reads the counter `{counter}`; if it counts losses, use `event::health`");
        }
    }
    assert!(found > 10, "too few counters found");
}

/// Returns the first column of the module table in `ARCHITECTURE.md`.
fn documented_modules() -> Vec<String> {
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
    let mut sorted = declared_modules();
    sorted.sort();
    assert_eq!(sorted, found, "src/lib.rs should declare the modules in src/");
    assert_eq!(
        documented_modules(),
        declared_modules(),
        "ARCHITECTURE.md should list the modules in the order of src/lib.rs"
    );
}

#[test]
fn grouped_imports_are_recognised() {
    assert_eq!(modules_named_in("use crate::{units::X, plan};\nlet a = crate::mel::HOP;"), ["units", "plan", "mel"]);
    assert!(modules_named_in("// crate::nothing").is_empty());
    let path = |path: &str| path.split("::").map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(
        paths("use super::{a, b::{C, d::E}};\nfn f() { if x::Y { g() } }"),
        ["super::a", "super::b::C", "super::b::d::E", "x::Y"].map(path)
    );
    let (code, reexports) = split_reexports("use a::B;\npub use c::{D, E};\npub(super) use f::G;\nfn h() {}");
    assert_eq!(code.split_whitespace().collect::<Vec<_>>(), ["use", "a::B;", "fn", "h()", "{}"]);
    assert_eq!(paths(&reexports), ["c::D", "c::E", "f::G"].map(path));
}
