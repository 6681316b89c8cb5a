use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use ringbuf::traits::{Observer, Producer, Split};
use ringbuf::{HeapProd, HeapRb};

use super::*;
use crate::files::config::{RecordingsConfig, WhenFull};

fn recorder(folder: &Path) -> (Recorder, HeapProd<[f32; 2]>) {
    recorder_with(folder, &RecordingsConfig { keep_free_gb: 0.0, ..RecordingsConfig::default() })
}

fn recorder_with(folder: &Path, config: &RecordingsConfig) -> (Recorder, HeapProd<[f32; 2]>) {
    let (tap, frames) = HeapRb::new(192_000).split();
    let destination = Destination { folder: folder.to_owned(), budget: Budget::new(config) };
    (Recorder::spawn(frames, Listeners::default(), destination, std::sync::Arc::default()).unwrap(), tap)
}

/// Starts a take and returns its path.
fn start(recorder: &Recorder, format: Format, pre_roll: u64, limit: Option<u64>) -> PathBuf {
    let attempts = recorder.status().progress().attempts;
    recorder.start(take(format, pre_roll, limit)).unwrap();
    wait_until("the take to start", || {
        recorder.status().progress().attempts > attempts && recorder.status().is_recording()
    });
    recorder.status().progress().path.unwrap()
}

/// Returns the frame of the test signal at a position.
fn frame(n: usize) -> [f32; 2] {
    let sample = ((n % 4801) as f32 * 0.013).sin() * 0.5;
    [sample, -0.7 * sample]
}

fn wait_until(event: &str, mut has_happened: impl FnMut() -> bool) {
    let started = Instant::now();
    while !has_happened() {
        assert!(started.elapsed() < Duration::from_secs(20), "timed out waiting for {event}");
        sleep(Duration::from_millis(2));
    }
}

/// Writes frames `start..end` of the test signal to the tap as fast as the recorder reads them, and waits until it has read
/// them all.
fn play(tap: &mut HeapProd<[f32; 2]>, start: usize, end: usize) {
    let mut frames = (start..end).map(frame).peekable();
    wait_until("the tap to be drained", || {
        tap.push_iter(&mut frames);
        frames.peek().is_none() && tap.is_empty()
    });
}

fn take(format: Format, pre_roll: u64, limit: Option<u64>) -> Take {
    Take { label: "calm".to_owned(), format, pre_roll, limit }
}

/// Asserts that `frames` match the test signal from frame `first` on.
fn assert_frames(frames: &[[f32; 2]], first: usize) {
    for (n, actual) in frames.iter().enumerate() {
        let expected = frame(first + n);
        let error = (actual[0] - expected[0]).abs().max((actual[1] - expected[1]).abs());
        assert!(error < 2e-7, "frame {n} is {actual:?}, but should be {expected:?}");
    }
}

fn read_wav(path: &Path) -> Vec<[f32; 2]> {
    let mut reader = hound::WavReader::open(path).unwrap();
    assert_eq!((reader.spec().bits_per_sample, reader.spec().sample_rate), (24, 48_000));
    let samples: Vec<f32> = reader.samples::<i32>().map(|sample| sample.unwrap() as f32 / 8_388_607.0).collect();
    samples.chunks_exact(2).map(|frame| [frame[0], frame[1]]).collect()
}

/// Decodes a file with the decoder that `melos analyze` uses; returns the number of frames stated in the header, and the
/// decoded frames.
fn decode(path: &Path) -> (Option<u64>, Vec<[f32; 2]>) {
    use symphonia::core::formats::TrackType;
    let source =
        symphonia::core::io::MediaSourceStream::new(Box::new(std::fs::File::open(path).unwrap()), Default::default());
    let mut format = symphonia::default::get_probe()
        .probe(&Default::default(), source, Default::default(), Default::default())
        .unwrap();
    let track = format.default_track(TrackType::Audio).unwrap();
    let frames = track.num_frames;
    let parameters = track.codec_params.as_ref().unwrap().audio().unwrap().clone();
    let mut decoder = symphonia::default::get_codecs().make_audio_decoder(&parameters, &Default::default()).unwrap();
    let (mut read, mut samples) = (Vec::new(), Vec::new());
    // The end of a file that is still being written may be missing.
    while let Ok(Some(packet)) = format.next_packet() {
        let Ok(decoded) = decoder.decode(&packet) else { break };
        decoded.copy_to_vec_interleaved::<f32>(&mut samples);
        read.extend(samples.chunks_exact(2).map(|frame| [frame[0], frame[1]]));
    }
    (frames, read)
}

#[test]
fn a_take_has_its_pre_roll_and_a_readable_name() {
    let dir = tempfile::tempdir().unwrap();
    let (recorder, mut tap) = recorder(&dir.path().join("new folder"));
    play(&mut tap, 0, 100_000);
    let path = start(&recorder, Format::Wav, 60_000, None);
    play(&mut tap, 100_000, 150_000);
    recorder.stop().unwrap();
    wait_until("the take to end", || !recorder.status().is_recording());
    let read = read_wav(&path);
    assert_eq!(read.len(), 110_000);
    assert_eq!(recorder.status().frames(), 110_000);
    assert_frames(&read, 40_000);
    let recorded = recorder.status().take_recorded().pop_back().unwrap();
    assert_eq!((recorded.frames, recorded.gaps), (40_000..150_000, Vec::new()));
    let file = RecordedFile { path: path.as_path().into(), frames: 40_000..150_000 };
    assert_eq!(recorder.status().take_recorded_files(), [file]);
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(
        name.starts_with("20") && name.ends_with("_calm.wav") && name.len() == "2026-11-28_16.55.01_calm.wav".len(),
        "{name}"
    );
}

#[test]
fn takes_have_separate_files_and_do_not_overlap() {
    let dir = tempfile::tempdir().unwrap();
    let (recorder, mut tap) = recorder(dir.path());
    let mut stems = std::collections::BTreeSet::new();
    let mut total = 0;
    for round in 0..20 {
        // A log or notes belong to the take of the same name, so takes of different formats have different names too.
        let format = if round % 2 == 0 { Format::Wav } else { Format::Flac };
        let path = start(&recorder, format, u64::MAX, None);
        play(&mut tap, 100 * round, 100 * (round + 1));
        recorder.stop().unwrap();
        wait_until("the take to end", || !recorder.status().is_recording());
        total += decode(&path).1.len();
        stems.insert(path.with_extension(""));
    }
    assert_eq!((stems.len(), total), (20, 2000), "the pre-roll should not reach into the previous take");
}

#[test]
fn a_take_ends_at_its_limit() {
    let dir = tempfile::tempdir().unwrap();
    let (recorder, mut tap) = recorder(dir.path());
    let path = start(&recorder, Format::Wav, 0, Some(5000));
    play(&mut tap, 0, 20_000);
    wait_until("the take to end", || !recorder.status().is_recording());
    assert_eq!(read_wav(&path).len(), 5000);
    assert_eq!((recorder.status().trouble(), recorder.status().take_failure()), (None, None));
}

#[test]
fn flac_preserves_the_audio() {
    let dir = tempfile::tempdir().unwrap();
    // One length is shorter than a block, and the other is not a whole number of blocks.
    for length in [1000, 50_001] {
        let (recorder, mut tap) = recorder(dir.path());
        let path = start(&recorder, Format::Flac, 0, None);
        play(&mut tap, 0, length);
        drop(recorder);
        let (frames, read) = decode(&path);
        assert_eq!((frames, read.len()), (Some(length as u64), length));
        assert_frames(&read, 0);
    }
}

#[test]
fn every_format_reports_a_full_disk() {
    for (format, bits) in [(Format::Wav, Bits::TwentyFour), (Format::Wav, Bits::Float), (Format::Flac, Bits::Sixteen)] {
        let write = || {
            let mut file = SoundFile::create(Path::new("/dev/full"), format, bits)?;
            file.write(&[[0.5; 2]; 100_000])?;
            file.finish()
        };
        let error = write().unwrap_err().to_string();
        assert!(error.contains("/dev/full") && error.contains("No space left"), "{error}");
    }
}

#[test]
fn the_recorder_survives_an_unwritable_folder() {
    let dir = tempfile::tempdir().unwrap();
    let (recorder, mut tap) = recorder(Path::new("/proc/nothing"));
    recorder.start(take(Format::Wav, 0, None)).unwrap();
    wait_until("the take to fail", || recorder.status().trouble().is_some());
    let failure = recorder.status().take_failure().unwrap();
    assert!(failure.contains("/proc/nothing") && !recorder.status().is_recording(), "{failure}");
    assert_eq!(recorder.status().take_failure(), None, "a failure should be reported only once");
    play(&mut tap, 0, 150_000);

    let budget = Budget::new(&RecordingsConfig::default());
    recorder.set_destination(Destination { folder: dir.path().to_owned(), budget }).unwrap();
    let path = start(&recorder, Format::Wav, 10_000, None);
    assert_eq!(recorder.status().trouble(), None);
    drop(recorder);
    assert_frames(&read_wav(&path), 140_000);
}

#[test]
fn a_take_ends_intact_when_space_runs_out() {
    let dir = tempfile::tempdir().unwrap();
    // 3.5 MB: twelve seconds.
    let config = RecordingsConfig { max_gb: 0.0035, keep_free_gb: 0.0, ..RecordingsConfig::default() };
    let (recorder, mut tap) = recorder_with(dir.path(), &config);
    let path = start(&recorder, Format::Wav, 0, None);
    play(&mut tap, 0, 1_100_000);
    wait_until("the take to end", || !recorder.status().is_recording());
    assert!(recorder.status().take_failure().unwrap().contains("recordings.max_gb"));
    let read = read_wav(&path);
    assert!(read.len() >= 480_000 && read.len() < 1_100_000, "{}", read.len());
    assert_frames(&read, 0);
    assert_eq!(recorder.status().take_recorded().len(), 1, "what was written should count as a recording");
    recorder.start(take(Format::Wav, 0, None)).unwrap();
    wait_until("the next take to fail", || recorder.status().take_failure().is_some());
}

#[test]
fn a_lower_limit_deletes_nothing_before_the_next_take() {
    let dir = tempfile::tempdir().unwrap();
    let old = dir.path().join("2026-11-28_16.55.01_calm.wav");
    std::fs::write(&old, vec![0; 3_000_000]).unwrap();
    let (recorder, mut tap) = recorder(dir.path());
    let config = RecordingsConfig {
        max_gb: 0.002,
        keep_free_gb: 0.0,
        when_full: WhenFull::DeleteOldest,
        ..RecordingsConfig::default()
    };
    let destination = Destination { folder: dir.path().to_owned(), budget: Budget::new(&config) };
    recorder.set_destination(destination).unwrap();
    play(&mut tap, 0, 10_000);
    std::thread::sleep(Duration::from_millis(300));
    assert!(old.exists());
    start(&recorder, Format::Wav, 0, None);
    assert!(!old.exists());
}

#[test]
fn a_take_fails_when_its_folder_is_deleted_or_moved() {
    let dir = tempfile::tempdir().unwrap();
    for format in [Format::Wav, Format::Flac] {
        let folder = dir.path().join("takes");
        let (recorder, mut tap) = recorder(&folder);
        start(&recorder, format, 0, None);
        play(&mut tap, 0, 10_000);
        std::fs::remove_dir_all(&folder).unwrap();
        play(&mut tap, 10_000, 110_000);
        wait_until("the take to fail", || recorder.status().trouble().is_some());
        assert!(recorder.status().take_failure().unwrap().contains("moved or deleted"));
        assert!(recorder.status().take_recorded().is_empty(), "no recording should be reported");

        let path = start(&recorder, format, 0, None);
        play(&mut tap, 0, 10_000);
        let moved = dir.path().join(format.extension());
        std::fs::rename(&folder, &moved).unwrap();
        play(&mut tap, 10_000, 110_000);
        wait_until("the take to fail", || recorder.status().trouble().is_some());
        let (_, read) = decode(&moved.join(path.file_name().unwrap()));
        assert!(read.len() >= 48_000, "only {} frames are intact in the new folder", read.len());
    }
}

#[test]
fn missing_frames_become_silence_and_are_reported() {
    let dir = tempfile::tempdir().unwrap();
    let (recorder, mut tap) = recorder(dir.path());
    play(&mut tap, 0, 1000);
    let path = start(&recorder, Format::Wav, 500, None);
    tap.try_push(crate::engine::gap(12_345)).unwrap();
    play(&mut tap, 13_345, 20_000);
    recorder.stop().unwrap();
    wait_until("the take to end", || !recorder.status().is_recording());
    let read = read_wav(&path);
    assert_frames(&read[..500], 500);
    assert!(read[500..12_845].iter().all(|frame| *frame == [0.0; 2]));
    assert_frames(&read[12_845..], 13_345);
    let recorded = recorder.status().take_recorded().pop_back().unwrap();
    assert_eq!((recorded.frames, recorded.gaps), (500..20_000, vec![1000..13_345]));
    assert_eq!(recorder.status().progress().missing, 12_345);
}

#[test]
fn files_are_playable_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    for format in [Format::Wav, Format::Flac] {
        let (recorder, mut tap) = recorder(dir.path());
        let path = start(&recorder, format, 0, None);
        play(&mut tap, 0, 100_000);
        let copy = dir.path().join("copy").with_extension(format.extension());
        std::fs::copy(&path, &copy).unwrap();
        let (_, read) = decode(&copy);
        assert!(read.len() >= 48_000, "{format:?}: {}", read.len());
        assert_frames(&read, 0);
        // Truncate the copy in the middle of a frame.
        let length = copy.metadata().unwrap().len();
        std::fs::File::options().write(true).open(&copy).unwrap().set_len(length - 1001).unwrap();
        assert_frames(&decode(&copy).1, 0);
    }
}
