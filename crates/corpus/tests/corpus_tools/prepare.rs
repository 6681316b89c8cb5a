//! Tests `melos-corpus prepare` on small corpora in the layout of the real ones.

mod corpora;
mod pianos;
mod shards;
mod soundfont;

use std::fs;
use std::path::{Path, PathBuf};

use corpora::{arpeggio, pop909_song, write, write_midi, write_wav};
use indicatif::ProgressBar;
use melos::music::emotion::Emotion;
use melos_corpus::prepare::corpus::Corpus;
use melos_corpus::prepare::{Options, Summary, run};

const A_MINOR: [u8; 3] = [57, 60, 64];
const C_MAJOR: [u8; 3] = [60, 64, 67];
// Indices of the groups in the condition vector.
const CHORD: usize = 10;
const BASS: usize = 22;
const BEAT: usize = 34;
const TEMPO: usize = 38;
const DENSITY: usize = 39;
const MASKS: usize = 42;

/// A temporary folder with corpora and output.
struct Workspace(tempfile::TempDir);

impl Workspace {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder should be created"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn options(&self, corpus: Corpus, root: &str) -> Options {
        Options {
            held_out: false,
            corpora: vec![(corpus, self.path(root))],
            piano: soundfont::write(self.0.path()),
            out: self.path("out"),
            copies: 1,
            hours: None,
            max_piece_seconds: None,
            audio: true,
            stereo: false,
            jobs: 2,
            seed: 0,
        }
    }
}

fn prepare(options: &Options) -> Summary {
    run(options, &ProgressBar::hidden()).expect("preparation should succeed")
}

fn reason<'a>(summary: &'a Summary, name: &str) -> &'a str {
    let entry = summary.skipped.iter().find(|(skipped, _)| skipped.contains(name));
    &entry.unwrap_or_else(|| panic!("{name} should be skipped: {:?}", summary.skipped)).1
}

fn bytes(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let name = |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    shards::find(folder).iter().map(|path| (name(path), fs::read(path).expect("the file should be readable"))).collect()
}

#[test]
fn shards_contain_the_audio_mel_frames_and_conditions_of_a_song() {
    let workspace = Workspace::new();
    pop909_song(&workspace.path("pop"), "001", A_MINOR);
    pop909_song(&workspace.path("pop"), "002", C_MAJOR);
    let summary = prepare(&workspace.options(Corpus::Pop909, "pop"));
    assert_eq!((summary.written, summary.skipped.len()), (2, 0));
    for path in shards::find(&workspace.path("out")) {
        let shard = shards::read(&path);
        assert_eq!(shard.metadata["corpus"], "pop909");
        assert_eq!(shard.metadata["licence"], "MIT");
        let number = |key: &str| shard.metadata[key].as_str().and_then(|text| text.parse::<f64>().ok()).expect(key);
        let (transpose, factor) = (number("transpose") as i32, number("tempo_factor"));
        let triad = if shard.metadata["piece"] == "001" { A_MINOR } else { C_MAJOR };
        let transposed = |pitch: u8| (i32::from(pitch) + transpose).rem_euclid(12) as usize;

        let middle = shard.conditions[shard.conditions.len() / 2];
        for pitch in 0..12 {
            assert_eq!(middle[CHORD + pitch] > 0.0, triad.iter().any(|p| transposed(*p) == pitch), "{path:?}");
        }
        assert_eq!(middle[BASS + transposed(triad[0])], 1.0);
        assert!((f64::from(middle[TEMPO]) - factor.log2()).abs() < 1e-3, "the tempo should be that of the copy");
        let onsets = 4.5 * factor;
        assert!((f64::from(middle[DENSITY]) - (onsets.ln_1p() - 1.8) / 0.7).abs() < 0.3);
        assert!(
            middle[MASKS..].iter().all(|mask| *mask == 1.0),
            "every condition should be known: {:?}",
            &middle[MASKS..]
        );

        // Beat phase 0 has cosine 1; a note starts on every beat.
        let starts: Vec<f32> = shard.notes.iter().map(|note| note[0]).collect();
        let last = starts.iter().copied().fold(0.0, f32::max);
        let at_beats = shard.conditions.iter().enumerate().filter(|(_, row)| row[BEAT] > 0.999);
        for time in at_beats.map(|(latent, _)| latent as f32 * 4096.0 / 48_000.0).filter(|time| *time < last) {
            assert!(starts.iter().any(|start| (start - time).abs() < 0.03), "no note on the beat at {time} s");
        }

        let audio = shard.audio.expect("the requested signal should be stored");
        assert_eq!(audio.len(), shard.frames * 512);
        let power = |from: f32, to: f32| {
            let part = &audio[(from * 48_000.0) as usize..(to * 48_000.0) as usize];
            part.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / part.len() as f64
        };
        assert!(power(0.0, 0.04) < power(0.06, 0.2) / 100.0, "the first note should start after the lead-in");
        let total = |frame: usize| shard.mel[frame * 128..(frame + 1) * 128].iter().sum::<f32>();
        assert!(total(1) < total(12), "the mel level should rise at the first note");
    }
}

#[test]
fn an_interrupted_run_resumes() {
    let workspace = Workspace::new();
    for id in ["001", "002", "003", "004", "005", "006"] {
        pop909_song(&workspace.path("pop"), id, A_MINOR);
    }
    let whole = workspace.options(Corpus::Pop909, "pop");
    let part = Options { hours: Some(40.0 / 3600.0), out: workspace.path("part"), jobs: 1, ..whole.clone() };
    let first = prepare(&part);
    assert!((1..6).contains(&first.written), "{first:?}");
    let rest = prepare(&Options { hours: None, ..part.clone() });
    assert_eq!((rest.existing, rest.written), (first.written, 6 - first.written));
    assert_eq!(prepare(&whole).written, 6);
    assert_eq!(
        bytes(&workspace.path("part")),
        bytes(&workspace.path("out")),
        "neither an interruption nor the number of jobs should make a difference"
    );
}

#[test]
fn held_out_pieces_can_be_prepared_alone() {
    let workspace = Workspace::new();
    for id in 1..=60 {
        pop909_song(&workspace.path("pop"), &format!("{id:03}"), A_MINOR);
    }
    let options = Options { held_out: true, ..workspace.options(Corpus::Pop909, "pop") };
    let written = prepare(&options).written;
    assert!((1..20).contains(&written), "{written} of 60 are held out");
    for path in shards::find(&workspace.path("out")) {
        let metadata = shards::read(&path).metadata;
        assert_ne!(metadata["split"], "train");
        assert!(metadata["start"].as_str().and_then(|start| start.parse::<f64>().ok()).is_some());
    }
}

#[test]
fn a_truncated_shard_is_rendered_again() {
    let workspace = Workspace::new();
    pop909_song(&workspace.path("pop"), "001", A_MINOR);
    let options = workspace.options(Corpus::Pop909, "pop");
    prepare(&options);
    let path = shards::find(&workspace.path("out")).remove(0);
    let good = fs::read(&path).expect("the file should be readable");
    fs::write(&path, &good[..20]).expect("the file should be writable");
    assert_eq!(prepare(&options).written, 1);
    assert_eq!(fs::read(&path).expect("the file should be readable"), good);
}

#[test]
fn copies_differ_in_key_and_excerpts_have_the_requested_length() {
    let workspace = Workspace::new();
    pop909_song(&workspace.path("pop"), "001", A_MINOR);
    let options = Options { copies: 4, max_piece_seconds: Some(8.0), ..workspace.options(Corpus::Pop909, "pop") };
    assert_eq!(prepare(&options).written, 4);
    let paths = shards::find(&workspace.path("out"));
    let keys: std::collections::BTreeSet<String> =
        paths.iter().map(|path| shards::read(path).metadata["transpose"].to_string()).collect();
    assert_eq!(keys.len(), 4);
    for path in paths {
        let frames = shards::read(&path).frames;
        assert!((8.0 - frames as f64 * 512.0 / 48_000.0) < 0.09, "{frames} frames");
    }
}

#[test]
fn broken_songs_are_skipped_with_a_reason() {
    let workspace = Workspace::new();
    let root = workspace.path("a folder with spaces");
    for id in ["001", "002", "003", "004", "005"] {
        pop909_song(&root, id, A_MINOR);
    }
    let midi = |id: &str| root.join(format!("POP909/{id}/{id}.mid"));
    let good = fs::read(midi("002")).expect("the file should be readable");
    fs::write(midi("002"), &good[..10]).expect("the file should be writable");
    write_midi(&midi("003"), &[]);
    fs::remove_file(root.join("POP909/004/beat_midi.txt")).expect("the file should exist");
    write(&root.join("POP909/005/beat_midi.txt"), "0.5 1.0 1.0\n1.0 half no\n");
    let summary = prepare(&workspace.options(Corpus::Pop909, "a folder with spaces"));
    assert_eq!((summary.written, summary.skipped.len()), (1, 4), "{summary:?}");
    assert!(reason(&summary, "002").contains("not a MIDI file"));
    assert!(reason(&summary, "003").contains("no notes"));
    assert!(reason(&summary, "004").contains("beat_midi.txt"));
    assert!(reason(&summary, "005").contains("line 2") && reason(&summary, "005").contains("1.0 half no"));
}

#[test]
fn the_error_for_a_missing_corpus_names_its_path() {
    let workspace = Workspace::new();
    let error = run(&workspace.options(Corpus::Pop909, "nowhere"), &ProgressBar::hidden())
        .expect_err("a missing folder should be an error");
    assert!(error.to_string().contains("nowhere"), "{error}");
}

#[test]
fn parts_of_a_giantmidi_recording_share_a_split_and_have_no_beats() {
    let workspace = Workspace::new();
    let root = workspace.path("giant");
    let names = [
        "midis_for_evaluation/giantmidi-piano/Chopin_Etudes_g0hoN6_HDVU_no_12_cut.mid",
        "midis_preview/Chopin, Frédéric, Études, g0hoN6_HDVU.mid",
    ];
    for name in names {
        write_midi(&root.join(name), &arpeggio(A_MINOR, 12.0));
    }
    let summary = prepare(&workspace.options(Corpus::GiantMidi, "giant"));
    assert_eq!(summary.skipped, []);
    let mut splits = Vec::new();
    for path in shards::find(&workspace.path("out")) {
        let shard = shards::read(&path);
        splits.push(shard.metadata["split"].to_string());
        assert!(shard.conditions.iter().all(|row| row[MASKS + 4..MASKS + 7] == [0.0; 3]), "beats should be unknown");
        assert_eq!(shard.conditions[0][MASKS + 2], 1.0);
    }
    splits.dedup();
    assert_eq!(splits.len(), 1);
}

#[test]
fn mutopia_is_humanised() {
    let workspace = Workspace::new();
    let root = workspace.path("mutopia");
    let flat: Vec<_> = arpeggio(C_MAJOR, 30.0).into_iter().map(|(s, e, p, _)| (s, e, p, 90)).collect();
    write_midi(&root.join("midi/BachJS_BWV1_one.midi"), &flat);
    write_midi(&root.join("midi/BachJS_BWV2_two.midi"), &flat);
    let columns = "file\tlicence\tlicence_as_written\tcomposer";
    write(&root.join("licences.tsv"), &format!("{columns}\nBachJS_BWV1_one.midi\tPD\tPublic Domain\tBachJS\n"));
    let summary = prepare(&workspace.options(Corpus::Mutopia, "mutopia"));
    assert!(reason(&summary, "BWV2").contains("licence"));
    let shard = shards::read(&shards::find(&workspace.path("out"))[0]);
    let velocities: std::collections::BTreeSet<u32> = shard.notes.iter().map(|note| note[3] as u32).collect();
    assert!(velocities.len() > 10, "there should be dynamics: {velocities:?}");
    assert_eq!(shard.metadata["piano"], "sine", "the piano should have the SoundFont's name");
    let alternates = |pair: &[[f32; 2]]| pair[0][0] <= pair[1][0] && pair[0][1] != pair[1][1];
    assert!(
        shard.pedal.windows(2).all(alternates),
        "the pedal should alternate between up and down: {:?}",
        shard.pedal
    );
    let factor: f32 = shard.metadata["tempo_factor"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .expect("the value should be a number");
    let grid = |note: &[f32; 4]| ((note[0] - 0.05) * factor / 0.25).fract();
    assert!(shard.notes.iter().any(|note| (0.02..0.98).contains(&grid(note))), "the timing should not be mechanical");
    assert!(shard.conditions.iter().filter(|row| row[MASKS + 4] == 1.0).count() > 100, "beats should be known");
}

#[test]
fn emopia_quadrants_take_precedence_over_rules() {
    let workspace = Workspace::new();
    let root = workspace.path("emopia");
    for (name, chord) in [("Q1_0vLPYiPN7qY_0", C_MAJOR), ("Q3_a_b-c_d_efg_1", C_MAJOR), ("Q9_0vLPYiPN7qY_2", A_MINOR)] {
        write_midi(&root.join(format!("midis/{name}.mid")), &arpeggio(chord, 20.0));
    }
    write(&root.join("midis/._Q1_0vLPYiPN7qY_0.mid"), "not music");
    let summary = prepare(&workspace.options(Corpus::Emopia, "emopia"));
    assert_eq!((summary.written, summary.skipped.len()), (2, 1), "{summary:?}");
    assert!(reason(&summary, "Q9").contains("Q<1 to 4>"));
    for path in shards::find(&workspace.path("out")) {
        let shard = shards::read(&path);
        let expected = if shard.metadata["piece"].to_string().contains("Q1") {
            [Emotion::Happy, Emotion::Energetic]
        } else {
            [Emotion::Sad, Emotion::Nostalgic]
        };
        let middle = shard.conditions[shard.conditions.len() / 2];
        let weight: f32 = expected.iter().map(|emotion| middle[*emotion as usize]).sum();
        assert!((weight - 1.0).abs() < 1e-5, "{path:?}: {:?}", &middle[..8]);
    }
}

#[test]
fn maestro_uses_recordings_where_available() {
    let workspace = Workspace::new();
    let root = workspace.path("maestro");
    for name in ["2004/one", "2004/two"] {
        write_midi(&root.join(format!("{name}.midi")), &arpeggio(A_MINOR, 12.0));
    }
    write_wav(&root.join("2004/one.wav"), 44_100, 13.0);
    let columns = "canonical_composer,canonical_title,split,year,midi_filename,audio_filename,duration";
    let rows = [
        "A,\"Sonata, \"\"Moonlight\"\", first\",train,2004,2004/one.midi,2004/one.wav,13.0",
        "B / C,Two,validation,2004,2004/two.midi,2004/two.wav,12.0",
        "D,Three,train,2004,2004/three.midi,2004/three.wav,12.0",
        "E,Four,holdout,2004,2004/two.midi,2004/two.wav,12.0",
    ];
    write(&root.join("maestro-v3.0.0.csv"), &format!("{columns}\n{}\n", rows.join("\n")));
    let summary = prepare(&workspace.options(Corpus::Maestro, "maestro"));
    // The first piece yields its recording and one copy, the second an unchanged copy.
    assert_eq!((summary.written, summary.skipped.len()), (3, 2), "{summary:?}");
    assert!(reason(&summary, "three.midi").contains("missing"));
    assert!(summary.skipped.iter().any(|(_, reason)| reason.contains("holdout")));
    let recorded = shards::read(&workspace.path("out/train/maestro-2004_one-t+0-s100.safetensors"));
    let written = hound::WavReader::open(root.join("2004/one.wav")).expect("the recording should be a WAV file");
    let peak = written
        .into_samples::<i16>()
        .map(|x| x.expect("the samples should be readable").abs())
        .max()
        .expect("the recording should not be empty");
    let shard_peak = recorded
        .audio
        .expect("the requested signal should be stored")
        .into_iter()
        .map(i16::abs)
        .max()
        .expect("the shard's audio should not be empty");
    assert!(
        shard_peak.abs_diff(peak) < peak as u16 / 50,
        "the recording should only be resampled: {shard_peak} for {peak}"
    );
    assert!(!recorded.notes.is_empty());
}

#[test]
fn the_error_for_a_missing_column_lists_the_columns() {
    let workspace = Workspace::new();
    write(&workspace.path("maestro/maestro-v3.0.0.csv"), "canonical_composer,midi_filename\nA,2004/one.midi\n");
    let error = run(&workspace.options(Corpus::Maestro, "maestro"), &ProgressBar::hidden())
        .expect_err("a missing column should be an error");
    let text = error.to_string();
    assert!(text.contains("\"split\"") && text.contains("canonical_composer, midi_filename"), "{text}");
}

#[test]
fn fma_shards_have_conditions_and_metadata() {
    let workspace = Workspace::new();
    let root = workspace.path("fma");
    let mp3 = include_bytes!("../data/arpeggio.mp3");
    for track in ["000/000002", "000/000003", "000/000005", "098/098565"] {
        let path = root.join(format!("fma_small/{track}.mp3"));
        corpora::create_parent(&path);
        let bytes: &[u8] = if track.contains("098565") { &mp3[..700] } else { mp3 };
        fs::write(path, bytes).expect("the file should be writable");
    }
    let tracks = ",set,set,track,track\n,split,subset,license,title\ntrack_id,,,,\n\
        2,training,small,CC BY,\"Food, and more\"\n3,test,small,CC0,Three\n98565,training,small,CC BY,Broken\n";
    write(&root.join("fma_metadata/tracks.csv"), tracks);
    let summary = prepare(&workspace.options(Corpus::Fma, "fma"));
    assert_eq!((summary.written, summary.skipped.len()), (2, 2), "{summary:?}");
    assert!(reason(&summary, "000005").contains("tracks.csv"));
    assert!(!reason(&summary, "098565").is_empty());
    let shard = shards::read(&workspace.path("out/train/fma-000002-t+0-s100.safetensors"));
    assert_eq!(shard.metadata["licence"], "CC BY");
    let middle = shard.conditions[shard.conditions.len() / 2];
    assert_eq!(middle[MASKS + 2], 1.0, "the chord should be detected");
    assert_eq!([middle[MASKS + 3], middle[MASKS + 5], middle[MASKS + 8], middle[MASKS + 9]], [0.0; 4]);
    let strongest = (0..12)
        .max_by(|a, b| middle[CHORD + a].total_cmp(&middle[CHORD + b]))
        .expect("there should be twelve pitch classes");
    assert!([9, 0, 4].contains(&strongest), "A minor should be detected: {:?}", &middle[CHORD..CHORD + 12]);
}

#[test]
fn any_folder_of_audio_and_midi_can_be_prepared() {
    let workspace = Workspace::new();
    let root = workspace.path("folder");
    write_midi(&root.join("nested/folder/song.MID"), &arpeggio(C_MAJOR, 10.0));
    write_wav(&root.join("with spaces/Größe.wav"), 96_000, 8.0);
    corpora::create_parent(&root.join("x"));
    fs::write(root.join("arpeggio.ogg"), include_bytes!("../data/arpeggio.ogg")).expect("the file should be writable");
    fs::write(root.join("empty.wav"), b"").expect("the file should be writable");
    fs::write(root.join("noise.mp3"), [0x55; 3000]).expect("the file should be writable");
    write(&root.join("notes.txt"), "not music");
    write_wav(&root.join("short.wav"), 48_000, 1.0);
    write_wav(&root.join("silent.wav"), 48_000, 0.0);
    let whole = fs::read(root.join("short.wav")).expect("the file should be readable");
    write_wav(&root.join("cut.wav"), 48_000, 9.0);
    let cut = fs::read(root.join("cut.wav")).expect("the file should be readable");
    fs::write(root.join("cut.wav"), &cut[..whole.len()]).expect("the file should be writable");
    // Three hours at a sample rate that keeps the file small.
    write_wav(&root.join("long.wav"), 100, 3.0 * 3600.0);

    let summary = prepare(&workspace.options(Corpus::Folder, "folder"));
    assert_eq!(summary.written, 3, "{summary:?}");
    assert_eq!(summary.skipped.len(), 6, "{summary:?}");
    assert!(reason(&summary, "long").contains("60 minutes"));
    assert!(reason(&summary, "short").contains("too short"));
    assert!(reason(&summary, "cut").contains("truncated"));
    assert!(reason(&summary, "silent").contains("no audio"));
    for name in ["empty", "noise"] {
        assert!(!reason(&summary, name).is_empty());
    }
    let names: Vec<String> = bytes(&workspace.path("out")).into_iter().map(|(name, _)| name).collect();
    assert!(names.iter().any(|name| name.contains("with_spaces_Gr_e")), "{names:?}");
}
