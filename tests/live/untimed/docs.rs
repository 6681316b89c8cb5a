//! Checks the documentation: parses every TOML block with the real readers and every command line with the real program,
//! and checks that every OSC address exists, every relative link resolves and every command is run by a test.

use std::path::Path;
use std::process::Command;

use melos::files::config::Config;
use melos::files::preset::Preset;
use melos::files::scene::Scene;
use melos::files::setlist::Setlist;
use melos::midi::mapping::Mapping;

use crate::support::addresses;
use crate::support::documents::{Block, Line, blocks, commands, documents, inline_code, row_of, rows, shell_lines};

#[test]
fn files_in_the_documentation_are_valid() {
    let mut checked = 0;
    for Block { location, kind, text } in blocks() {
        // Add the required keys to blocks that show only part of a file.
        let whole =
            if text.contains("schema =") { text.clone() } else { format!("schema = 1\nname = \"Part\"\n{text}") };
        let file = Path::new(&location);
        let problems = match kind.as_str() {
            "toml preset" => Preset::parse(file, &whole).err(),
            "toml scene" => Scene::parse(file, &text).err(),
            "toml setlist" => Setlist::parse(file, &whole).err(),
            "toml mapping" => Mapping::parse(file, &whole).err(),
            "toml config" => Config::parse(file, &text).err(),
            kind => {
                assert!(
                    ["sh", "supercollider", "nginx"].contains(&kind),
                    "{location}: label the block sh, supercollider, nginx, toml preset, toml scene, toml setlist, toml mapping or toml config"
                );
                continue;
            }
        };
        assert!(problems.is_none(), "{location}: {problems:#?}");
        checked += 1;
    }
    assert!(checked > 10, "only {checked} TOML blocks found");
}

#[test]
fn command_lines_in_the_documentation_are_valid() {
    let inline = inline_code().into_iter().filter(|code| !code.text.contains('…'));
    let mut checked = 0;
    for Line { location, text: line } in shell_lines().into_iter().chain(inline) {
        let Some(arguments) = arguments_of_melos(&line) else { continue };
        // `--help` prevents the command from running.
        let output = Command::new(env!("CARGO_BIN_EXE_melos")).args(&arguments).arg("--help").output().unwrap();
        assert!(output.status.success(), "{location}: {line}\n{}", String::from_utf8_lossy(&output.stderr));
        checked += 1;
    }
    assert!(checked > 25, "only {checked} command lines found");
}

#[test]
fn every_command_in_the_documentation_is_run_by_a_test() {
    for Line { location, text } in shell_lines() {
        assert!(row_of(&text).is_some(), "{location}: no row of tests/documented_commands says who runs {text}");
    }
    let used: Vec<_> = commands().iter().filter_map(|line| row_of(&line.text)).collect();
    for row in rows() {
        assert!(used.contains(&row), "tests/documented_commands: no documented command matches {row:?}");
        let runners =
            ["daemon", "run", "render", "learn", "completions", "make", "cargo", "package", "container", "nothing"];
        assert!(runners.contains(&row.0), "tests/documented_commands: nothing runs {row:?}");
    }
}

/// Returns the arguments of `melos` in a shell command, if it runs `melos` with any.
fn arguments_of_melos(line: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    for character in line.chars() {
        match character {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            '#' | '|' | '>' | '&' | ';' if !quoted && word.is_none() => break,
            space if space.is_whitespace() && !quoted => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    let at = words.iter().position(|word| word == "melos" || word.ends_with("/melos"))?;
    let is_command = words[..at].iter().all(|word| word == "sudo" || word.contains('='));
    // `melos` alone could be the name of something else.
    (is_command && words.len() > at + 1).then(|| words.split_off(at + 1))
}

#[test]
fn addresses_in_the_documentation_exist() {
    let mut found = 0;
    for (path, text) in documents() {
        for address in addresses::addresses(&text) {
            let is_prefix = ["/melos/mute", "/melos/level", "/melos/next/bar"].contains(&address.as_str());
            assert!(is_prefix || addresses::exists(&address), "{}: there is no {address}", path.display());
            found += 1;
        }
    }
    assert!(found > 100, "only {found} addresses found");
}

#[test]
fn links_in_the_documentation_resolve() {
    let mut followed = 0;
    for (path, text) in documents() {
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split([')', '#']).next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let file = path.parent().unwrap().join(target);
            assert!(file.exists(), "{}: {target} does not exist", path.display());
            followed += 1;
        }
    }
    assert!(followed > 20, "only {followed} links found");
}

#[test]
fn shell_commands_are_parsed() {
    let arguments = |line| arguments_of_melos(line).unwrap_or_default();
    assert_eq!(arguments("melos run --device \"USB 2\"  # loud"), ["run", "--device", "USB 2"]);
    assert_eq!(arguments("MELOS_LOG=debug melos status | head"), ["status"]);
    assert_eq!(arguments("target/release/melos check presets/"), ["check", "presets/"]);
    assert!(arguments("apt install melos").is_empty() && arguments("melos").is_empty());
}
