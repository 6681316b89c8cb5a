//! `melos render`: presets, formats, MIDI files and rejected options.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

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
        (&["--set", "revreb=1"], 1, &["did you mean \"reverb\""]),
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
