//! `melos check` reports all problems in all files at once.

use std::fs;
use std::path::Path;
use std::process::Command;

fn check(paths: &[&Path]) -> (Option<i32>, Vec<String>) {
    let state = tempfile::tempdir().unwrap();
    check_with_state(state.path(), paths)
}

/// Checks files against the scenes in a state folder.
fn check_with_state(state: &Path, paths: &[&Path]) -> (Option<i32>, Vec<String>) {
    let mut melos = Command::new(env!("CARGO_BIN_EXE_melos"));
    let output = melos.arg("check").args(paths).arg("--state").arg(state).output().unwrap();
    let report = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), report.lines().map(str::to_owned).collect())
}

#[test]
fn shipped_files_are_valid() {
    let (code, report) = check(&["presets", "mappings", "models"].map(Path::new));
    assert_eq!(code, Some(0), "{report:?}");
    assert!(report.last().unwrap().ends_with("0 problems"), "{report:?}");
}

#[test]
fn every_problem_is_reported_with_its_position() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("presets/dusk.toml", "schema = 1\nname = \"Dusk\"\ntempo = 9000\nrevreb = 0.5\n");
    write("presets/dawn.toml", "schema = 1\nname = \"Dawn\"\ntempo = 138.7\n");
    write("mappings/box.toml", "schema = 1\nname = \"Box\"\n[[bind]]\ncc = 128\nto = \"reverb\"\n");
    write("mappings/odd.toml", "schema = 1\nname = \"Odd\"\ninherit = \"keybord\"\n");
    write("melos.toml", "[audio]\nhost = \"jak\"\n");
    let (code, report) = check(
        &["presets", "mappings", "melos.toml"]
            .map(|name| folder.path().join(name))
            .each_ref()
            .map(|path| path.as_path()),
    );
    assert_eq!(code, Some(78), "{report:?}");
    for (line, expected) in report.iter().zip([
        "presets/dusk.toml:3: tempo = 9000: expected a number from 40 to 200",
        "presets/dusk.toml:4: revreb = 0.5: there is no parameter \"revreb\"; did you mean \"reverb\"?",
        "mappings/box.toml:4: bind.cc = 128: expected an integer from 0 to 119",
        "mappings/odd.toml:3: inherit = \"keybord\": there is no mapping with this name; did you mean \"keyboard\"?",
        "melos.toml:2: audio.host = \"jak\": expected one of",
        "5 files checked, 5 problems",
    ]) {
        assert!(line.contains(expected), "{expected} is missing from {report:#?}");
    }
    assert_eq!(report.len(), 6, "{report:#?}");
}

/// Creates a folder with an invalid preset, and returns it with the expected message.
fn folder_with_invalid_preset() -> (tempfile::TempDir, &'static str) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("presets")).unwrap();
    fs::write(folder.path().join("presets/broken.toml"), "schema = 1\nname = \"Broken\"\ntempo = 9000\n").unwrap();
    (folder, "broken.toml:3: tempo = 9000: expected a number from 40 to 200")
}

fn check_in(folder: &Path, path: &str) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_melos")).args(["check", path]).current_dir(folder).output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn errors_are_found_from_any_folder_and_through_symbolic_links() {
    let (folder, message) = folder_with_invalid_preset();
    let at = |name: &str| folder.path().join(name);
    std::os::unix::fs::symlink(at("presets"), at("mine")).unwrap();
    std::os::unix::fs::symlink(at("presets/broken.toml"), at("copy.toml")).unwrap();
    fs::create_dir(at("elsewhere")).unwrap();
    fs::copy(at("presets/broken.toml"), at("elsewhere/broken.toml")).unwrap();
    std::os::unix::fs::symlink(at("presets"), at("presets/again")).unwrap();
    for (inside, path) in [
        ("presets", "."),
        ("presets", "broken.toml"),
        ("presets", "../presets"),
        (".", "presets"),
        (".", "./presets/../presets"),
        (".", "mine"),
        ("mine", "."),
        (".", "elsewhere"),
        ("elsewhere", "broken.toml"),
        ("elsewhere", "../mine/broken.toml"),
    ] {
        let (code, report) = check_in(&at(inside), path);
        assert!(code == Some(78) && report.contains(message), "{path} in {inside}: {code:?} {report}");
    }
    assert!(check_in(folder.path(), "copy.toml").1.contains("copy.toml:3: tempo"));
}

#[test]
fn checking_nothing_fails() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    fs::write(folder.path().join("notes.toml"), "hello = 1\n").unwrap();
    assert!(Command::new("mkfifo").arg(folder.path().join("pipe.toml")).status().unwrap().success());
    for (path, hint) in [
        ("empty", "no TOML files to check"),
        ("no-such-file.toml", "No such file"),
        ("notes.toml", "cannot tell what this file is from its location or its keys"),
        ("pipe.toml", "regular file"),
        ("/dev/null", "regular file"),
    ] {
        let (code, report) = check_in(folder.path(), path);
        assert!(code == Some(78) && report.contains(hint), "{path}: {code:?} {report}");
    }
}

#[test]
fn files_are_recognised_by_their_keys() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text, hint) in [
        ("a.toml", "schema = 1\nname = \"A\"\nvalance = 1\n", "did you mean \"valence\""),
        ("b.toml", "schema = 1\nname = \"B\"\n[[bind]]\ncc = 128\nto = \"reverb\"\n", "from 0 to 119"),
        ("c.toml", "[audio]\nhost = \"jak\"\n", "did you mean \"jack\""),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
        let (code, report) = check_in(folder.path(), name);
        assert!(code == Some(78) && report.contains(hint), "{name}: {report}");
    }
}

#[test]
fn large_files_full_of_errors_are_checked_quickly() {
    let folder = tempfile::tempdir().unwrap();
    let keys: String = (0..20_000).map(|n| format!("unknown_key_{n} = {n}\n")).collect();
    let errors = "tempo = = 90\n".repeat(80_000);
    for (name, text) in
        [("keys.toml", format!("schema = 1\nname = \"x\"\n{keys}")), ("errors.toml", format!("schema = 1\n{errors}"))]
    {
        fs::write(folder.path().join(name), text).unwrap();
        let (code, report) = check_in(folder.path(), name);
        assert_eq!(code, Some(78));
        assert!(
            report.lines().count() < 110 && report.contains("more problems"),
            "{name}: {} lines",
            report.lines().count()
        );
    }
    fs::write(folder.path().join("huge.toml"), "tempo = = 90\n".repeat(110_000)).unwrap();
    assert!(check_in(folder.path(), "huge.toml").1.contains("larger than"));
}

#[test]
fn presets_named_in_a_configuration_must_exist() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("melos.toml");
    let hours =
        |preset: &str| format!("[[schedule.hours]]\nopen = \"10:00\"\nclose = \"18:00\"\npreset = \"{preset}\"\n");
    fs::write(&file, format!("preset = \"storm\"\n{}{}", hours("strom"), hours("mine"))).unwrap();
    let (code, report) = check(&[&file]);
    assert_eq!((code, report.len()), (Some(78), 3), "{report:?}");
    assert!(
        report[0].contains(
            "melos.toml:5: schedule.hours.preset = \"strom\": there is no preset with this name; did you mean"
        )
    );
    assert!(report[1].contains("melos.toml:9: schedule.hours.preset = \"mine\": there is no preset"), "{report:?}");
    // Presets beside the configuration are found as well.
    fs::create_dir(folder.path().join("presets")).unwrap();
    fs::write(folder.path().join("presets/mine.toml"), "schema = 1\nname = \"Mine\"\n").unwrap();
    fs::write(&file, hours("mine")).unwrap();
    assert_eq!(check(&[&file]).0, Some(0));
}

#[test]
fn presets_setlists_and_scenes_named_in_mappings_and_setlists_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let (mapping, setlist) = (folder.path().join("pedals.toml"), folder.path().join("friday.toml"));
    let text = "schema = 1\nname = \"Pedals\"\n\n[programs]\npresets = [\n    \"storm\", \"strom\",\n    \"tides\",\n]\nscenes = [\"vrese\", \"verse\"]\n\n\
        [[bind]]\nnote = 1\nto = \"preset\"\nvalue = \"tidse\"\n[[bind]]\nnote = 2\nto = \"setlist\"\nvalue = \"evenings\"\n\
        [[bind]]\nnote = 3\nto = \"scene\"\nvalue = \"outro\"\n[[bind]]\nnote = 4\nto = \"scene/store\"\nvalue = \"new\"\n";
    fs::write(&mapping, text).unwrap();
    let entry = |kind, name| format!("[[entry]]\n{kind} = \"{name}\"\n");
    let entries =
        [entry("preset", "calm"), entry("scene", "verse"), entry("scene", "vers"), entry("preset", "clam")].concat();
    fs::write(&setlist, format!("schema = 1\nname = \"Friday\"\n\n{entries}")).unwrap();
    let state = folder.path().join("state");
    fs::create_dir(&state).unwrap();
    let files = [mapping.as_path(), setlist.as_path()];
    let problems = [
        "pedals.toml:6: programs.presets = \"strom\": there is no preset with this name; did you mean \"storm\"?",
        "pedals.toml:14: bind.value = \"tidse\": there is no preset with this name; did you mean \"tides\"?",
        "pedals.toml:18: bind.value = \"evenings\": there is no setlist with this name; did you mean \"evening\"?",
        "friday.toml:11: entry.preset = \"clam\": there is no preset with this name; did you mean \"calm\"?",
    ];
    // If no scene is stored at all, missing scenes are not reported, because the show has not been rehearsed yet.
    let (code, report) = check_with_state(&state, &files);
    assert_eq!((code, report.len()), (Some(78), 5), "{report:#?}");
    assert!(report.iter().zip(problems).all(|(line, expected)| line.ends_with(expected)), "{report:#?}");
    assert_eq!(report[4], "2 files checked, 4 problems");

    fs::write(state.join("state.toml"), "[scenes.verse]\nreverb = 0.5\n").unwrap();
    let (code, report) = check_with_state(&state, &files);
    assert_eq!((code, report.len()), (Some(78), 8), "{report:#?}");
    let stored = format!("there is no scene with this name, neither in scenes/ nor stored in {}", state.display());
    for (line, expected) in report[4..].iter().zip([
        format!("pedals.toml:9: programs.scenes = \"vrese\": {stored}; did you mean \"verse\"?"),
        format!("pedals.toml:22: bind.value = \"outro\": {stored}"),
        format!("friday.toml:9: entry.scene = \"vers\": {stored}; did you mean \"verse\"?"),
        "2 files checked, 4 problems, 3 references to scenes that do not exist".to_owned(),
    ]) {
        assert!(line.ends_with(&expected), "{expected} is missing from {report:#?}");
    }
    // A scene can still be stored later, so a missing one is not a problem.
    fs::write(&setlist, format!("schema = 1\nname = \"Friday\"\n{}", entry("scene", "outro"))).unwrap();
    let (code, report) = check_with_state(&state, &[&setlist]);
    assert_eq!((code, report.len()), (Some(0), 2), "{report:#?}");
    // Scene files near the file that refers to them are found, and checked themselves.
    let scenes = folder.path().join("scenes");
    fs::create_dir(&scenes).unwrap();
    fs::write(scenes.join("outro.toml"), "schema = 1\nreverb = 0.5\n").unwrap();
    assert_eq!(check_with_state(&state, &[&setlist, &scenes]).1, ["2 files checked, 0 problems"]);
    fs::write(scenes.join("outro.toml"), "schema = 1\nreverb = 5\n").unwrap();
    let (code, report) = check_with_state(&state, &[&scenes]);
    assert!(code == Some(78) && report[0].contains("outro.toml:2: reverb = 5: "), "{report:#?}");
}

#[test]
fn names_are_checked_as_they_are_found_while_playing() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("presets");
    fs::create_dir(&own).unwrap();
    for (file, title) in [("dusk", "Fall"), ("leaves", "Fall")] {
        fs::write(own.join(format!("{file}.toml")), format!("schema = 1\nname = \"{title}\"\n")).unwrap();
    }
    let state = folder.path().join("state");
    fs::create_dir(&state).unwrap();
    fs::write(state.join("state.toml"), "[scenes.lead]\nreverb = 0.5\n").unwrap();
    let (setlist, mapping) = (folder.path().join("friday.toml"), folder.path().join("pads.toml"));
    let entries = "[[entry]]\npreset = \"Slow Dawn\"\n[[entry]]\npreset = \"STORM\"\n[[entry]]\nscene = \"LEAD\"\n";
    fs::write(&setlist, format!("schema = 1\nname = \"Friday\"\n{entries}")).unwrap();
    let binds = "[[bind]]\nnote = 1\nto = \"preset\"\nvalue = \"Slow dawn\"\n[[bind]]\nnote = 2\nto = \"setlist\"\nvalue = \"An Evening\"\n";
    fs::write(&mapping, format!("schema = 1\nname = \"Pads\"\n{binds}")).unwrap();
    let (code, report) = check_with_state(&state, &[&setlist, &mapping]);
    assert_eq!((code, report), (Some(0), vec!["2 files checked, 0 problems".to_owned()]));
    fs::write(&setlist, "schema = 1\nname = \"Friday\"\n[[entry]]\npreset = \"fall\"\n").unwrap();
    let (code, report) = check_with_state(&state, &[&setlist]);
    let expected = "friday.toml:4: entry.preset = \"fall\": \"fall\" could be one of several presets: dusk, leaves";
    assert!(code == Some(78) && report[0].ends_with(expected), "{report:#?}");
}

#[test]
fn what_run_refuses_is_a_problem() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("melos.toml");
    for (text, expected) in [
        (
            "model = \"melos-pino\"\n",
            ":1: model = \"melos-pino\": there is no model with this name; did you mean \"melos-piano\"?",
        ),
        (
            "[http]\naddress = \"0.0.0.0\"\n",
            ":2: http.address = \"0.0.0.0\": this address is reachable from the network",
        ),
        ("[http]\npassword = \"short\"\n", ":2: http.password = …: expected a password of at least 8 characters"),
    ] {
        fs::write(&file, text).unwrap();
        let (code, report) = check(&[&file]);
        assert_eq!(code, Some(78), "{text}: {report:?}");
        assert!(report[0].contains(expected), "{expected} is missing from {report:?}");
    }
    // A model may also be given as a path.
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny-model");
    fs::write(&file, format!("model = {path:?}\n")).unwrap();
    assert_eq!(check(&[&file]).0, Some(0));
}

#[test]
fn opening_hours_need_a_known_time_zone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("melos.toml");
    let hours = "[[schedule.hours]]\nopen = \"10:00\"\nclose = \"18:00\"\n";
    for (text, code) in [(hours.to_owned(), 78), (format!("[schedule]\ntime_zone = \"UTC\"\n{hours}"), 0)] {
        fs::write(&file, text).unwrap();
        let run = |arguments: &[&str]| {
            let mut melos = Command::new(env!("CARGO_BIN_EXE_melos"));
            let output = melos.args(arguments).arg(&file).env("TZ", "Nowhere/Land").output().unwrap();
            (output.status.code(), String::from_utf8(output.stdout).unwrap())
        };
        let (status, report) = run(&["check"]);
        assert_eq!(status, Some(code), "{report}");
        for report in [report, run(&["doctor", "--config"]).1] {
            assert_eq!(report.contains("the system's time zone is unknown"), code == 78, "{report}");
        }
    }
}

#[test]
fn the_state_of_melos_is_not_checked() {
    let folder = tempfile::tempdir().unwrap();
    let state = "# The state of Melos. If its last line is missing, this file counts as damaged.\n\npreset = \"gone\"\n# end of state\n";
    fs::write(folder.path().join("state.toml"), state).unwrap();
    let (code, report) = check(&[folder.path()]);
    assert!(code == Some(78) && report[0].ends_with("no TOML files to check"), "{report:?}");
    fs::create_dir(folder.path().join("presets")).unwrap();
    fs::write(folder.path().join("presets/dusk.toml"), "schema = 1\nname = \"Dusk\"\n").unwrap();
    assert_eq!(check(&[folder.path()]), (Some(0), vec!["1 file checked, 0 problems".to_owned()]));
}

#[test]
fn folders_given_twice_are_checked_once() {
    let folder = tempfile::tempdir().unwrap();
    let (presets, again) = (folder.path().join("presets"), folder.path().join("again"));
    fs::create_dir(&presets).unwrap();
    fs::write(presets.join("dusk.toml"), "schema = 1\nname = \"Dusk\"\n").unwrap();
    std::os::unix::fs::symlink(&presets, &again).unwrap();
    for paths in [[folder.path(), &presets], [&presets, &presets], [&presets, &again], [&again, folder.path()]] {
        let (code, report) = check(&paths);
        assert_eq!((code, report), (Some(0), vec!["1 file checked, 0 problems".to_owned()]), "{paths:?}");
    }
}

#[test]
fn the_location_of_a_link_tells_the_kind_of_its_target() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("scenes")).unwrap();
    for (target, text, link) in [
        ("plain-log", "[log]\nkeep_mb = 3\n", "melos.toml"),
        ("plain-scene", "schema = 1\nreverb = 0.5\n", "scenes/verse.toml"),
    ] {
        fs::write(folder.path().join(target), text).unwrap();
        let link = folder.path().join(link);
        std::os::unix::fs::symlink(folder.path().join(target), &link).unwrap();
        let (code, report) = check(&[&link]);
        assert_eq!(
            (code, report.last().map(String::as_str)),
            (Some(0), Some("1 file checked, 0 problems")),
            "{report:?}"
        );
    }
}

#[test]
fn a_folder_with_the_name_of_a_file_is_a_problem() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("presets/dusk.toml")).unwrap();
    fs::write(folder.path().join("presets/dawn.toml"), "schema = 1\nname = \"Dawn\"\n").unwrap();
    let (code, report) = check(&[folder.path()]);
    assert_eq!((code, report.len()), (Some(78), 2), "{report:?}");
    assert!(report[0].contains("presets/dusk.toml: expected a file, but this is a folder"), "{report:?}");
    assert_eq!(report[1], "2 files checked, 1 problem");
}

#[test]
fn a_state_folder_that_is_a_file_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut melos = Command::new(env!("CARGO_BIN_EXE_melos"));
    let output = melos.args(["check", "presets", "--state"]).arg(file.path()).output().unwrap();
    let printed = String::from_utf8(output.stderr).unwrap();
    assert!(printed.contains("--state: ") && printed.contains("is a file, not a folder"), "{printed}");
}
