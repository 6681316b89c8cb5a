//! `melos render`: presets, formats, MIDI files and rejected options.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

fn render(arguments: &[&str], out: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_melos")).arg("render").args(arguments).arg("-o").arg(out).output().unwrap()
}

/// Returns the last line of a plan file.
fn last_plan_line(plan: &Path) -> serde_json::Value {
    let text = fs::read_to_string(plan).unwrap();
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

#[test]
fn a_preset_applies_its_settings_and_starts_its_journey() {
    let folder = tempfile::tempdir().unwrap();
    let (wav, plan) = (folder.path().join("out.wav"), folder.path().join("plan.jsonl"));
    let plan_file = plan.to_str().unwrap();
    let mut valence = Vec::new();
    for (preset, seconds) in [("tides", "2"), ("sad", "1")] {
        let rendered = render(&["--preset", preset, "--seconds", seconds, "--plan", plan_file], &wav);
        assert!(rendered.status.success(), "{}", String::from_utf8_lossy(&rendered.stderr));
        let sound: Vec<i32> = hound::WavReader::open(&wav).unwrap().into_samples().map(Result::unwrap).collect();
        assert!(sound.iter().any(|sample| sample.abs() > 25_000), "{preset} is silent");
        valence.push(last_plan_line(&plan)["valence"].as_f64().unwrap());
    }
    // Tides starts gliding to a valence of 0.3 from the default mood's 0.4.
    assert!((0.3..0.4).contains(&valence[0]), "{valence:?}");
    assert!(valence[1] < -0.5, "{valence:?}");
}

#[test]
fn errors_name_the_cause() {
    let folder = tempfile::tempdir().unwrap();
    let wav = folder.path().join("out.wav");
    for (arguments, code, hints) in [
        (&["--preset", "tidess"][..], 78, &["tidess", "tides"][..]),
        (&["--set", "preset=tides"], 1, &["--preset"]),
        (&["--tempo", "9000"], 1, &["tempo", "9000", "from 40 to 200"]),
        (&["--temperature", "-1"], 1, &["temperature", "-1", "from 0.1 to 2"]),
        (&["--seed", "16777216"], 2, &["--seed", "0..=16777215"]),
        (&["--seconds", "-3"], 1, &["--seconds -3: expected a number above 0"]),
        (&["--set", "revreb=1"], 1, &["did you mean \"reverb\""]),
        (&["--set", "record=1"], 1, &["--set record: a render cannot use this", "`melos run`"]),
        (&["--set", "scene/morph=2"], 1, &["--set scene/morph: a render cannot use this"]),
        (&["--set", "panic=1"], 1, &["--set panic: a render cannot use this"]),
        (&["--set", "seed=7"], 1, &["--set seed: use --seed instead"]),
        (&["--emotion", "bored"], 1, &["bored", "nostalgic"]),
        (&["--control-log", "tests/golden/everything.log", "--from", "9999"], 1, &["--from 9999", "length in seconds"]),
    ] {
        let output = render(arguments, &wav);
        let printed = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {printed}");
        assert!(hints.iter().all(|hint| printed.contains(hint)), "{arguments:?}: {printed}");
    }
    for name in ["full.wav", "full.flac"] {
        let full = folder.path().join(name);
        std::os::unix::fs::symlink("/dev/full", &full).unwrap();
        let output = render(&["--seconds", "2"], &full);
        let printed = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && printed.contains(name) && printed.contains("No space left"), "{printed}");
    }
}

#[test]
fn files_that_would_be_written_over_are_refused_before_rendering() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).into_os_string().into_string().unwrap();
    let log = "melos-control-log 1\nversion \"0.2.0\"\nseed 1\n4800 end\n";
    fs::write(at("t.log"), log).unwrap();
    fs::hard_link(at("t.log"), at("hard.wav")).unwrap();
    for (arguments, out, options) in [
        (&["--control-log", &at("t.log"), "--midi", &at("t.log")][..], "x.wav", ["--control-log", "--midi"]),
        (&["--control-log", &at("t.log")], "hard.wav", ["--control-log", "--output"]),
        (&["--midi", &at("a.wav")], "a.wav", ["--output", "--midi"]),
        (&["--midi", &at("c"), "--plan", &at("c")], "x.wav", ["--midi", "--plan"]),
    ] {
        let output = render(arguments, Path::new(&at(out)));
        let printed = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {printed}");
        assert!(printed.contains("lead to the same file; choose another file"), "{printed}");
        assert!(options.iter().all(|option| printed.contains(option)), "{arguments:?}: {printed}");
        assert_eq!((fs::read_to_string(at("t.log")).unwrap().as_str(), Path::new(&at("x.wav")).exists()), (log, false));
    }
}

#[test]
fn an_interrupted_render_leaves_no_incomplete_file() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("keep.wav"), "an earlier render").unwrap();
    for (name, written) in [("keep.wav", "keep.wav.unfinished"), ("new.wav", "new.wav.unfinished")] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_melos"));
        command.args(["render", "--seconds", "600", "-o"]).arg(at(name)).stderr(Stdio::null());
        let (mut child, started) = (command.spawn().unwrap(), Instant::now());
        let bytes = || fs::metadata(at(written)).map_or(0, |file| file.len());
        while bytes() < 100_000 && started.elapsed() < Duration::from_secs(60) {
            thread::sleep(Duration::from_millis(10));
        }
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success(), "{name} should not be complete");
        assert!(bytes() >= 100_000, "{name}");
    }
    assert_eq!(fs::read_to_string(at("keep.wav")).unwrap(), "an earlier render");
    assert!(!at("new.wav").exists());
    let replaced = render(&["--seconds", "1"], &at("keep.wav"));
    assert!(replaced.status.success(), "{}", String::from_utf8_lossy(&replaced.stderr));
    assert_eq!(hound::WavReader::open(at("keep.wav")).unwrap().duration(), 48_000);
    assert!(!at("keep.wav.unfinished").exists(), "the next render should remove what the interrupted one left");
}

#[test]
fn only_the_progress_may_lose_its_reader() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, code) in [(&["--progress"][..], 0), (&["--plan", "/dev/stdout"], 1)] {
        let (name, mut command) = (folder.path().join("out.wav"), Command::new(env!("CARGO_BIN_EXE_melos")));
        command.args(["render", "--seconds", "10"]).args(arguments).arg("-o").arg(&name);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut reader = child.stdout.take().unwrap();
        reader.read_exact(&mut [0]).unwrap();
        drop(reader);
        assert_eq!(child.wait().unwrap().code(), Some(code), "{arguments:?}");
        let files = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!((name.exists(), files), (code == 0, usize::from(code == 0)), "{arguments:?}");
        let _ = fs::remove_file(name);
    }
}

#[test]
fn devices_and_pipes_can_be_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::os::unix::fs::symlink("/dev/null", at("null.wav")).unwrap();
    for (notes, magic) in [("/dev/null", &b""[..]), ("/dev/stdout", b"MThd")] {
        let output = render(&["--seconds", "1", "--midi", notes], &at("null.wav"));
        assert!(output.status.success(), "{notes}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout.starts_with(magic) && output.stdout.is_empty() == magic.is_empty(), "{notes}");
    }
}

#[test]
fn the_length_of_a_control_log_is_limited() {
    let folder = tempfile::tempdir().unwrap();
    let (log, wav) = (folder.path().join("long.log"), folder.path().join("x.wav"));
    for (last_frame, hints) in [
        ("18446744073709551615", ["long.log", "line 4", "a frame number from 0 to"]),
        ("15000000000000", ["long.log", "at most 1000000 s", "--seconds"]),
    ] {
        fs::write(&log, format!("melos-control-log 1\nversion \"0.2.0\"\nseed 1\n{last_frame} end\n")).unwrap();
        let output = render(&["--control-log", log.to_str().unwrap(), "--from", "999999"], &wav);
        let printed = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{printed}");
        assert!(hints.iter().all(|hint| printed.contains(hint)) && !wav.exists(), "{printed}");
    }
}

#[test]
fn a_preset_that_modulates_is_rendered_for_the_default_length() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("presets")).unwrap();
    std::os::unix::fs::symlink(fs::canonicalize("models").unwrap(), folder.path().join("models")).unwrap();
    let preset = "schema = 1\nname = \"Wave\"\n[[modulate]]\nto = \"tone\"\nshape = \"sine\"\ndepth = 0.3\nbars = 8\n";
    fs::write(folder.path().join("presets/wave.toml"), preset).unwrap();
    let wav = folder.path().join("x.wav");
    let data = folder.path().to_str().unwrap();
    let rendered = render(&["--data", data, "--preset", "wave", "--no-network"], &wav);
    assert!(rendered.status.success(), "{}", String::from_utf8_lossy(&rendered.stderr));
    assert_eq!(hound::WavReader::open(&wav).unwrap().duration(), 30 * 48_000);
}

#[test]
fn the_extension_selects_the_format_and_is_checked_before_rendering() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["x.wav", "y.WAV", "x.flac"] {
        let rendered = render(&["--emotion", "calm", "--seconds", "1", "--bits", "16"], &at(name));
        assert!(rendered.status.success(), "{}", String::from_utf8_lossy(&rendered.stderr));
        let magic = fs::read(at(name)).unwrap()[..4].to_owned();
        assert_eq!(magic, if name.ends_with("flac") { *b"fLaC" } else { *b"RIFF" }, "{name}");
    }
    for (name, bits, hint) in [
        ("x.mp3", "24", "expected a name ending in .wav, .flac or .mid"),
        ("x", "24", "expected a name ending in .wav, .flac or .mid"),
        ("z.flac", "32", "FLAC has no floating-point samples"),
    ] {
        let output = render(&["--seconds", "100000", "--bits", bits], &at(name));
        let printed = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && printed.contains(name) && printed.contains(hint), "{printed}");
        assert!(!at(name).exists());
    }
}

#[test]
fn notes_are_written_as_a_midi_file_in_time_with_the_sound() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let piece = ["--emotion", "happy", "--seconds", "10", "--tempo", "120", "--seed", "5"];
    let beside = at("beside.mid");
    let with_sound = render(&[&piece[..], &["--midi", beside.to_str().unwrap()]].concat(), &at("sound.wav"));
    assert!(with_sound.status.success(), "{}", String::from_utf8_lossy(&with_sound.stderr));
    assert!(render(&piece, &at("alone.mid")).status.success());
    let bytes = fs::read(&beside).unwrap();
    assert_eq!(bytes, fs::read(at("alone.mid")).unwrap());
    let smf = midly::Smf::parse(&bytes).unwrap();
    // Ten seconds at 120 bpm are twenty beats of 480 ticks.
    assert_eq!(smf.tracks.len(), 5, "the tracks should be tempo and chords, bass, pad, upper voice and piano");
    for track in &smf.tracks {
        assert_eq!(track.iter().map(|event| event.delta.as_int()).sum::<u32>(), 20 * 480);
    }
    let tempi = smf.tracks[0].iter().filter_map(|event| match event.kind {
        midly::TrackEventKind::Meta(midly::MetaMessage::Tempo(tempo)) => Some(tempo.as_int()),
        _ => None,
    });
    assert_eq!(tempi.collect::<Vec<_>>(), [500_000]);
    let notes = |smf: &midly::Smf<'_>, track: usize| {
        let is_on = |event: &&midly::TrackEvent| {
            matches!(event.kind, midly::TrackEventKind::Midi { message: midly::MidiMessage::NoteOn { .. }, .. })
        };
        smf.tracks[track].iter().filter(is_on).count()
    };
    let [_, bass, pad, _, piano] = [0, 1, 2, 3, 4].map(|track| notes(&smf, track));
    assert!(bass >= 4 && pad >= 6 && piano > 20, "{bass} bass notes, {pad} pad notes, {piano} piano notes");
    assert!(render(&[&piece[..], &["--no-harmony"]].concat(), &at("piano.mid")).status.success());
    let bytes = fs::read(at("piano.mid")).unwrap();
    let smf = midly::Smf::parse(&bytes).unwrap();
    assert_eq!([1, 2, 3, 4].map(|track| notes(&smf, track)), [0, 0, 0, piano], "the piano should play the same notes");
}

#[test]
fn a_path_at_which_no_file_can_be_written_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    fs::write(at("file"), "").unwrap();
    fs::create_dir(at("folder.wav")).unwrap();
    for (output, reason) in [
        ("missing/a.wav", format!("there is no folder {}", at("missing"))),
        ("file/a.wav", format!("{} is a file, not a folder", at("file"))),
        ("folder.wav", "expected the path of a file, but this is a folder".to_owned()),
    ] {
        let rendered = render(&["--seconds", "0.1", "--no-network"], Path::new(&at(output)));
        let printed = String::from_utf8(rendered.stderr).unwrap();
        let expected = format!("melos: cannot write {}: {reason}\n", at(output));
        assert!(!rendered.status.success() && printed.ends_with(&expected), "{printed}");
    }
}

#[test]
fn a_control_log_that_cannot_be_rendered_exactly_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let (log, wav) = (folder.path().join("take.log"), folder.path().join("x.wav"));
    let path = log.to_str().unwrap();
    for (model, rest, arguments, code, hint) in [
        ("", "4800 checkpoint\n", &[][..], 0, "the control log has no end"),
        ("melos-piano 00000000", "", &["--seconds", "0.1"][..], 0, "another version of it"),
        ("melos-harp 00000000", "", &[], 78, "melos-harp"),
        ("melos-harp 00000000", "", &["--model", "melos-piano"], 0, "another version of it"),
        ("", "4800 /melos/tem", &[], 0, "line 6 of the control log is incomplete"),
        ("", "", &["--from", "0.2"], 1, "less than 0.10, the control log's length"),
    ] {
        let header = format!("melos-control-log 1\nversion \"0.2.0\"\nmodel \"{model}\"\nseed 1\n");
        fs::write(&log, format!("{header}4800 end\n{rest}")).unwrap();
        let output = render(&[&["--control-log", path, "--no-network"], arguments].concat(), &wav);
        let printed = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(code) && printed.contains(hint), "{hint}: {printed}");
    }
}
